# SPDX-License-Identifier: MIT
"""The driver API by ctypes: cu.Driver(how, hold_gil).

how: "dlsym" looks each name up in libcuda.so.1, "proc" asks cuGetProcAddress_v2() for all but itself, as
libcudart does, "proc1" asks the older cuGetProcAddress(). Calls keep the GIL with hold_gil (PyDLL).
`driver("cuMemAlloc", byref(p), 100)` raises cu.Error unless it returns 0; `driver.try_(…)` gives the
result. Names are base names ("cuMemAlloc"), or exported ones with "dlsym".
"""
import ctypes
import os
import pathlib
from ctypes import byref, c_int, c_size_t, c_uint64, c_void_p

LIBRARY = os.environ.get("GILSCOPE_LIBCUDA", "libcuda.so.1")
VERSION = int(os.environ.get("FAKECUDA_VERSION", "13000"))

# Where the exported name is not the base name, in the form without parameters of 11.4 and later.
EXPORTED = {name: name + "_v2" for name in (
    "cuMemAlloc cuMemFree cuMemAllocPitch cuMemAllocHost cuMemHostRegister cuMemGetInfo "
    "cuDeviceTotalMem cuCtxCreate cuCtxDestroy cuCtxPushCurrent cuCtxPopCurrent "
    "cuDevicePrimaryCtxRelease cuDevicePrimaryCtxReset cuArrayCreate cuArray3DCreate "
    "cuIpcOpenMemHandle cuMemGetAddressRange cuStreamDestroy cuEventDestroy cuMemcpyHtoD "
    "cuMemcpyDtoH cuMemcpyDtoD cuMemcpyHtoDAsync cuMemsetD8 cuMemsetD32").split()}

DEVICE, MANAGED, VMM, POOL, ARRAY, HOST, REGISTERED, GRAPH, IPC, MODULE = range(1, 11)


class Error(Exception):
    def __init__(self, name, code):
        super().__init__("%s: %d" % (name, code))
        self.code = code


class Location(ctypes.Structure):
    _fields_ = [("type", c_int), ("id", c_int)]


class VmmProps(ctypes.Structure):
    _fields_ = [("type", c_int), ("handle_types", c_int), ("where", Location),
                ("security", c_void_p), ("rest", ctypes.c_char * 8)]


class PoolProps(ctypes.Structure):
    _fields_ = [("type", c_int), ("handle_types", c_int), ("where", Location),
                ("security", c_void_p), ("rest", ctypes.c_char * 64)]


class Access(ctypes.Structure):
    _fields_ = [("where", Location), ("flags", c_int)]


class GraphAlloc(ctypes.Structure):
    _fields_ = [("props", PoolProps), ("access", c_void_p), ("n_access", c_size_t),
                ("bytes", c_size_t), ("address", c_uint64)]


class ArrayDesc(ctypes.Structure):
    _fields_ = [("width", c_size_t), ("height", c_size_t), ("format", c_int),
                ("channels", ctypes.c_uint)]


class IpcHandle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char * 64)]


def device_memory(device=0):
    return VmmProps(type=1, where=Location(1, device))


class Driver:
    def __init__(self, how="dlsym", hold_gil=False):
        self.how, self.hold_gil = how, hold_gil
        self.lib = (ctypes.PyDLL if hold_gil else ctypes.CDLL)(LIBRARY)
        self.prototype = (ctypes.PYFUNCTYPE if hold_gil else ctypes.CFUNCTYPE)
        self.functions = {}

    def look_up(self, name, version=None, flags=0):
        """The address that cuGetProcAddress gives, 0 when none."""
        pfn, status = c_void_p(), c_int()
        version = VERSION if version is None else version
        args = [name.encode(), byref(pfn), version, c_uint64(flags)]
        if self.how == "proc":
            self.lib.cuGetProcAddress_v2(*args, byref(status))
        else:
            self.lib.cuGetProcAddress(*args)
        return pfn.value or 0

    def function(self, name):
        if name not in self.functions:
            if self.how == "dlsym":
                found = getattr(self.lib, EXPORTED.get(name, name))
            else:
                older = name in ("cuCtxCreate", "cuCtxGetDevice", "cuCtxSynchronize")
                address = self.look_up(name, 11000 if older else None)  # as EXPORTED has them
                if not address:
                    raise Error("no " + name, 500)
                found = self.prototype(c_int)(address)
            found.restype = c_int
            self.functions[name] = found
        return self.functions[name]

    def try_(self, name, *args):
        return self.function(name)(*[c_uint64(a) if isinstance(a, int) else a for a in args])

    def __call__(self, name, *args):
        code = self.try_(name, *args)
        if code:
            raise Error(name, code)

    # ---- what programs do ----

    def start(self, device=0):
        """cuInit, and the primary context made current."""
        context = c_void_p()
        self("cuInit", 0)
        self("cuDevicePrimaryCtxRetain", byref(context), device)
        self("cuCtxSetCurrent", context)
        return context

    def allocate(self, n_bytes, name="cuMemAlloc", *more):
        p = c_uint64()
        self(name, byref(p), n_bytes, *more)
        return p.value

    def free(self, address, name="cuMemFree", *more):
        self(name, address, *more)


class Fake:
    """What the driver on host memory says to tests, by its fake_* functions."""

    def __init__(self):
        self.lib = ctypes.CDLL(LIBRARY)
        for name in ("live_bytes", "live_blocks", "device_bytes", "device_peak_bytes", "used_bytes",
                     "effects", "queries", "sync_ns"):
            function = getattr(self.lib, "fake_" + name)
            function.restype = c_uint64
            setattr(self, name, function)

    def set(self, name, value):
        assert self.lib.fake_set(name.encode(), c_uint64(value)), name

    def live(self):
        return {kind: (self.live_blocks(kind), self.live_bytes(kind)) for kind in range(1, 11)}


def folder():
    return pathlib.Path(__file__).resolve().parent

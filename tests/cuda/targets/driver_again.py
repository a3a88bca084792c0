# SPDX-License-Identifier: MIT
"""The driver is opened, used and closed, as those do who only want to know whether it is there, and then
opened at another place: what was looked up before is gone. driver_again.py FOLDER

With "two" after it, a second driver is loaded beside the first (by dlmopen): each is asked for memory by
its own functions, and has it."""
import ctypes
import mmap
import os
import shutil
import sys

import _ctypes

libc = ctypes.CDLL(None)
libc.dlsym.restype = libc.dlmopen.restype = libc.mmap.restype = ctypes.c_void_p
libc.dlsym.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
DRIVER = os.environ["GILSCOPE_DRIVER"]


def look_up(handle, name):
    return ctypes.CFUNCTYPE(ctypes.c_int)(libc.dlsym(handle, name.encode()))


def proc(handle, name):
    pfn, status = ctypes.c_void_p(), ctypes.c_int()
    code = look_up(handle, "cuGetProcAddress_v2")(
        name.encode(), ctypes.byref(pfn), 12000, ctypes.c_uint64(0), ctypes.byref(status))
    assert code == 0 and pfn.value, (name, code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(pfn.value)


def use(handle, find):
    context, p = ctypes.c_void_p(), ctypes.c_uint64()
    codes = [find(handle, "cuInit")(0),
             find(handle, "cuDevicePrimaryCtxRetain")(ctypes.byref(context), 0),
             find(handle, "cuCtxSetCurrent")(context),
             find(handle, "cuMemAlloc_v2" if find is look_up else "cuMemAlloc")(
                 ctypes.byref(p), ctypes.c_size_t(4096))]
    assert codes == [0, 0, 0, 0] and p.value, codes


def live(handle):
    count = look_up(handle, "fake_device_bytes")
    count.restype = ctypes.c_uint64
    return count()


def text_of(path):
    """(begin, end) of what is mapped of it."""
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if path in line]
    return int(ranges[0][0], 16), int(ranges[-1][1], 16)


def close_and_open_elsewhere(find):
    first = _ctypes.dlopen(DRIVER, os.RTLD_NOW)
    use(first, find)
    begin, end = text_of(DRIVER)
    _ctypes.dlclose(first)
    libc.mmap(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), 0,
              mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10, -1, ctypes.c_long(0))
    again = _ctypes.dlopen(DRIVER, os.RTLD_NOW)
    assert text_of(DRIVER)[0] != begin
    use(again, find)
    assert live(again) == 4096
    print("used")


def two(find):
    copy = sys.argv[1] + "/copy.so"
    shutil.copyfile(DRIVER, copy)
    first = _ctypes.dlopen(DRIVER, os.RTLD_NOW)
    second = libc.dlmopen(ctypes.c_long(-1), copy.encode(), os.RTLD_NOW)
    use(first, find)
    use(second, find)
    assert (live(first), live(second)) == (4096, 4096)
    print("used")


(two if "two" in sys.argv else close_and_open_elsewhere)(proc if "proc" in sys.argv else look_up)

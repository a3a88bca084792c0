# SPDX-License-Identifier: MIT
"""One of each kind of memory, allocated and freed three times, then one of each left; prints what lives
as JSON, if the driver is one that says so. usage: all_kinds.py dlsym|proc|proc1 [--hold-gil]"""
import ctypes
import json
import sys
from ctypes import byref, c_uint64, c_void_p

import cu

driver = cu.Driver(sys.argv[1], "--hold-gil" in sys.argv)
STEP = 2 << 20


def array():
    p = c_void_p()
    driver("cuArrayCreate", byref(p), byref(cu.ArrayDesc(64, 64, 0x20, 4)))
    return p.value


def map_memory():
    """(address, handle): the handle is released, the mapping keeps it alive."""
    at, handle = c_uint64(), c_uint64()
    access = cu.Access(cu.Location(1, 0), 3)
    driver("cuMemAddressReserve", byref(at), 2 * STEP, 0, 0, 0)
    driver("cuMemCreate", byref(handle), STEP, byref(cu.device_memory()), 0)
    driver("cuMemMap", at, STEP, 0, handle, 0)
    driver("cuMemSetAccess", at, STEP, byref(access), 1)
    driver("cuMemRelease", handle)
    return at.value


def unmap(at):
    driver("cuMemUnmap", at, STEP)
    driver("cuMemAddressFree", at, 2 * STEP)


PTX = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry nothing() { ret; }
"""


def module():
    p = c_void_p()
    driver("cuModuleLoadData", byref(p), ctypes.create_string_buffer(PTX))
    return p.value


own = ctypes.create_string_buffer(1 << 16)


def register():
    driver("cuMemHostRegister", own, 1 << 16, 0)
    return own


def graph():
    """An executable graph that allocates 4096 bytes, and their address."""
    g, node, run = c_void_p(), c_void_p(), c_void_p()
    what = cu.GraphAlloc(props=cu.PoolProps(type=1, where=cu.Location(1, 0)), bytes=4096)
    driver("cuGraphCreate", byref(g), 0)
    driver("cuGraphAddMemAllocNode", byref(node), g, None, 0, byref(what))
    driver("cuGraphInstantiateWithFlags", byref(run), g, 0)
    driver("cuGraphLaunch", run, None)
    return what.address


KINDS = [
    (lambda: driver.allocate(1000), driver.free),
    (lambda: driver.allocate(3 << 20, "cuMemAllocManaged", 1), driver.free),
    (map_memory, unmap),
    (lambda: driver.allocate(70000, "cuMemAllocAsync", None),
     lambda p: driver("cuMemFreeAsync", p, None)),
    (array, lambda p: driver("cuArrayDestroy", c_void_p(p))),
    (lambda: driver.allocate(5000, "cuMemAllocHost"), lambda p: driver("cuMemFreeHost", p)),
    (register, lambda p: driver("cuMemHostUnregister", p)),
    (graph, driver.free),
    (module, lambda p: driver("cuModuleUnload", c_void_p(p))),
]


def main():
    driver.start()
    for allocate, free in KINDS:
        for _ in range(3):
            free(allocate())
    for allocate, _ in KINDS:
        allocate()
    if not hasattr(driver.lib, "fake_live_bytes"):
        return
    fake = cu.Fake()
    print(json.dumps({"live": {str(k): v for k, v in fake.live().items()},
                      "device_bytes": fake.device_bytes(), "peak": fake.device_peak_bytes(),
                      "effects": fake.effects(), "queries": fake.queries()}))


main()

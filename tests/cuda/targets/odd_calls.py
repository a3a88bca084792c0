# SPDX-License-Identifier: MIT
"""Every function that the agent wraps, of odd_driver.c, with nothing but NULL and 0: odd_calls.py
LIBCUDA CALLS_DEF. Its result is the driver's, and errno is what it was."""
import ctypes
import re
import sys

lib = ctypes.CDLL(sys.argv[1], use_errno=True)
text = re.sub(r"\\\n", " ", open(sys.argv[2]).read())
names = set(re.findall(r"^GS_CUDA_(?:CALL|TIMED)\((cu\w+),", text, re.M))
for name, suffix in re.findall(r"^GS_CUDA_COPY\w*\((cu\w+), (\w*),", text, re.M):
    names |= {name + suffix, name + suffix + ("_ptsz" if "Async" in name else "_ptds")}
result = ctypes.c_int.in_dll(lib, "odd_result")
contexts = ctypes.c_uint.in_dll(lib, "odd_contexts")
nothing = [ctypes.c_uint64(0)] * 14


def call(name):
    ctypes.set_errno(5)
    got = getattr(lib, name)(*nothing)
    assert (got, ctypes.get_errno()) == (result.value, 5), (name, got, ctypes.get_errno())


for result.value in (0, 2, 700, -1, 999999):
    for name in sorted(names):
        call(name)
result.value = 0
contexts.value = 5000  # more than are told apart
address = ctypes.c_uint64()
for i in range(5001):
    address.value = 0x10000 + 512 * i
    for name, argument in (("cuMemAlloc_v2", ctypes.byref(address)), ("cuMemFree_v2", address)):
        ctypes.set_errno(5)
        got = getattr(lib, name)(argument, ctypes.c_size_t(100))
        assert (got, ctypes.get_errno()) == (0, 5), (name, got, ctypes.get_errno())
for text in (b"", b"\xff" * 300, b"cuMemAlloc"):
    for version in (-1, 0, 1 << 30):
        pfn = ctypes.c_void_p(7)
        ctypes.set_errno(5)
        assert lib.cuGetProcAddress_v2(text, ctypes.byref(pfn), version, ctypes.c_uint64(1),
                                       None) == 0
        assert (ctypes.get_errno(), bool(pfn.value)) == (5, True), (text, version)
        assert lib.cuGetProcAddress_v2(None, ctypes.byref(pfn), version, ctypes.c_uint64(0), None) == 0
print(len(names))

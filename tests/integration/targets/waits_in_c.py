# SPDX-License-Identifier: MIT
"""waits_in_c.py LIBRARY: one thread computes, another holds the GIL in chain.c, then waits for it there."""
import ctypes
import sys
import threading
import time

lib = ctypes.PyDLL(sys.argv[1])
end = time.monotonic() + 1


def other():
    while time.monotonic() < end:
        sum(range(1000))


def in_c():
    while time.monotonic() < end:
        lib.enters(8)


threads = [threading.Thread(target=f) for f in (other, in_c)]
for t in threads:
    t.start()
for t in threads:
    t.join()

# SPDX-License-Identifier: MIT
"""Arenas that come and go as fast as they can, in many threads, while processes are forked.
arenas_come_and_go.py CHURN-LIBRARY SECONDS THREADS FORKS-A-SECOND

Half of the threads let pymalloc do it; page faults keep it to hundreds a second. The others take
arenas from the same allocator themselves; from 3.15 on that one wants the GIL."""
import ctypes
import os
import sys
import threading
import time

NEEDS_GIL = sys.version_info >= (3, 15)
library = (ctypes.PyDLL if NEEDS_GIL else ctypes.CDLL)(sys.argv[1])
seconds = float(sys.argv[2])
n_threads, forks = int(sys.argv[3]), float(sys.argv[4])
ARENA, POOL = (1 << 20, 16384) if sys.version_info >= (3, 10) else (256 << 10, 4096)
end = time.monotonic() + seconds
allocator = (ctypes.c_void_p * 3)()
ctypes.pythonapi.PyObject_GetArenaAllocator(allocator)
library.churn.restype = ctypes.c_uint64
library.churn.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_size_t, ctypes.c_size_t]
arenas = []


def churn_blocks():
    """10 MiB and nothing again: Python keeps one arena that is all free, the others go."""
    while time.monotonic() < end:
        blocks = [bytes(450) for _ in range(20000)]
        del blocks


def churn_arenas():
    while time.monotonic() < end:
        slice_s = 0.003 if NEEDS_GIL else end - time.monotonic()
        arenas.append(library.churn(allocator, slice_s, ARENA, POOL))


def child():
    blocks = [bytes(300) for _ in range(20000)]
    kept = blocks[::100]
    del blocks
    os._exit(0 if len(kept) == 200 else 1)


threads = [threading.Thread(target=churn_arenas if i % 2 else churn_blocks) for i in range(n_threads)]
for thread in threads:
    thread.start()
bad = 0
while forks and time.monotonic() < end:
    pid = os.fork()
    if not pid:
        child()
    bad += os.waitpid(pid, 0)[1] != 0
    time.sleep(1 / forks)
for thread in threads:
    thread.join()
print("children that went wrong: %d; arenas a second: %d" % (bad, sum(arenas) / seconds))

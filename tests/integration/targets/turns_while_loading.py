# SPDX-License-Identifier: MIT
"""turns_while_loading.py LIB SLOW_LIB: the longest of many short calls that release the GIL, or a
lock, in ms, while another thread sits in dlopen for a second."""
import ctypes
import sys
import threading
import time
import zlib

lib = ctypes.CDLL(sys.argv[1])
data = bytes(6000)
longest = 0.0
lock = threading.Lock()
lib.load_in_background(sys.argv[2].encode())
time.sleep(0.1)


def turn(seconds):
    global longest
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        zlib.crc32(data)
        with lock:
            pass
        longest = max(longest, time.monotonic() - start)


threads = [threading.Thread(target=turn, args=(0.5,)) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(longest * 1000)

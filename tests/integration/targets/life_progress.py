# SPDX-License-Identifier: MIT
"""life_progress.py FILE [fork]: fights for the GIL until killed; FILE (8 bytes, shared memory) always
holds the time of the main thread's last turn, ns since 1970. fork: alone, with a child every
few ms."""
import mmap
import os
import struct
import sys
import threading
import time

import busy

with open(sys.argv[1], "r+b") as file:
    progress = mmap.mmap(file.fileno(), 8)
for _ in range(0 if "fork" in sys.argv else 2):
    threading.Thread(target=busy.spin, args=(time.monotonic() + 60,), daemon=True).start()
while True:
    time.sleep(0.001)
    struct.pack_into("<q", progress, 0, time.time_ns())
    if "fork" in sys.argv:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

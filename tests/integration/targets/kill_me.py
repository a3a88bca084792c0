# SPDX-License-Identifier: MIT
"""kill_me.py FILE: fights for the GIL for a minute; each thread writes the time of its last turn into
FILE, in a slot of its own, so that whoever kills it knows how far it had come."""
import mmap
import struct
import sys
import threading
import time

import busy

THREADS = 3
with open(sys.argv[1], "r+b") as f:
    page = mmap.mmap(f.fileno(), 4096)


def work(slot):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        busy.spin(time.monotonic() + 0.002)
        time.sleep(0.0005)  # lets the GIL go: a turn ends here
        struct.pack_into("<q", page, 8 * slot, time.time_ns())


for i in range(THREADS):
    threading.Thread(target=work, args=(i,), daemon=True).start()
time.sleep(60)

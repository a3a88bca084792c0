# SPDX-License-Identifier: MIT
"""Arenas that come and go as fast as they can, in many threads, while processes are forked.
arenas_come_and_go.py SECONDS THREADS FORKS-A-SECOND"""
import os
import sys
import threading
import time

seconds, n_threads, forks = float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds


def churn(seed):
    while time.monotonic() < end:
        blocks = [bytes(400 + seed % 100) for _ in range(3000)]
        del blocks


def child():
    blocks = [bytes(300) for _ in range(20000)]
    kept = blocks[::100]
    del blocks
    os._exit(0 if len(kept) == 200 else 1)


threads = [threading.Thread(target=churn, args=(i,)) for i in range(n_threads)]
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
print("children that went wrong:", bad)

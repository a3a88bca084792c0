# SPDX-License-Identifier: MIT
"""Threads that fight for the GIL; the other targets build on it. Runs alone too: busy.py SECONDS"""
import sys
import threading
import time


def spin(deadline):
    n = 0
    while time.monotonic() < deadline:
        n += 1


def contend(seconds=0.15, threads=2):
    deadline = time.monotonic() + seconds
    workers = [threading.Thread(target=spin, args=(deadline,)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    contend(float(sys.argv[1]) if len(sys.argv) > 1 else 0.15)

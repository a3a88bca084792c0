#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seven threads that use the GIL in every way at once: two compute, two bounce a byte through
pipes, one hashes with the GIL released, two hand items through a queue. usage: [SECONDS]"""
import hashlib
import os
import queue
import sys
import threading
import time

DEADLINE = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 2.5)


def running():
    return time.monotonic() < DEADLINE


def compute():
    while running():
        sum(i * i for i in range(2000))


def bounce(read_fd, write_fd, serves):
    """One side serves; the other sends the byte back, until it reads the end of the pipe."""
    if serves:
        os.write(write_fd, b"x")
    while os.read(read_fd, 1) and running():
        os.write(write_fd, b"x")
    os.close(write_fd)


def hash_blocks():
    block = b"x" * 200_000  # long enough for hashlib to release the GIL
    while running():
        hashlib.sha256(block).digest()
        hashlib.sha256(b"short").digest()


def produce(items):
    while running():
        items.put(list(range(50)))
    items.put(None)


def consume(items):
    while (item := items.get()) is not None:
        sorted(item, reverse=True)


def main():
    there, back, items = os.pipe(), os.pipe(), queue.Queue(maxsize=20)
    jobs = [
        (compute,), (compute,), (hash_blocks,),
        (bounce, back[0], there[1], True), (bounce, there[0], back[1], False),
        (produce, items), (consume, items),
    ]
    threads = [
        threading.Thread(target=job[0], args=job[1:], name="%s-%d" % (job[0].__name__, i))
        for i, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

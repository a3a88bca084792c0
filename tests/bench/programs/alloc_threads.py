# SPDX-License-Identifier: MIT
"""Four threads that allocate; the memory of one is freed by another."""

import queue
import sys
import threading

import peak  # noqa: F401

ROUNDS = int(sys.argv[1])
todo = queue.Queue(8)


def make():
    for i in range(ROUNDS):
        todo.put([str(i + k) for k in range(4000)])


def drop():
    for _ in range(ROUNDS):
        todo.get()


threads = [threading.Thread(target=f) for f in (make, make, drop, drop)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four threads, no faster than one.

What the team saw: the nightly pricing job was moved from one thread to four on a 16-core
machine. It took as long as before, `top` showed 100 % of one core, and each thread's own timing
said that it had become four times slower.

What is going on: `price` is pure Python. One thread at a time holds the GIL; the other three
wait for it, and every 5 ms (`sys.getswitchinterval`) the holder is asked to hand it over.

What to do: move `price` to processes, to a library that releases the GIL, or to free-threaded
Python (`gilscope whatif` says what that would give).
"""
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
THREADS = 4
ORDERS = list(range(1, 20001))


def price(orders):
    total = 0
    for order in orders: total = (total * 31 + order) % 1000003  # <- culprit
    return total


def worker(deadline, done):
    while time.monotonic() < deadline:
        price(ORDERS)
        done.append(1)


def main():
    deadline = time.monotonic() + SECONDS
    books = [[] for _ in range(THREADS)]
    threads = [
        threading.Thread(target=worker, args=(deadline, book), name="pricer-%d" % i)
        for i, book in enumerate(books)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("books priced by each thread:", [len(book) for book in books])


if __name__ == "__main__":
    main()

# answer: {"culprit": "cpu_threads.py:price:<- culprit", "holders": ["pricer-0", "pricer-1", "pricer-2", "pricer-3"], "waiters": ["pricer-0", "pricer-1", "pricer-2", "pricer-3"]}

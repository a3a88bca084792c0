# SPDX-License-Identifier: MIT
"""Functions that keep known amounts of memory; `told` has the bytes that each of them keeps.

allocate.py WHAT ... runs them, prints `told` as JSON and ends by os._exit(), so that nothing is freed.
"""
import json
import os
import sys
import threading

told = {}
kept = []


def size_of(objects):
    return sum(map(sys.getsizeof, objects))


def keep(fill, slots):
    fill(slots)
    kept.append(slots)
    told[fill.__name__] = told.get(fill.__name__, 0) + size_of(slots)


def small(slots):  # pymalloc, by calloc
    for i in range(len(slots)):
        slots[i] = bytes(100)


def medium(slots):  # pymalloc's largest and beyond, by malloc
    for i in range(len(slots)):
        slots[i] = b"x" * (i % 100 + 440)


def large(slots):  # each of many means
    for i in range(len(slots)):
        slots[i] = bytes(300000)


def grow(slots):  # lists that grow by realloc, small ones and one large
    for i in range(len(slots)):
        slots[i] = []
        for _ in range(40 if i else 200000):
            slots[i].append(None)


def churn(n=100000):  # keeps nothing
    for _ in range(n):
        bytes(100)


def nothing():
    pass


def main(what):
    amounts = {"small": 30000, "medium": 8000, "large": 14, "grow": 10000}
    for name in what:
        if name in amounts:
            keep(globals()[name], [None] * amounts[name])
        else:
            globals()[name]()


def in_threads(n, what):
    threads = [threading.Thread(target=main, args=(what,)) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say():
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    say()
    os._exit(0)

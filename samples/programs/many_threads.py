#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""64 threads wait for the network, and then for each other.

What the team saw: a crawler with 8 threads was I/O-bound. With 64 threads it fetches no more
pages, and a page that arrives in 5 ms is only ready half a second later.

What is going on: the fetches overlap, but each page is parsed in pure Python for about ten
milliseconds, and only one thread at a time can do that. 64 threads want far more than the one
interpreter that there is.

What to do: fewer threads do as well; for more pages a second, parse in processes, or on
free-threaded Python.
"""
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
THREADS = 64
PAGE = "<p>some <b>page</b> of text</p>" * 4000


def parse(page):
    depth = 0
    for letter in page: depth += (letter == "<") - (letter == "/")  # <- culprit
    return depth


def fetch():
    time.sleep(0.005)
    return PAGE


def crawler(deadline, parsed):
    while time.monotonic() < deadline:
        parsed.append(parse(fetch()))


def main():
    parsed = []
    deadline = time.monotonic() + SECONDS
    threads = [
        threading.Thread(target=crawler, args=(deadline, parsed), name="crawler-%d" % i)
        for i in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("pages parsed:", len(parsed))


if __name__ == "__main__":
    main()

# answer: {"culprit": "many_threads.py:parse:<- culprit", "holders": "all", "waiters": "all"}

# SPDX-License-Identifier: MIT
"""Threads that compute for a millisecond and then block: they let the GIL go by themselves."""
import threading
import time

PAGE = "<p>some <b>page</b> of text</p>" * 400


def compute(page):
    depth = 0
    for letter in page: depth += (letter == "<") - (letter == "/")
    return depth


def block():
    time.sleep(0.005)


def worker(deadline):
    while time.monotonic() < deadline:
        block()
        compute(PAGE)


end = time.monotonic() + 1.5
threads = [threading.Thread(target=worker, args=(end,)) for _ in range(32)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

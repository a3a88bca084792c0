#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One regular expression freezes every other thread, 30 ms at a time.

What the team saw: heartbeats that are due every 2 ms come late by 30 ms, again and again. Stack
dumps taken while it happened show `count_words`, a harmless little loop.

What is going on: `SECRETS.findall` runs in C, for about 30 ms, and never lets the GIL go. A
thread that wants it has to wait for the call's end; the request is honoured a little later, when
the Python code that follows (`count_words`) is already running. So a tool that looks where the
GIL was let go blames the wrong line. The pattern is a classic: `(a+)+!` tries all ways to split
a run of letters.

What to do: write the pattern without the nested repetition, or give the text in smaller pieces.
"""
import re
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
CALL_SECONDS = 0.030
SECRETS = re.compile(r"(?:a+)+!")
RUN = "a" * 12 + " "


def scrub(text):
    return SECRETS.findall(text)  # <- culprit


def count_words(words):
    n = 0
    for word in words:
        n += len(word) > 3
    return n


def calibrated():
    """Text that keeps one findall busy for about CALL_SECONDS on this machine."""
    runs = 4
    while True:
        text = RUN * runs
        took = []
        for _ in range(3):
            start = time.perf_counter()
            SECRETS.findall(text)
            took.append(time.perf_counter() - start)
        if min(took) > CALL_SECONDS / 4:
            return RUN * max(1, round(runs * CALL_SECONDS / min(took)))
        runs *= 2


def scrubber(deadline, text):
    words = ["word"] * 20000
    while time.monotonic() < deadline:
        scrub(text)
        count_words(words)


def heartbeat(deadline, late):
    while time.monotonic() < deadline:
        due = time.monotonic() + 0.002
        time.sleep(0.002)
        late.append(time.monotonic() - due)


def main():
    late = []
    text = calibrated()
    deadline = time.monotonic() + SECONDS
    threads = [
        threading.Thread(target=heartbeat, args=(deadline, late), name="heartbeat"),
        threading.Thread(target=scrubber, args=(deadline, text), name="scrubber"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("worst heartbeat: %.0f ms late" % (1e3 * max(late)))


if __name__ == "__main__":
    main()

# answer: {"culprit": "c_call_holds.py:scrub:<- culprit", "holders": ["scrubber"], "waiters": ["heartbeat"]}

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Memory does not drop although almost all of it was freed.

What the team saw: a batch job reads a million rows, keeps one in two hundred, and drops the rest.
Its resident memory stays where it was at the peak. Nothing leaks: `tracemalloc` shows half a
megabyte alive.

What is going on: Python takes memory from the system in arenas of 1 MiB (256 KiB before 3.10) and
can give back an arena only when all of it is free. The rows that `keep` picked lie spread over all
of them, one block here and one there, and each of them pins an arena full of free blocks.

What to do: copy what is kept when the rest is gone, or before it comes, so that it lies together;
or read in smaller batches, so that the next rows fill the holes that the last ones left.
"""
import sys
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
ROWS = 1_000_000
EVERY = 200


def read():
    rows = []
    for row in range(ROWS): rows.append(b"%040d" % row)  # <- culprit
    return rows


def keep(rows):
    return rows[::EVERY]


def main():
    started = time.monotonic()
    kept = keep(read())
    time.sleep(max(0, SECONDS - (time.monotonic() - started)))
    print("%d rows kept of %d" % (len(kept), ROWS))


if __name__ == "__main__":
    main()

# answer: {"pins": "pinned_arenas.py:read:<- culprit"}

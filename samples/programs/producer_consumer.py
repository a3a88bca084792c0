#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The queue is never full, yet more consumers do not help.

What the team saw: one thread decodes records, two threads write them out. The writers are idle
most of the time, the disk too, and a third writer made everything slower.

What is going on: the producer decodes in pure Python and holds the GIL for it. After every
`os.write` (which lets the GIL go) a writer waits until the producer is forced to hand it over.

What to do: decode in another process, or decode with a C library that releases the GIL; more
consumers only add waiters.
"""
import os
import queue
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
CONSUMERS = 2
RECORD = bytes(range(256)) * 24


def decode(record):
    key = 0
    for byte in record: key = (key * 33 ^ byte) & 0xFFFFFFFF  # <- culprit
    return key


def producer(deadline, records):
    while time.monotonic() < deadline:
        records.put(b"%08x\n" % decode(RECORD))
    for _ in range(CONSUMERS):
        records.put(None)


def consumer(records, sink, written):
    while True:
        record = records.get()
        if record is None:
            return
        for _ in range(4):
            os.write(sink, record)
        written.append(1)


def main():
    sink = os.open(os.devnull, os.O_WRONLY)
    records = queue.Queue(maxsize=100)
    written = []
    deadline = time.monotonic() + SECONDS
    threads = [threading.Thread(target=producer, args=(deadline, records), name="producer")]
    threads += [
        threading.Thread(target=consumer, args=(records, sink, written), name="consumer-%d" % i)
        for i in range(CONSUMERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(sink)
    print("records written:", len(written))


if __name__ == "__main__":
    main()

# answer: {"culprit": "producer_consumer.py:decode:<- culprit", "holders": ["producer"], "waiters": ["consumer-0", "consumer-1"]}

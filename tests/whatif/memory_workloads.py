# SPDX-License-Identifier: MIT
"""Workloads whose memory tests/whatif/validate_memory predicts: a main process that loads modules and perhaps a table,
and workers, each with data of its own.

usage: memory_workloads.py fork|spawn|threads WORKERS KIND shared|plain SECONDS

When all workers have their data it writes what the kernel says of all processes together, as JSON, and stays for
SECONDS, so that a recording sees the same.
"""
import argparse  # noqa: F401
import asyncio  # noqa: F401
import concurrent.futures  # noqa: F401
import csv  # noqa: F401
import decimal  # noqa: F401
import email.message  # noqa: F401
import http.client  # noqa: F401
import json
import logging  # noqa: F401
import multiprocessing
import multiprocessing.resource_tracker
import os
import sqlite3  # noqa: F401
import sys
import threading
import time
import unittest.mock  # noqa: F401
import xml.dom.minidom  # noqa: F401

START_METHODS = ("fork", "spawn", "threads")
TABLE_ROWS = 150_000  # some 40 MiB
PRIVATE = 13 << 20  # bytes that a worker's data has about, with the GIL


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def floats(worker, n):
    return [(i + worker) * 0.5 for i in range(n)]


def records(worker, n):
    return [{"id": i + 300, "name": "w%d-%d" % (worker, i)} for i in range(n)]


def objects(worker, n):
    return [Point(i, (worker, i + 1000)) for i in range(n)]


def buffers(worker, n):
    return [bytearray(1000 + (i * 37) % 5000) for i in range(n)]


def documents(worker, n):
    """Parsed text, and what was cut out of it."""
    rows = [{"k%d" % (j % 50): [j, j * 1.5, "v%d" % j], "t": "word " * (j % 7)} for j in range(100)]
    text = json.dumps(rows)
    parsed = [json.loads(text) for _ in range(n)]
    return parsed, [line.split() for line in ["%d %d %d" % (worker, i, i * i) for i in range(100 * n)]]


def catalog(worker, n):
    """Sets, bytes, nested tuples, dicts by number: looked at only after the model was done."""
    return [({i, -i, worker}, ("item", "%06d/%d" % (i, worker), (i * 3, i * 0.125)), {i: bytes(40 + i % 90)})
            for i in range(n)]


# How many of them make up PRIVATE.
KINDS = {"floats": (floats, PRIVATE // 40), "records": (records, PRIVATE // 330), "objects": (objects, PRIVATE // 216),
         "buffers": (buffers, PRIVATE // 3520), "documents": (documents, PRIVATE // 62000),
         "catalog": (catalog, PRIVATE // 940)}


def table():
    return {"key-%d" % i: ("value %d" % (i * 7), i, [i * 0.25]) for i in range(TABLE_ROWS)}


# Of the module, so each process that imports it has it: a spawned one by itself, a forked one from its parent.
TABLE = table() if __name__ in ("__main__", "__mp_main__") and sys.argv[4:5] == ["shared"] else None


def work(worker, kind, ready, leave):
    make, n = KINDS[kind]
    data = make(worker, n)
    hits = sum(1 for row in TABLE.values() if row[1] % 3 == 0) if TABLE else 0  # counts references to all of it
    ready.release()
    while not leave.wait(0.1):
        hits += len(data)
    return hits


def rollup(pid):
    out = {}
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f.readlines()[1:]:
            key, value = line.split(":")
            out[key.lower()] = int(value.split()[0]) << 10
    return {key: out[key] for key in ("rss", "pss", "anonymous")}


def start(method, n, kind):
    """The workers, and two things to meet at."""
    if method == "threads":
        ready, leave = threading.Semaphore(0), threading.Event()
        workers = [threading.Thread(target=work, args=(i, kind, ready, leave)) for i in range(n)]
    else:
        ctx = multiprocessing.get_context(method)
        ready, leave = ctx.Semaphore(0), ctx.Event()
        workers = [ctx.Process(target=work, args=(i, kind, ready, leave)) for i in range(n)]
    for w in workers:
        w.start()
    for _ in workers:
        ready.acquire()
    return workers, leave


def main():
    method, n, kind, _, seconds = sys.argv[1:6]
    workers, leave = start(method, int(n), kind)
    time.sleep(float(seconds) / 2)
    pids = [os.getpid()] + [w.pid for w in workers if method != "threads"]
    tracker = multiprocessing.resource_tracker._resource_tracker._pid  # spawn needs this process, too
    pids += [tracker] if tracker else []
    every = [rollup(pid) for pid in pids]
    print(json.dumps({key: sum(r[key] for r in every) for key in every[0]}), flush=True)
    time.sleep(float(seconds) / 2)
    leave.set()
    for w in workers:
        w.join()


if __name__ == "__main__":
    main()

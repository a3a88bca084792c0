# SPDX-License-Identifier: MIT
"""Two threads that are away from the GIL 20 times for 10 ms each: one works, one sleeps. Prints the CPU
time of each, in nanoseconds, and its kernel id."""
import hashlib
import json
import threading
import time

import locks_hooked

DATA = bytes(1 << 20)


def work(n):
    for _ in range(n):
        hashlib.sha256(DATA * 5).digest()


def sleep(n):
    for _ in range(n):
        time.sleep(0.01)


def run(name, what):
    what(1)
    begin = time.thread_time_ns()
    what(20)
    OUT[name] = [threading.get_native_id(), time.thread_time_ns() - begin]


OUT = {}
locks_hooked.wait()
threads = [threading.Thread(target=run, args=(f.__name__, f)) for f in (work, sleep)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(OUT))

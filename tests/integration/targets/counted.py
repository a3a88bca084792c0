# SPDX-License-Identifier: MIT
"""Threads of known behaviour: one touches fresh pages with the GIL, one sleeps without it. Prints
what the kernel says of each, and of the process, as JSON. argv: PAGES SLEEPS [fork]"""
import json
import mmap
import os
import resource
import sys
import threading
import time

PAGE = mmap.PAGESIZE
pages, sleeps = int(sys.argv[1]), int(sys.argv[2])
threads = {}


def usage(who):
    u = resource.getrusage(who)
    return {"faults": u.ru_minflt + u.ru_majflt, "switches": u.ru_nvcsw + u.ru_nivcsw}


def note(name):
    """All since the thread's birth."""
    threads[name] = dict(usage(resource.RUSAGE_THREAD), cpu_ns=time.thread_time_ns())


def touch():
    memory = mmap.mmap(-1, PAGE * pages)
    if hasattr(memory, "madvise") and hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, PAGE * pages, PAGE):
        memory[at] = 1
    note("touch")


def sleep():
    for _ in range(sleeps):
        time.sleep(0.001)
    note("sleep")


def work():
    for f in (touch, sleep):
        thread = threading.Thread(target=f, name=f.__name__)
        thread.start()
        thread.join()


before = usage(resource.RUSAGE_SELF)
child = os.fork() if sys.argv[3:] == ["fork"] else None
if child == 0:
    time.sleep(0.1)  # the agent begins anew
    before = usage(resource.RUSAGE_SELF)
work()
now = usage(resource.RUSAGE_SELF)
print(json.dumps({"pid": os.getpid(), "threads": threads, "process": now, "before": before}), flush=True)
if child:
    os.waitpid(child, 0)

# SPDX-License-Identifier: MIT
"""usage: soak.py TURNS THREADS CODES: so many turns of the GIL that nobody waits for, threads born and
gone, and code objects made by exec(), each kind in ten parts in turn. Prints the process's memory in KiB
after the second part and after the last."""
import collections
import itertools
import os
import sys
import threading

TURNS, THREADS, CODES = (int(n) // 10 for n in sys.argv[1:4])


def rss_kib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def turns(n):
    """A system call that takes no time, around which the GIL is let go."""
    with open(os.devnull) as f:
        repeat = itertools.repeat
        collections.deque(map(os.lseek, repeat(f.fileno()), repeat(0), repeat(0, n)), maxlen=0)


def short():
    turns(1)


def threads(n):
    for _ in range(n):
        thread = threading.Thread(target=short)
        thread.start()
        thread.join()


def codes(n, part):
    for i in range(n):
        exec(compile("def f():\n turns(1)\nf()", "<made %d.%d>" % (part, i), "exec"),
             {"turns": turns})


memory = []
for part in range(10):
    turns(TURNS)
    threads(THREADS)
    codes(CODES, part)
    memory.append(rss_kib())
print(memory[1], memory[9])

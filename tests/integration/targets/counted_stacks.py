# SPDX-License-Identifier: MIT
"""Two functions that touch a known number of fresh pages with the GIL and then let it go, in their
own frame. argv: TURNS FEW MANY THREADS [kill]; kill: what was recorded is given time to be written, then it ends."""
import mmap
import os
import signal
import sys
import threading
import time

PAGE = mmap.PAGESIZE
turns, few, many, n_threads = map(int, sys.argv[1:5])


def fresh(pages):
    memory = mmap.mmap(-1, PAGE * pages)
    if hasattr(memory, "madvise") and hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory


def touch_few(memory, page):
    for at in range(page * PAGE, (page + few) * PAGE, PAGE):
        memory[at] = 1
    time.sleep(0.0002)


def touch_many(memory, page):
    for at in range(page * PAGE, (page + many) * PAGE, PAGE):
        memory[at] = 1
    time.sleep(0.0002)


def work():
    memory = fresh(turns * (few + many))
    for turn in range(turns):
        touch_few(memory, turn * (few + many))
        touch_many(memory, turn * (few + many) + few)


threads = [threading.Thread(target=work) for _ in range(n_threads)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if sys.argv[5:]:
    time.sleep(0.25)
    os.kill(os.getpid(), signal.SIGKILL)

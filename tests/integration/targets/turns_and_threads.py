# SPDX-License-Identifier: MIT
"""usage: turns_and_threads.py SECONDS [fork]: three threads that hand the GIL around and short ones
that come and go, for so long. With `fork` a child does the same after a third of the time."""
import os
import sys
import threading
import time

seconds = float(sys.argv[1])
end = time.monotonic() + seconds


def hand_around():
    while time.monotonic() < end:
        time.sleep(0.00002)


def short():
    sum(range(200))
    time.sleep(0)


def work(until):
    workers = [threading.Thread(target=hand_around) for _ in range(3)]
    for worker in workers:
        worker.start()
    while time.monotonic() < until:
        thread = threading.Thread(target=short)
        thread.start()
        thread.join()
    return workers


over = threading.Event()
threading.Thread(target=over.wait, name="idle", daemon=True).start()
child = 0
if sys.argv[2:] == ["fork"]:
    first = work(time.monotonic() + seconds / 3)
    child = os.fork()
    if child == 0:
        os._exit(len([w.join() for w in work(end)]) - 3)
    [w.join() for w in first]
else:
    [w.join() for w in work(end)]
if child:
    assert os.waitpid(child, 0)[1] == 0

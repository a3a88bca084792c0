# SPDX-License-Identifier: MIT
"""N processes (spawned) of one job on one device, each with a context and its own allocations, at the
same time. Prints "pid live-bytes used-bytes" of each, from the driver. usage: job.py N [SECONDS]: that
they stay there."""
import multiprocessing
import os
import sys
import time

import cu


def work(rank, seconds, barrier, out):
    driver = cu.Driver("dlsym")
    driver.start()
    for i in range(rank + 1):
        driver.allocate((i + 1) << 20)
    barrier.wait()
    fake = cu.Fake()
    out.put((os.getpid(), fake.live_bytes(cu.DEVICE), fake.used_bytes(0)))
    time.sleep(seconds)
    barrier.wait()


def main():
    n, seconds = int(sys.argv[1]), float((sys.argv + ["0"])[2])
    spawn = multiprocessing.get_context("spawn")
    barrier, out = spawn.Barrier(n), spawn.Queue()
    workers = [spawn.Process(target=work, args=(rank, seconds, barrier, out)) for rank in range(n)]
    for worker in workers:
        worker.start()
    for line in sorted(out.get() for _ in workers):
        print(*line)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

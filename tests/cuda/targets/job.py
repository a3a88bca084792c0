# SPDX-License-Identifier: MIT
"""N processes (spawned) of one job on one device, each with a context and its own allocations, at the
same time. Prints "pid live-bytes used-bytes" of each, from the driver. usage: job.py N"""
import multiprocessing
import os
import sys

import cu


def work(rank, barrier, out):
    driver = cu.Driver("dlsym")
    driver.start()
    for i in range(rank + 1):
        driver.allocate((i + 1) << 20)
    barrier.wait()
    fake = cu.Fake()
    out.put((os.getpid(), fake.live_bytes(cu.DEVICE), fake.used_bytes(0)))
    barrier.wait()


def main():
    n = int(sys.argv[1])
    spawn = multiprocessing.get_context("spawn")
    barrier, out = spawn.Barrier(n), spawn.Queue()
    workers = [spawn.Process(target=work, args=(rank, barrier, out)) for rank in range(n)]
    for worker in workers:
        worker.start()
    for line in sorted(out.get() for _ in workers):
        print(*line)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""pool.py fork|spawn|forkserver: two workers of multiprocessing; prints their pids."""
import multiprocessing
import os
import sys
import time

import busy


def work(_):
    busy.contend(0.1)
    time.sleep(0.05)
    return os.getpid()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    pool = context.Pool(2)
    pids = set(pool.map(work, range(6), 1))
    pool.close()
    pool.join()
    print(*pids)

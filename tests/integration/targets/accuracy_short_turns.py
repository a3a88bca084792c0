#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""As many turns as possible: threads that drop the GIL all the time and one that never does,
threads that come and go, and C calls that hold it for milliseconds. usage: [SECONDS]"""
import os
import sys
import threading
import time

DEADLINE = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 2.5)


def running():
    return time.monotonic() < DEADLINE


def yield_all_the_time():
    while running():
        for _ in range(100):
            os.getppid()
            time.sleep(0)


def compute_in_bursts():
    while running():
        for _ in range(20_000):
            pass
        time.sleep(0.002)


def hold_in_c():
    numbers = list(range(200_000, 0, -1))
    while running():
        sorted(numbers)  # one call, the GIL held throughout
        time.sleep(0.01)


def come_and_go():
    while running():
        child = threading.Thread(target=sum, args=(range(5000),))
        child.start()
        child.join()
        time.sleep(0.005)


def main():
    jobs = [yield_all_the_time] * 2 + [compute_in_bursts] * 2 + [hold_in_c, come_and_go]
    threads = [threading.Thread(target=job, name=job.__name__) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""Forks while threads are inside calls of the driver. Children use the driver or do not, and end in every
way; a parent that has not yet begun with it forks, too. usage: forks.py SECONDS"""
import os
import sys
import threading
import time

import cu

ENDS = [lambda: os._exit(0), lambda: os.execv("/bin/true", ["true"]), lambda: sys.exit(0)]


def child(n, begun):
    driver = cu.Driver("dlsym")
    if n % 2:  # after the parent's cuInit() a child gets an error, and no crash
        codes = [driver.try_("cuInit", 0), driver.try_("cuMemFree", 0x1000)]
        assert all(codes) if begun else codes[1], codes
    if n % 2 and not begun:
        driver.start()
        driver.free(driver.allocate(100))
        for _ in range(4):
            driver.allocate(1000)
    ENDS[n % 3]()


def forked(n, begun):
    pid = os.fork()
    if pid == 0:
        try:
            child(n, begun)
        except SystemExit:
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, n


def work(driver, stop):
    driver.start()
    while not stop.is_set():
        p = driver.allocate(4096)
        driver("cuStreamSynchronize", None)
        driver.free(p)


for n in range(6):
    forked(n, False)
driver, stop = cu.Driver("dlsym"), threading.Event()
workers = [threading.Thread(target=work, args=(driver, stop)) for _ in range(6)]
driver.start()
driver.allocate(12345)
for worker in workers:
    worker.start()
end, n = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end or n < 12:
    forked(n, True)
    n += 1
stop.set()
for worker in workers:
    worker.join()
print(cu.Fake().live_bytes(cu.DEVICE))

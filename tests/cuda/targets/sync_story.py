# SPDX-License-Identifier: MIT
"""A thread waits for the device, holding the GIL or not, while another wants the GIL. Prints the calls
and the driver's own sum of their sleeps, ns. usage: sync_story.py hold|release N MICROSECONDS"""
import sys
import threading

import cu

hold, n, us = sys.argv[1] == "hold", int(sys.argv[2]), int(sys.argv[3])
driver = cu.Driver("dlsym", hold_gil=hold)
done = threading.Event()


def want_gil():
    turns = 0
    while not done.is_set():
        turns += sum(range(100)) > 0
    return turns


def main():
    driver.start()
    fake = cu.Fake()
    fake.set("SYNC_US", us)
    other = threading.Thread(target=want_gil)
    other.start()
    for _ in range(n):
        driver("cuStreamSynchronize", None)
    done.set()
    other.join()
    print(n, fake.sync_ns())


main()

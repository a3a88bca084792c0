# SPDX-License-Identifier: MIT
"""churn.py N: N short threads, eight at a time."""
import sys
import threading
import time


def short():
    time.sleep(0)


left = int(sys.argv[1])
while left > 0:
    threads = [threading.Thread(target=short) for _ in range(min(8, left))]
    left -= len(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("done")

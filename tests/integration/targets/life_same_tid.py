# SPDX-License-Identifier: MIT
"""life_same_tid.py N: N threads, one after another, as many as can be with the tid of the first."""
import sys
import threading
import time

n, tids = int(sys.argv[1]), []


def live():
    tids.append(threading.get_native_id())
    for _ in range(10):
        time.sleep(0)


for _ in range(n):
    if tids:
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(tids[0] - 1))
    thread = threading.Thread(target=live)
    thread.start()
    thread.join()
print(len(tids), tids.count(tids[0]))

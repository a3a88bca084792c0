# SPDX-License-Identifier: MIT
"""COUNT threads that take TURNS turns of the GIL each and stay; resident KiB of the process on stdout."""

import sys
import threading
import time

count, turns = int(sys.argv[1]), int(sys.argv[2])
done, end = threading.Semaphore(0), threading.Event()


def work():
    for _ in range(turns):
        time.sleep(0)
    done.release()
    end.wait()


threading.stack_size(256 << 10)
threads = [threading.Thread(target=work) for _ in range(count)]
for t in threads:
    t.start()
for t in threads:
    done.acquire()
time.sleep(0.3)  # what lies in rings is written every 100 ms
with open("/proc/self/status") as f:
    print(f.read().split("VmRSS:")[1].split()[0])
end.set()
for t in threads:
    t.join()

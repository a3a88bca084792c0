# SPDX-License-Identifier: MIT
"""life_many.py N: N threads alive at once, each of which has had turns somebody waited for. Prints the
kilobytes in memory then, and the process's threads."""
import sys
import threading

threading.stack_size(64 << 10)
n = int(sys.argv[1])
arrived = threading.Barrier(n + 1)
leave = threading.Event()


def live():
    for _ in range(20):
        sum(range(200))
    arrived.wait()
    leave.wait()


sys.setswitchinterval(1e-4)
threads = [threading.Thread(target=live) for _ in range(n)]
for thread in threads:
    thread.start()
arrived.wait()
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
print(status["VmRSS"].split()[0], status["Threads"])
leave.set()
for thread in threads:
    thread.join()

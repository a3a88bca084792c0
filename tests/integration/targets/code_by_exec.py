# SPDX-License-Identifier: MIT
"""N code objects made by exec(), each of which lets go of the GIL once; prints the process's memory
after the first fifth and at the end, in KiB."""
import sys
import time


def rss():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


N = int(sys.argv[1])
early = 0
for i in range(N):
    exec(compile("def f():\n pause(0)\nf()", "<made %d>" % i, "exec"), {"pause": time.sleep})
    if i == N // 5:
        early = rss()
print(early, rss())

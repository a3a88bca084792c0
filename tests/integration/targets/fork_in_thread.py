# SPDX-License-Identifier: MIT
"""A child forked from a thread, while the GIL is fought for, goes on with threads of its own."""
import os
import sys
import threading

import busy


def fork():
    pid = os.fork()
    if pid == 0:
        busy.contend(0.1)
        os._exit(0)
    statuses.append(os.waitpid(pid, 0)[1])


statuses = []
rivals = threading.Thread(target=busy.contend, args=(0.6,))
rivals.start()
for _ in range(3):
    forker = threading.Thread(target=fork)
    forker.start()
    forker.join()
rivals.join()
print(statuses)
sys.exit(0 if statuses == [0, 0, 0] else 1)

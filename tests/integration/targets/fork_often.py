# SPDX-License-Identifier: MIT
"""Children one after the other, at once and 30 ms apart; with -W error a warning ends it."""
import os
import time

for i in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.03 if i % 2 else 0)
print("done")

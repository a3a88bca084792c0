# SPDX-License-Identifier: MIT
"""Turns of the GIL that nobody waits for: `turns.py COUNT one|two`, least ns a turn on stdout
(wall, CPU).

os.lseek lets the GIL go and takes it again around one short system call. The least of many rounds,
so that an interrupt costs one round only. A second thread sleeps beside: a process with one thread
has glibc's shortcuts for such processes, which any second thread ends, the agent's too; "one" shows
that case.
"""

import json
import os
import sys
import threading
import time

n, a_round = int(sys.argv[1]), 500
rounds = n // a_round
if sys.argv[2] == "two":
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    time.sleep(0.05)
fd = os.open("/dev/null", os.O_RDONLY)
lseek, walls, cpus = os.lseek, [], []
for _ in range(rounds):
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    for _ in range(a_round):
        lseek(fd, 0, 0)
    cpus.append(time.thread_time_ns() - cpu)
    walls.append(time.perf_counter_ns() - wall)
print(json.dumps([min(walls) / a_round, min(cpus) / a_round]))

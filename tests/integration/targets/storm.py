# SPDX-License-Identifier: MIT
"""storm.py HOW N: N forks, execs or children in the midst of threads that fight for the GIL.

fork    N children of the main thread and of a worker in turn; each fights a little, then exits
double  N daemons the classical way: fork, setsid, fork again
exec    becomes itself N times, threads and all
race    four threads exec at once; one wins, again N times
spawn   N children by posix_spawn and by subprocess (vfork) in turn
"""
import os
import subprocess
import sys
import threading
import time

import busy

how, n = sys.argv[1], int(sys.argv[2])
TRUE = [sys.executable, "-S", "-c", "pass"]
for _ in range(3):
    threading.Thread(target=busy.spin, args=(time.monotonic() + 600,), daemon=True).start()
time.sleep(0.02)


def child():
    busy.contend(0.02)
    os._exit(0)


def fork_once():
    pid = os.fork()
    if pid == 0:
        child()
    statuses.append(os.waitpid(pid, 0)[1])


def double_fork():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(read)
            child()  # the pipe closes with it
        os._exit(0)
    os.close(write)
    statuses.append(os.waitpid(pid, 0)[1])
    os.read(read, 1)
    os.close(read)


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def become_myself():
    os.execv(sys.executable, [sys.executable, "-W", "ignore", __file__, how, str(n - 1)])


statuses = []
if how == "fork":
    for i in range(n):
        in_thread(fork_once) if i % 2 else fork_once()
elif how == "double":
    for i in range(n):
        in_thread(double_fork) if i % 2 else double_fork()
elif how == "spawn":
    for i in range(n):
        if i % 2:
            statuses.append(subprocess.call(TRUE))
        else:
            statuses.append(os.waitpid(os.posix_spawn(sys.executable, TRUE, os.environ), 0)[1])
elif n > 0 and how == "exec":
    become_myself()
elif n > 0 and how == "race":
    for _ in range(4):
        threading.Thread(target=become_myself, daemon=True).start()
    time.sleep(60)
print("done", sum(map(bool, statuses)), flush=True)
os._exit(0)

# SPDX-License-Identifier: MIT
"""life_execs.py HOW N: N times replaces itself, each time while threads fight for the GIL.
main, thread: who calls; all: every thread at once; c: every thread at once, without the GIL;
path: after a search through folders that lack the program."""
import ctypes
import os
import sys
import threading
import time

import busy

how, n = sys.argv[1], int(sys.argv[2])
argv = [sys.executable, "-W", "ignore", os.path.abspath(__file__), how, str(n - 1)]
libc = ctypes.CDLL(None)
c_argv = (ctypes.c_char_p * (len(argv) + 1))(*map(os.fsencode, argv), None)
ready = threading.Barrier(4)


def storm():
    ready.wait()
    busy.spin(time.monotonic() + 0.05)
    if how == "all":
        os.execv(argv[0], argv)
    elif how == "c":
        libc.execv(c_argv[0], c_argv)
    busy.spin(time.monotonic() + 600)


if n == 0:
    print("the last")
    sys.exit(0)
threads = [threading.Thread(target=storm, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
time.sleep(0.05)
if how == "main":
    os.execv(argv[0], argv)
elif how == "thread":
    threading.Thread(target=os.execve, args=(argv[0], argv, os.environ)).start()
elif how == "path":
    folders = ["/nowhere/%d" % i for i in range(8)] + [os.path.dirname(argv[0])]
    os.environ["PATH"] = ":".join(folders)
    os.execvp(os.path.basename(argv[0]), argv)
time.sleep(60)

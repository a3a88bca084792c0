# SPDX-License-Identifier: MIT
"""life_signal.py HOW: fights for the GIL and gets a signal, with or without a handler."""
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time

import busy

how = sys.argv[1]


def leave(signum, frame):
    sys.exit(3)


def leave_at_once(signum, frame):
    os._exit(4)


if how == "int-default":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
elif how == "term-exits":
    signal.signal(signal.SIGTERM, leave)
elif how == "term-_exits":
    signal.signal(signal.SIGTERM, leave_at_once)
elif how == "segv-faulthandler":
    faulthandler.enable()
for _ in range(3):
    threading.Thread(target=busy.spin, args=(time.monotonic() + 60,), daemon=True).start()
time.sleep(0.3)
print("now", flush=True)
if how.startswith("int"):
    os.kill(os.getpid(), signal.SIGINT)
elif how.startswith("term"):
    os.kill(os.getpid(), signal.SIGTERM)
elif how.startswith("segv"):
    ctypes.string_at(8)
elif how == "c-abort":
    ctypes.CDLL(None).abort()
elif how == "c-exit":  # the C library's, from a thread, without the GIL, as the interpreter runs on
    ctypes.CDLL(None).exit(6)
elif how == "c-_exit":
    ctypes.CDLL(None)._exit(7)
elif how == "finalise":  # daemon threads wait for the GIL all the while
    sys.exit(0)
elif how == "race-_exit":  # another thread ends the process while this one finalises
    timers = [threading.Timer(0.001 * i, os._exit, args=(0,)) for i in range(5)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    sys.exit(0)
time.sleep(60)

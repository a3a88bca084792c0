# SPDX-License-Identifier: MIT
"""foreign_thread.py LIBRARY ROUNDS: see foreign_thread.c; threads of Python's own fight meanwhile."""
import ctypes
import sys
import threading
import time

import busy

lib = ctypes.CDLL(sys.argv[1])
calls = []


@ctypes.CFUNCTYPE(None)
def work():
    calls.append(threading.get_ident())
    sum(range(2000))


threading.Thread(target=busy.spin, args=(time.monotonic() + 60,), daemon=True).start()
rounds = int(sys.argv[2])
assert lib.foreign_threads(work, rounds) == 0
print("done", len(calls) == 5 * rounds)

# SPDX-License-Identifier: MIT
"""life_foreign.py LIBRARY N: threads made by C use the GIL under contention, then return, end by
pthread_exit(), or are cancelled."""
import ctypes
import sys
import threading
import time

import busy

library, n = ctypes.CDLL(sys.argv[1]), int(sys.argv[2])


@ctypes.CFUNCTYPE(None)
def hold():
    time.sleep(0)


rival = threading.Thread(target=busy.contend, args=(0.2, 1))
rival.start()
for i in range(n):
    for ending in range(3):
        assert library.one_life(hold, 3, ending) == 0
rival.join()
print("done")

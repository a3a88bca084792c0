# SPDX-License-Identifier: MIT
"""The main thread ends by pthread_exit; the process lives on until its last thread has ended."""
import ctypes
import threading
import time


def last():
    time.sleep(0.4)
    print("last", flush=True)


threading.Thread(target=last).start()
libc = ctypes.CDLL(None)
libc.pthread_exit.argtypes = [ctypes.c_void_p]
libc.pthread_exit(None)

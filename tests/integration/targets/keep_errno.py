# SPDX-License-Identifier: MIT
"""errno of a C call, read after the GIL was fought for, is the call's own."""
import ctypes
import os
import threading
import time

import busy

libc = ctypes.CDLL(None, use_errno=True)
wrong = 0
rivals = threading.Thread(target=busy.contend, args=(0.5,))
rivals.start()
end = time.monotonic() + 0.5
while time.monotonic() < end:
    ctypes.set_errno(0)
    libc.open(b"/nonexistent", 0)
    wrong += ctypes.get_errno() != 2
    try:
        os.stat("/nonexistent")
    except OSError as error:
        wrong += error.errno != 2
rivals.join()
print("wrong:", wrong)

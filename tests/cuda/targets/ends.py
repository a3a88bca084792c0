# SPDX-License-Identifier: MIT
"""The process ends while its threads are inside calls of the driver. usage: ends.py HOW"""
import os
import sys
import threading
import time

import cu

driver = cu.Driver("dlsym")
driver.start()


def work():
    driver("cuCtxSetCurrent", context)
    while True:
        driver.free(driver.allocate(100))
        driver("cuStreamSynchronize", None)


context = cu.c_void_p()
driver("cuCtxGetCurrent", cu.byref(context))
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
if sys.argv[1] == "_exit":
    os._exit(0)
if sys.argv[1] == "exec":
    os.execv("/bin/true", ["true"])
if sys.argv[1] == "wait":
    time.sleep(1.5)

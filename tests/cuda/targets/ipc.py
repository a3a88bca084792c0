# SPDX-License-Identifier: MIT
"""One process gives memory to another, which opens it twice and closes it once. Prints "pid bytes" of the
other, by the driver. usage: ipc.py dlsym|proc"""
import multiprocessing
import os
import sys
from ctypes import byref, c_uint64

import cu


def use(how, handle):
    driver, other = cu.Driver(how), cu.IpcHandle.from_buffer_copy(handle)
    driver.start()
    addresses = []
    for _ in range(2):
        p = c_uint64()
        driver("cuIpcOpenMemHandle", byref(p), other, 1)
        addresses.append(p.value)
    driver("cuIpcCloseMemHandle", addresses[0])
    print(os.getpid(), cu.Fake().live_bytes(cu.IPC), flush=True)


def main():
    driver, handle = cu.Driver(sys.argv[1]), cu.IpcHandle()
    driver.start()
    driver("cuIpcGetMemHandle", byref(handle), driver.allocate(1 << 20))
    other = multiprocessing.get_context("spawn").Process(
        target=use, args=(sys.argv[1], bytes(handle)))
    other.start()
    other.join()
    sys.exit(other.exitcode)


if __name__ == "__main__":
    main()

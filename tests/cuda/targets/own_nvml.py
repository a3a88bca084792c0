# SPDX-License-Identifier: MIT
"""A program that uses NVML itself while the agent does, closes all descriptors, and forks. Prints what its
NVML says, in each of its parts, and what the driver says it uses."""
import ctypes
import os
import sys
import time
import warnings
from ctypes import byref, c_uint64, c_void_p

import cu

warnings.simplefilter("ignore")


def query(nvml):
    device, memory = c_void_p(), (c_uint64 * 3)()
    rc = nvml.nvmlDeviceGetHandleByIndex_v2(0, byref(device))
    return rc or nvml.nvmlDeviceGetMemoryInfo(device, memory)


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def main():
    driver, n_fds = cu.Driver(), len(descriptors())
    driver.start()
    driver.allocate(5 << 20)
    time.sleep(0.4)  # the agent's first look
    print("descriptors", len(descriptors()) - n_fds)
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    print("init", nvml.nvmlInit_v2(), query(nvml))
    pid = os.fork()
    if pid == 0:
        os._exit(query(nvml))  # its descriptor was inherited
    print("child", os.waitpid(pid, 0)[1] >> 8)
    time.sleep(0.4)
    print("query", query(nvml))
    os.closerange(3, 256)
    time.sleep(0.6)
    print("closed", query(nvml))
    print("used", cu.Fake().used_bytes(0), flush=True)
    sys.exit(0)


main()

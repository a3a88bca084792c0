# SPDX-License-Identifier: MIT
"""Prints, at the end of the program that imports it, the most that was resident: KiB. Not ru_maxrss: that
begins with what the parent had at the fork."""

import atexit


def tell():
    with open("/proc/self/status") as status:
        print([line.split()[1] for line in status if line.startswith("VmHWM:")][0])


atexit.register(tell)

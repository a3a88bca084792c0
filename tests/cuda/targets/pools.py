# SPDX-License-Identifier: MIT
"""A pool of one's own: made, told how much to keep, allocated from, trimmed, destroyed."""
from ctypes import byref, c_uint64, c_void_p

import cu

RELEASE_THRESHOLD = 4
driver = cu.Driver("dlsym")


def main():
    driver.start()
    pool, keep = c_void_p(), c_uint64(1 << 20)
    driver("cuMemPoolCreate", byref(pool), byref(cu.PoolProps(type=1, where=cu.Location(1, 0))))
    driver("cuMemPoolSetAttribute", pool, RELEASE_THRESHOLD, byref(keep))
    p = driver.allocate(1 << 16, "cuMemAllocFromPoolAsync", pool, None)
    driver("cuMemFreeAsync", p, None)
    driver("cuMemPoolTrimTo", pool, 4096)
    driver("cuMemPoolDestroy", pool)


main()

# SPDX-License-Identifier: MIT
"""Allocations of 1 GiB until the device is full, all freed but every fourth; the same once more. Prints
"failed N live BYTES peak BYTES"."""
import cu

GIB = 1 << 30
driver = cu.Driver("dlsym")


def fill():
    got = []
    while True:
        try:
            got.append(driver.allocate(GIB))
        except cu.Error as error:
            assert error.code == 2, error
            return got


def main():
    driver.start()
    failed, kept = 0, []
    for _ in range(2):
        got = fill()
        failed += 1
        kept += got[::4]
        for i, address in enumerate(got):
            if i % 4:
                driver.free(address)
    fake = cu.Fake()
    print("failed %d live %d peak %d" % (failed, fake.live_bytes(cu.DEVICE),
                                         fake.device_peak_bytes()))


main()

# SPDX-License-Identifier: MIT
"""The contended mix: eight threads that compute, hash without the GIL, and use pipes."""

import os
import sys
import threading
import zlib

n = int(sys.argv[1])


def cpu():
    total = 0
    for i in range(n * 2500):
        total = (total * 31 + i) % 1000003


def hashing():
    data = bytes(200000)
    for _ in range(n * 4):
        zlib.crc32(data)


def pipe():
    a, b = os.pipe()
    for _ in range(n * 2):
        os.write(b, b"x" * 100)
        os.read(a, 100)


threads = [threading.Thread(target=f) for f in (cpu, hashing, pipe, cpu, hashing, pipe, cpu, cpu)]
for t in threads:
    t.start()
for t in threads:
    t.join()

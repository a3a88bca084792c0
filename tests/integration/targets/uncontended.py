# SPDX-License-Identifier: MIT
"""uncontended.py N: N turns of the GIL that nobody waits for, one allocation pattern whatever N."""
import sys
import zlib

data = bytes(6000)
for _ in range(int(sys.argv[1])):
    zlib.crc32(data)

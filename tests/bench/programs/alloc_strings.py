# SPDX-License-Identifier: MIT
"""Text cut up and put together again."""

import sys

import peak  # noqa: F401

LINE = ",".join(str(i * 7919) for i in range(200))

for _ in range(int(sys.argv[1])):
    for _ in range(40):
        cells = LINE.split(",")
        LINE2 = ";".join(cell + "!" for cell in cells)
        LINE2.upper().replace(";", ",")

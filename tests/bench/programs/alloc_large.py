# SPDX-License-Identifier: MIT
"""Blocks above what pymalloc serves, and lists that grow."""

import sys

import peak  # noqa: F401

for _ in range(int(sys.argv[1])):
    blocks = []
    for i in range(2000):
        blocks.append(bytearray(700 + i % 5000))
    grown = []
    for i in range(40000):
        grown.append(i)

# SPDX-License-Identifier: MIT
"""Dicts of strings, one thread."""

import sys

for _ in range(int(sys.argv[1])):
    d = {}
    for i in range(20000):
        d[str(i)] = i
    sum(d.values())

# SPDX-License-Identifier: MIT
"""Allocates much and frees most; then Python itself says what its arenas hold, and it is over."""
import os
import sys

mixed = [[b"%0*d" % (20 + i % 400, i), {i: str(i)}, (i, i + 1)] for i in range(60000)]
kept = mixed[::97]
del mixed
for keep in range(3):
    more = [object() for _ in range(200000)]
    kept.append(more[::5000])
    del more
sys._debugmallocstats()
os._exit(0)

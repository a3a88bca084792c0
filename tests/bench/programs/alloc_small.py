# SPDX-License-Identifier: MIT
"""Objects of some ten bytes each, most of them gone at once."""

import sys

import peak  # noqa: F401


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


for _ in range(int(sys.argv[1])):
    points = [Point(i, i * 0.5) for i in range(20000)]
    sum(p.x + p.y for p in points)

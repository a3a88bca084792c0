# SPDX-License-Identifier: MIT
"""A tree of tuples, lists and dicts, built, walked and dropped."""

import sys

import peak  # noqa: F401


def grow(depth):
    return {"children": [grow(depth - 1) for _ in range(4)], "name": str(depth)} if depth else ()


def count(node):
    return 1 + sum(count(child) for child in node["children"]) if node else 1


for _ in range(int(sys.argv[1])):
    count(grow(6))

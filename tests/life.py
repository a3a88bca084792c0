# SPDX-License-Identifier: MIT
"""What the tests of life and death share."""

import os

from conftest import SUPPORTED_MINORS, discover

LONG = os.environ.get("GILSCOPE_LONG") == "1"  # tests/run --long: the thousands


def recordable():
    """One interpreter of each version with a GIL: a test of many runs takes them in turn."""
    by_minor = {}
    for python in discover():
        if not python.free_threaded and python.minor[1] in SUPPORTED_MINORS:
            by_minor.setdefault(python.minor, python)
    assert by_minor
    return list(by_minor.values())


def some(how, hows, n=2):
    """The interpreters to run variant `how` of a test on: all of them in the long run, else n in turn,
    so that the variants together meet all."""
    pythons = recordable()
    first = list(hows).index(how) * n
    return pythons if LONG else [pythons[(first + i) % len(pythons)] for i in range(n)]

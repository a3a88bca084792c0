# SPDX-License-Identifier: MIT
"""CPython's own tests, unchanged, with and without the agent: the same verdict, test by test.

The short tier runs the files that look hardest at threads, forks and signals, on three versions;
`tests/run --long` runs them all on every minor version. See suites.py for what counts as flaky.
"""

import pathlib

import pytest

import both_ways
import suites
from life import LONG

SHORT_FILES = ("test_thread", "test_threadsignals", "test_fork1", "test_threading")
SHORT_MEMORY_FILES = ("test_list", "test_gc")
SHORT_VERSIONS = ((3, 9), (3, 12), (3, 15))

pytestmark = pytest.mark.pythons(per_minor=True)


def check_file(file, python, gilscope, measured, env=None, how="", known=()):
    """`known`: ends of names of tests that may differ, and why is told where they are named."""
    folder = suites.test_folder(python.path)
    name = folder and suites.name_in(pathlib.Path(folder), file)
    if not name:
        pytest.skip("CPython %d.%d here comes without %s" % (*python.minor, file))
    row = suites.compare_file(python.path, name, gilscope.agent, env=env)
    measured("%s %s%s: %d tests, %d passed, %d differ, flaky without the agent: %s; captures: %s" % (
        python.name, name, how, row["tests"], row["passed"], len(row["differs"]),
        " ".join(row["flaky_without"]) or "none", row["captures"]))
    if row["tests"] == 0 and env and not row["differs"] + row["only_sometimes_with"]:
        pytest.skip("%s of %s%s ends without the agent as with it: status %s" % (
            name, python.name, how, row["status"][0][0]))
    assert row["passed"] > 0, row["tail"] or row["status"]
    row["differs"] = [name for name in row["differs"] if not name.endswith(tuple(known))]
    both_ways.check_row(row)


@pytest.mark.timeout(4 * 2 * suites.FILE_TIMEOUT_S)
@pytest.mark.parametrize("file", suites.FILES if LONG else SHORT_FILES)
def test_same_verdicts_as_without_the_agent(file, python, gilscope, measured):
    if not LONG and python.minor not in SHORT_VERSIONS:
        pytest.skip("short tier: 3.9, 3.12 and 3.15 only; tests/run --long runs all")
    check_file(file, python, gilscope, measured)


@pytest.mark.timeout(4 * 2 * suites.FILE_TIMEOUT_S)
@pytest.mark.parametrize("how", suites.ALLOCATORS)
@pytest.mark.parametrize("file", suites.MEMORY_FILES if LONG else SHORT_MEMORY_FILES)
def test_same_verdicts_with_all_of_memory_recorded(file, how, python, gilscope, measured):
    if not LONG and python.minor != (3, 12):
        pytest.skip("short tier: 3.12 only; tests/run --long runs all")
    check_file(file, python, gilscope, measured, suites.ALLOCATORS[how], ", " + how,
               suites.WANT_A_BARE_ALLOCATOR)

# SPDX-License-Identifier: MIT
"""Forks, execs and children in the midst of threads that fight for the GIL: no hang, a capture for
each process, each process's sums right. GILSCOPE_LONG=1 (tests/run --long): 1,000 of each, not 40."""

import os

import pytest

from sums import check_document, check_process

LONG = bool(os.environ.get("GILSCOPE_LONG"))
N = 1000 if LONG else 40

pytestmark = [
    pytest.mark.timeout(3000 if LONG else 300),
    pytest.mark.pythons(per_minor=True) if LONG else pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True),
]


def storm(record, python, targets, how):
    return record(python, ["-W", "ignore", targets / "storm.py", how, N], timeout=2400 if LONG else 240)


@pytest.mark.parametrize("how, files", [("fork", N + 1), ("double", 2 * N + 1), ("spawn", N + 1), ("exec", N + 1),
                                        ("race", N + 1)])
def test_one_capture_for_each_process(how, files, python, record, stats, targets, measured):
    capture = storm(record, python, targets, how)
    assert (capture.stdout, capture.stderr) == ("done 0\n", "")
    assert len(capture.files) == files
    doc = stats(capture)
    check_document(doc, processes=files)
    assert all(p["complete"] for p in doc["processes"])
    starts = {(p["pid"], p["start_unix_ns"]) for p in doc["processes"]}
    assert len(starts) == files
    measured("%s: %d %s in a thread storm, %d captures, all complete, all sums right" % (
        python.name, N, how, files))


@pytest.mark.pythons(per_minor=True)
def test_few_of_each_on_every_version(python, record, stats, targets):
    for how, files in ("fork", 7), ("double", 13), ("spawn", 7), ("exec", 7), ("race", 7):
        capture = record(python, ["-W", "ignore", targets / "storm.py", how, 6])
        assert (capture.stdout, capture.stderr) == ("done 0\n", ""), how
        doc = stats(capture)
        assert len(doc["processes"]) == files == len(capture.files), how
        for process in doc["processes"]:
            check_process(process)

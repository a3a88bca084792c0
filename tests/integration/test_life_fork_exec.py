# SPDX-License-Identifier: MIT
"""Forks and execs in a storm of threads: no hang, one capture for each process image, and the sums of
each are right."""

import pytest

from life import LONG, some
from sums import check_document

FORKS = ["fork", "thread", "raw", "double", "spawn", "vfork"]
EXECS = ["main", "thread", "all", "c", "path"]


@pytest.mark.parametrize("how", FORKS)
def test_forks_in_a_thread_storm(how, record, stats, targets, measured):
    n = 28 if LONG else 5  # on each interpreter: 6 x 6 x 28 are a thousand
    for python in some(how, FORKS):
        capture = record(python, ["-W", "ignore", targets / "life_forks.py", how, n], timeout=240)
        pids = set(map(int, capture.stdout.split()))
        assert len(pids) == (2 * n if how == "double" else n)
        assert "gilscope:" not in capture.stderr
        doc = stats(capture)
        # Past Python's own fork the child's first turn is one that its parent began.
        check_document(doc, processes=len(capture.files), unknown_holder=how == "raw")
        by_pid = {p["pid"]: p for p in doc["processes"]}
        assert len(by_pid) == len(capture.files), "one file for each process"
        recorded = pids & set(by_pid)
        # Of a daemon's first child there is no more than its own end.
        assert len(recorded) >= n and len(capture.files) >= n + 1
        turns = [by_pid[pid]["gil"]["acquisitions"] for pid in recorded]
        assert sum(t >= 3 for t in turns) >= n, "each child's threads ran"
        measured("%s: %d children by %s, %d captures, sums right" % (
            python.name, len(pids), how, len(capture.files)))


@pytest.mark.parametrize("how", EXECS)
def test_execs_in_a_thread_storm(how, record, stats, targets, measured):
    n = 34 if LONG else 5
    for python in some(how, EXECS):
        capture = record(python, ["-W", "ignore", targets / "life_execs.py", how, n], timeout=240)
        assert (capture.stdout, capture.stderr) == ("the last\n", "")
        assert len(capture.files) == n + 1, "one file for each image"
        doc = stats(capture)
        check_document(doc, processes=n + 1)
        processes = sorted(doc["processes"], key=lambda p: p["start_unix_ns"])
        assert len({p["pid"] for p in processes}) == 1
        assert all(p["gil"]["contended"] > 0 for p in processes[:-1])
        for process in processes[:-1]:
            notes = [note for note in process["notes"] if note.startswith("exec")]
            assert notes[0].startswith("exec: /")
            assert notes[1:] == (["exec failed, 8 times"] if how == "path" else [])
        measured("%s: %d execs by %s, %d captures, sums right" % (
            python.name, n, how, len(capture.files)))

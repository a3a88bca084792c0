# SPDX-License-Identifier: MIT
"""Threads by the thousand, threads Python did not make, threads with the names of the dead."""

import os

import pytest

from conftest import clean_env, run_bounded
from life import LONG, recordable, some
from preloaded import run_preloaded
from sums import check_document, total


def test_ten_thousand_threads_born_and_gone(record, stats, targets):
    n = 10000 if LONG else 4000
    for python in some("", [""], n=1):
        capture = record(python, [targets / "churn.py", n])
        assert capture.stdout == "done\n"
        doc = stats(capture.file)
        check_document(doc)
        threads = doc["processes"][0]["threads"]
        assert len(threads) == n + 1
        assert all(t["acquisitions"] >= 2 for t in threads), "started, slept, ended"


@pytest.fixture(scope="module")
def foreign(compile_c):
    return compile_c("life_foreign.c", "-shared", "-fPIC", "-pthread", "-ldl")


def test_threads_made_by_c(record, stats, targets, foreign):
    """They return, end by pthread_exit(), or are cancelled: each turn of theirs is there."""
    n = 50 if LONG else 20
    for python in recordable():
        capture = record(python, [targets / "life_foreign.py", foreign, n])
        assert (capture.stdout, capture.stderr) == ("done\n", "")
        doc = stats(capture.file)
        check_document(doc)
        threads = doc["processes"][0]["threads"]
        assert len(threads) == 3 * n + 3, "theirs, the main thread, the rival and its worker"
        foreigners = [t for t in threads if t["acquisitions"] == t["releases"] == 6]
        assert len(foreigners) >= 3 * n, "three times the GIL and one sleep in each"


def test_memory_of_the_agent_at_a_thousand_threads(gilscope, targets, tmp_path, measured):
    """8 MiB and 256 KiB a thread are the budget."""
    n = 1000
    python = recordable()[-1 if LONG else 0]
    env = {"MALLOC_ARENA_MAX": "1"}
    plain = run_bounded([python.path, str(targets / "life_many.py"), str(n)], 120, clean_env(env))
    ours = run_preloaded(gilscope, [python, targets / "life_many.py", n], tmp_path / "a.gsc",
                         timeout=120, env=env)
    kib, threads = zip(*(map(int, run.stdout.split()) for run in (plain, ours)))
    assert threads == (n + 1, n + 2)
    measured("%s, %d threads: %d KiB without the agent, %d with it: %.0f KiB and %.1f KiB a thread"
             % (python.name, n, *kib, kib[1] - kib[0], (kib[1] - kib[0]) / n))
    assert kib[1] - kib[0] <= 8 * 1024 + 256 * n
    assert kib[1] > kib[0]


@pytest.mark.skipif(not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK),
                    reason="the kernel's next tid cannot be chosen here (not root, or not compiled)")
def test_threads_with_the_tid_of_a_dead_one(record, stats, targets):
    """The kernel gives tids anew; to us each is another thread."""
    for python in some("", [""], n=1):
        capture = record(python, [targets / "life_same_tid.py", 300])
        n, same = map(int, capture.stdout.split())
        assert same >= 20, "other programs take the tid now and then, not always"
        doc = stats(capture.file)
        check_document(doc)
        threads = doc["processes"][0]["threads"]
        assert len(threads) == n + 1
        assert all(t["acquisitions"] >= 11 for t in threads)


def test_switch_interval_of_a_microsecond(record, stats, targets):
    for python in some("", [""], n=2):
        capture = record(python, [targets / "life_switch.py"])
        assert capture.stdout == "done\n"
        doc = stats(capture.file)
        check_document(doc)
        gil = doc["processes"][0]["gil"]
        assert gil["forced_drops"] > 0
        assert total(doc["processes"][0]["threads"], "contended") == gil["contended"]

# SPDX-License-Identifier: MIT
"""Kernel thread ids are used again: the second owner is another thread."""

import os

import pytest

from life import some
from sums import check_document


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

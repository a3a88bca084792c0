# SPDX-License-Identifier: MIT
"""What gilscope whatif says of the memory of real jobs of several processes. How near predictions come to runs is for
tests/whatif/validate_memory."""
import json

import pytest

from conftest import ROOT

WORKLOADS = ROOT / "tests" / "whatif" / "memory_workloads.py"
MIB = 1 << 20
WORKERS = 4

pytestmark = pytest.mark.pythons(min=(3, 13), max=(3, 13))


@pytest.fixture
def job(record, python, gilscope):
    def call(start, options=()):
        capture = record(python, [str(WORKLOADS), start, str(WORKERS), "records", "plain", "4"], options=options)
        paths = sorted(map(str, capture.folder.iterdir()))
        text = gilscope("whatif", *paths).stdout
        memory = json.loads(gilscope("whatif", "--json", *paths).stdout)["memory"]
        return memory, json.loads(capture.result.stdout), text
    return call


def check(memory, kernel, text):
    """The kernel's sum is of one moment, with the agent in it; whatif's of the greatest one, without."""
    assert memory["why_not"] == "" and memory["rss_only"] == 0
    assert 0.7 < (memory["now_bytes"] + memory["agent_bytes"]) / kernel["pss"] < 1.3
    assert WORKERS * 9 * MIB < memory["own_bytes"] < WORKERS * 22 * MIB  # 11 or 12 MiB each, with the GIL
    assert memory["threads"] >= WORKERS + 1
    range_ = memory["threads_bytes"]
    assert memory["own_bytes"] < range_["p10"] <= range_["p50"] <= range_["p90"]
    assert range_["p50"] < memory["now_bytes"] and memory["duplicated_bytes"] > 0
    assert memory["cuda_now_bytes"] is None and memory["cuda_threads_bytes"] is None
    assert "threads of one free-threaded process" in text


def test_a_fork_job(job):
    memory, kernel, text = job("fork")
    check(memory, kernel, text)
    assert (memory["processes"], memory["forked"], memory["helpers"]) == (WORKERS + 1, WORKERS, 0)
    assert memory["spawned_bytes"] > memory["now_bytes"]
    assert memory["forked_bytes"] is None and memory["unshared_bytes"] is None
    assert "(5 processes, forked)" in text and "(spawn)" in text


def test_a_spawn_job(job):
    memory, kernel, text = job("spawn")
    check(memory, kernel, text)
    assert (memory["processes"], memory["forked"], memory["helpers"]) == (WORKERS + 2, 0, 1)
    assert memory["forked_bytes"] < memory["now_bytes"] and memory["spawned_bytes"] is None
    assert memory["unshared_bytes"] > memory["threads_bytes"]["p90"]
    assert "(6 processes, each started by itself)" in text and "taken for granted" in text


def test_memory_that_was_not_recorded(job):
    memory, _, text = job("fork", options=["--what", "gil"])
    assert "its memory was not recorded" in memory["why_not"] and memory["why_not"] in text
    assert memory["now_bytes"] is None and memory["threads_bytes"] is None

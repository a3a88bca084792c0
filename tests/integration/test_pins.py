# SPDX-License-Identifier: MIT
"""What is free but pinned, and who pins it, against the truth: Python's own figures, and the addresses
of the blocks that a program kept. And that what is resident is explained."""
import json

import pytest

from memory_rows import Memory
from preloaded import run_preloaded
from test_arenas import truth_of
from test_samples import ALL, PROGRAMS, answer_of, innermost

SAMPLE = "pinned_arenas.py"


@pytest.fixture
def pinned(gilscope, targets, tmp_path):
    """pinned(python, alloc) -> (what Python said, addresses, block size, memory of stats, rows, document).
    With --alloc Python says nothing: sys._debugmallocstats() wants its allocator bare. Of what is kept a
    hundred samples are taken, so that two in a hundred elsewhere are one or two, and not by chance three
    of twelve."""

    def run(python, alloc):
        capture = tmp_path / ("x%s.gsc" % alloc)
        result = run_preloaded(gilscope, [python, targets / "pins_truth.py", PROGRAMS / SAMPLE], capture,
                               env={"GILSCOPE_ALLOC": alloc, "GILSCOPE_ALLOC_INTERVAL": "4K"})
        assert result.returncode == 0, result.stderr
        size, *addresses = map(int, result.stdout.split())
        doc = json.loads(gilscope("stats", "--json", capture).stdout)
        return (alloc == "0" and truth_of(result.stderr), addresses, -(-size // 16) * 16, doc["processes"][0]["memory"],
                Memory(gilscope, capture), doc)

    return run


def test_share_that_is_free_but_pinned(python, pinned, measured):
    truth, _, _, memory, rows, _ = pinned(python, "0")
    last, arena = memory["samples"][-1], next(iter(rows.arenas.values()))
    true_pinned = truth["free"] + truth["unused_pools"] * arena.pool_bytes
    true_share = true_pinned / (truth["arenas"] * arena.bytes)
    share = last["pinned_free_bytes"] / last["arena_bytes"]
    measured("%s: %.4f of the arenas is free but pinned, in truth %.4f" % (python.name, share, true_share))
    assert share == pytest.approx(true_share, rel=0.01)
    assert last["arenas"] == truth["arenas"]
    assert last["pool_used_bytes"] == pytest.approx(truth["used"], rel=0.01)


def test_who_pins_it(python, pinned, measured):
    """Each byte in use carries an equal part of what is free in its arena."""
    _, addresses, block, memory, rows, doc = pinned(python, "1")
    free_of_kept = free_of_all = 0
    for arena in rows.live():
        used, free, unused_pools = rows.sums_of(arena)
        pinned_free = free + unused_pools * arena.pool_bytes
        kept = block * sum(arena.address <= a < arena.address + arena.bytes for a in addresses)
        free_of_all += pinned_free if used else 0
        free_of_kept += pinned_free * kept / used if used else 0
    stacks, answer = memory["alloc"]["stacks"], answer_of(SAMPLE)["pins"]
    share = stacks[0]["pinned_bytes"] / memory["alloc"]["pinned_bytes"]
    measured("%s: %s:%s pins %.3f of it, in truth %.3f" % (
        python.name, *innermost(stacks[0]["stack"])[1:], share, free_of_kept / free_of_all))
    assert innermost(stacks[0]["stack"]) == answer
    assert share == pytest.approx(free_of_kept / free_of_all, abs=0.07)
    finding = doc["findings"][0]
    assert finding["id"].startswith("memory-pinned")
    assert "%s:%d" % (answer[0], answer[2]) in finding["claim"]


@pytest.mark.serial
@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("name", ALL)
def test_what_is_resident_is_explained(name, python, gilscope, tmp_path, measured):
    """But for 5 % of it at most."""
    gilscope("run", "-o", tmp_path / "x.gsc", "--", python, PROGRAMS / name, "1.2")
    memory = json.loads(gilscope("stats", "--json", tmp_path / "x.gsc").stdout)["processes"][0]["memory"]
    explained = sum(part["bytes"] for part in memory["explained"])
    assert explained + memory["unexplained_bytes"] == memory["rss_bytes"]
    measured("%s %s: %.1f MiB resident, %+.2f %% unexplained" % (
        python.name, name, memory["rss_bytes"] / 2**20, 100 * memory["unexplained_bytes"] / memory["rss_bytes"]))
    assert abs(memory["unexplained_bytes"]) <= 0.05 * memory["rss_bytes"]

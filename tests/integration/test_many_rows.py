# SPDX-License-Identifier: MIT
"""A capture whose every sum is known, with more rows than 32 bits count where there is time for it: two
threads hold the GIL by turns for 300 ns each, and each turn but the first was waited for during the one before."""
import json
import os
import subprocess

import pytest

from conftest import BUILD, clean_env
from life import LONG

MAKE, STATS = BUILD / "tests" / "gs_make_metronome", BUILD / "tests" / "gs_engine_ns"
TURNS = 2**32 + 5_000_000 if LONG else 1_000_003
TURN_NS = 300
RUNS = [("cpu", 2, 0), ("cpu", 1, 1_000_000)] + ([] if LONG else [("reference", 1, 0), ("cpu", 2, 777)])

pytestmark = pytest.mark.skipif(not STATS.exists(), reason="gs_engine_ns is not built")


def stats(path, engine, jobs, rows):
    """(document, most memory it took in bytes)"""
    argv = [STATS, "--engine", engine, "--jobs", str(jobs), "--window-rows", str(rows), "stats", path]
    process = subprocess.Popen(argv, env=clean_env(), stdout=subprocess.PIPE)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return text, usage.ru_maxrss * 1024


def check_sums(process):
    waits, even, odd = TURNS - 1, TURNS // 2, (TURNS + 1) // 2
    gil, threads = process["gil"], process["threads"]
    assert (gil["acquisitions"], gil["contended"]) == (TURNS, waits)
    assert (gil["hold_ns"], gil["wait_ns"], gil["unknown_holder_ns"]) == (TURNS * TURN_NS, waits * TURN_NS, 0)
    assert [count for _, count in gil["hold_hist"]] == [TURNS]
    assert [count for _, count in gil["wait_hist"]] == [waits]
    assert [t["hold_ns"] for t in threads] == [even * TURN_NS, odd * TURN_NS]
    assert [t["wait_ns"] for t in threads] == [even * TURN_NS, (odd - 1) * TURN_NS]
    assert {(b["waiter"], b["holder"]): b["ns"] for b in process["blame"]} == {
        (0, 1): even * TURN_NS, (1, 0): (odd - 1) * TURN_NS}


@pytest.mark.timeout(7200)
def test_a_metronome(tmp_path, measured):
    path = tmp_path / "x.gsc"
    subprocess.run([MAKE, str(TURNS), path], check=True, timeout=3600)
    documents, peaks = zip(*(stats(path, *run) for run in RUNS))
    assert len(set(documents)) == 1
    document = json.loads(documents[0])
    check_sums(document["processes"][0])
    assert max(peaks[:2]) < 1 << 30
    measured("%d rows of %.1f bytes, every sum right; peak %d MiB" % (
        TURNS, path.stat().st_size / TURNS, max(peaks[:2]) >> 20))
    path.unlink()

# SPDX-License-Identifier: MIT
"""What days do to the agent, in seconds: turns, threads and names without end."""
import json

import pytest

from life import LONG

N = 1000000 if LONG else 60000  # a table holds 49,152 codes
GROWTH_KIB = 4096


@pytest.mark.pythons(per_minor=True, min=(3, 11), max=(3, 13))
def test_code_made_by_exec_never_runs_out_of_names(python, record, stats, targets, measured):
    """Each has its stack, whatever came before; none is lost, and memory stays."""
    capture = record(python.path, [targets / "code_by_exec.py", N], level=2, timeout=600)
    process, = stats(capture)["processes"]
    early, late = map(int, capture.stdout.split())
    measured("%s: %d code objects: memory %d KiB after a fifth, %d KiB at the end, %d names lost"
             % (python.name, N, early, late, process["lost_definitions"]))
    assert process["lost_definitions"] == 0
    assert late - early < GROWTH_KIB


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_soak(python, gilscope, targets, tmp_path, measured):
    """Memory and capture stay as they are, and the totals are exact."""
    turns, threads, codes = (10**9, 10**6, 10**5) if LONG else (10**7, 20000, 20000)
    limit = 4 << 20
    (tmp_path / "out").mkdir()
    run = gilscope("run", "-o", tmp_path / "out" / "job.gsc", "--max-size", limit, "--on-full", "ring",
                   "--level", 1, "--budget", 100, "--", python, targets / "soak.py", turns, threads,
                   codes, timeout=7200 if LONG else 300)
    assert run.stderr == ""
    early, late = map(int, run.stdout.split())
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    process, = json.loads(gilscope("stats", "--json", tmp_path / "out" / "job.gsc").stdout)["processes"]
    gil = process["gil"]
    measured("%s soak: %d turns, %d threads, %d code objects: memory %d KiB after a fifth, %d KiB at the"
             " end; capture %d KiB; lost %d events, %d names"
             % (python.name, turns, threads, codes, early, late, size >> 10, process["lost_events"],
                process["lost_definitions"]))
    assert late - early < 2 * GROWTH_KIB  # a busy machine buries threads in larger heaps
    assert size <= limit
    assert process["lost_events"] == process["lost_definitions"] == process["lost_chunks"] == 0
    # Each call ends one turn; opening a file, and a thread's start and end, are some more.
    low = turns + codes + threads
    assert low < gil["acquisitions"] < low + 20 * (threads + codes) + 10000
    assert sum(t["acquisitions"] for t in process["threads"]) == gil["acquisitions"]

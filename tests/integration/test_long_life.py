# SPDX-License-Identifier: MIT
"""What days do to the agent, in seconds: names without end."""
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

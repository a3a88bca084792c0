# SPDX-License-Identifier: MIT
"""CUDA where processes fork, end, are recorded in part, or say more than the capture holds."""
import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cuda_rows_of as of  # noqa: E402
from test_agent_cuda import DRIVER, KINDS, ONE_VERSION, fake  # noqa: E402, F401

ENV = {"LD_LIBRARY_PATH": DRIVER, "GILSCOPE_FORCE": "1"}
DEVICE = 1


def cuda_of(gilscope, *paths):
    return of.Cuda(line for path in paths
                   for line in gilscope("dump", "--raw-json", path).stdout.splitlines())


def check_rows(cuda):
    """Every number is a row's, or one of those that are lost."""
    seqs = [row.seq for row in cuda.rows if not row.flags & of.AGAIN]
    assert len(set(seqs)) == len(seqs)
    assert len(seqs) + cuda.state["lost"] == cuda.state["rows"]


@ONE_VERSION
def test_forks_among_calls(gilscope, python, record):
    """Children have captures of their own, with what they did and nothing of their parent's."""
    capture = record(python, [HERE / "targets" / "forks.py", 2], env=ENV)
    assert capture.stdout.splitlines()[-1] == "12345"
    used, alone = 0, 0
    for path in capture.files:
        cuda = cuda_of(gilscope, path)
        if not cuda.state:
            alone += 1
            continue
        check_rows(cuda)
        calls = cuda.calls.get("cuMemAlloc_v2", {}).get("calls", 0)
        if calls == 5:
            used += 1
            assert cuda.of_kind(DEVICE) == (4, 4000)
        elif calls == 0:
            assert (cuda.state["live"], cuda.of_kind(DEVICE)) == (0, (0, 0)) and not cuda.contexts
        else:
            assert cuda.of_kind(DEVICE) == (1, 12345)
    assert used >= 2, "before the parent's cuInit()"
    assert alone >= 3, "children that do not use the driver say nothing of it"


@ONE_VERSION
@pytest.mark.parametrize("how", ["return", "_exit", "exec"])
def test_the_end_among_calls(gilscope, python, record, how):
    capture = record(python, [HERE / "targets" / "ends.py", how], env=ENV)
    cuda = cuda_of(gilscope, capture.files[0])
    assert cuda.calls["cuMemAlloc_v2"]["calls"] > 100
    assert 0 <= cuda.state["live"] <= 8 * 100
    check_rows(cuda)


@ONE_VERSION
@pytest.mark.parametrize("how", ["return", "_exit", "exec"])
def test_the_end_in_a_call(gilscope, python, record, how):
    """A free has its number before the driver does it: its row never came, and is told as lost."""
    capture = record(python, [HERE / "targets" / "ends.py", how],
                     env={**ENV, "FAKECUDA_FREE_US": "30000000"})
    cuda = cuda_of(gilscope, capture.files[0])
    assert cuda.calls["cuMemAlloc_v2"]["calls"] == 8 and "cuMemFree_v2" not in cuda.calls
    assert cuda.state["lost"] == 8
    check_rows(cuda)


@ONE_VERSION
def test_the_duration_ends_among_calls(gilscope, python, record):
    capture = record(python, [HERE / "targets" / "ends.py", "wait"], env=ENV, options=["-d", "0.5"])
    cuda = cuda_of(gilscope, capture.file)
    assert cuda.calls["cuMemAlloc_v2"]["calls"] > 100
    assert 0 <= cuda.state["live"] <= 8 * 100


@ONE_VERSION
@pytest.mark.parametrize("rows", [1000, 200000])
def test_a_ring_tells_again_what_lives(gilscope, python, record, rows):
    """What lives is there to the byte, whatever of its rows is gone."""
    capture = record(python, [HERE / "targets" / "many_rows.py", rows], env=ENV,
                     options=["--max-size", "1M", "--on-full", "ring"])
    truth, cuda = json.loads(capture.stdout), cuda_of(gilscope, *capture.files)
    assert {k: cuda.of_kind(k) for k in KINDS} == {k: tuple(truth["live"][str(k)]) for k in KINDS}
    assert cuda.calls["cuMemAlloc_v2"]["calls"] == 300 + rows
    kept = {row.address: row.bytes for row in cuda.rows if row.op == of.ALLOC
            and str(row.address) in truth["kept"]}
    assert {str(a): n for a, n in kept.items()} == truth["kept"]
    again = [row for row in cuda.rows if row.flags & of.AGAIN]
    assert bool(again) == (rows > 1000)
    by_seq = {}
    for row in cuda.rows:
        assert by_seq.setdefault(row.seq, row[2:4] + row[5:7] + row[10:12]) == \
            row[2:4] + row[5:7] + row[10:12]
    assert sum(path.stat().st_size for path in capture.files) <= 1 << 20


@ONE_VERSION
def test_at_level_0_there_are_sums_and_no_rows(fake):  # noqa: F811
    r = fake("all_kinds.py", "proc", env={"GILSCOPE_LEVEL": "0"})
    assert {k: r.cuda.of_kind(k) for k in KINDS} == {k: r.live()[k] for k in KINDS}
    assert not r.cuda.rows and (r.cuda.state["rows"], r.cuda.state["lost"]) == (0, 0)
    assert r.cuda.calls["cuMemAlloc_v2"]["calls"]


def test_without_a_gil(gilscope, free_threaded_python, record):
    capture = record(free_threaded_python, [HERE / "targets" / "python_threads.py", 8, 400], env=ENV)
    truth, cuda = json.loads(capture.stdout)["live"], cuda_of(gilscope, capture.file)
    assert {k: cuda.of_kind(k) for k in KINDS} == {k: tuple(truth[str(k)]) for k in KINDS}
    assert cuda.state["unknown"] == 0 and cuda.calls["cuMemAlloc_v2"]["held_calls"] == 0
    check_rows(cuda)

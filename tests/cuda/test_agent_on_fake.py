# SPDX-License-Identifier: MIT
"""The agent and the driver on host memory: the driver is called as without the agent, and its sums are
the capture's."""
import json
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fake_book as book  # noqa: E402
from conftest import BUILD  # noqa: E402
from cuda_rows import Cuda  # noqa: E402
from cuda_runtimes import runtimes  # noqa: E402
from preloaded import run_plain, run_preloaded  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = BUILD / "tests" / "cuda"
WAYS = ("linked", "dlsym", "proc")
pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)


@pytest.fixture
def run(gilscope, python, tmp_path):
    """run(target, *argv, watched=True, LOG=…) -> its result, and what its capture says."""
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")

    def go(name, *argv, watched=True, out="x.gsc", **settings):
        env = {"LD_LIBRARY_PATH": DRIVER, **{"FAKECUDA_" + k: v for k, v in settings.items()}}
        argv = [python, HERE / "targets" / name, *argv]
        if not watched:
            return run_plain(argv, env=env), None
        result = run_preloaded(gilscope, argv, tmp_path / out, env=env)
        assert (result.returncode, result.stderr) == (0, "")
        return result, Cuda(gilscope, tmp_path / out)

    return go


def without_images(live):
    """An image's size is the agent's reading of it, what a module takes the driver's invention."""
    return {k: v if k != book.MODULE else (v[0], 0) for k, v in live.items()}


def truth_of(output):
    rows = re.findall(r"^(\d+) (\d+) (\d+)$", output, re.MULTILINE)
    live = {int(kind): (int(blocks), int(size)) for kind, blocks, size in rows}
    return without_images(live), int(re.search(r"peak (\d+)", output).group(1))


@pytest.mark.parametrize("way", WAYS)
def test_the_driver_is_called_as_without(run, tmp_path, way):
    plain, _ = run("random_ops.py", way, 21, 1, 3000, watched=False, LOG=tmp_path / "plain")
    watched, _ = run("random_ops.py", way, 21, 1, 3000, LOG=tmp_path / "watched")
    assert watched.stdout == plain.stdout
    without, with_it = (book.effects(book.read(tmp_path / name)) for name in ("plain", "watched"))
    assert with_it == without


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads, operations", [(1, 3000), (16, 1000)])
def test_sums_are_the_drivers(run, way, threads, operations):
    result, cuda = run("random_ops.py", way, 8, threads, operations)
    live, peak = truth_of(result.stdout)
    assert {k: cuda.live(k) for k in live} == live
    state = cuda.state
    assert (state.unknown_frees, state.untracked) == (0, 0)
    assert state.live_bytes == sum(live[k][1] for k in book.OF_DEVICES)
    if threads == 1:
        assert state.peak_bytes == peak


def test_rows_add_up_to_the_sums(run):
    result, cuda = run("random_ops.py", "proc", 9, 4, 1500)
    assert cuda.state.lost_rows == 0
    assert [row.seq for row in cuda.rows] == list(range(1, cuda.state.rows + 1))
    by_kind = {}
    for (_, kind), row in cuda.replay().items():
        blocks, size = by_kind.get(kind, (0, 0))
        by_kind[kind] = blocks + 1, size + row.bytes
    truth = truth_of(result.stdout)[0]
    assert by_kind == {k: v for k, v in truth.items() if v[0] and k != book.MODULE}


@pytest.mark.parametrize("how", ["dlsym", "proc", "proc1"])
@pytest.mark.parametrize("version", [11040, 12040, 13000])
def test_every_kind_from_python(run, how, version):
    if how == "proc" and version < 12000:
        pytest.skip("before 12.0 there is only cuGetProcAddress()")
    result, cuda = run("all_kinds.py", how, VERSION=version)
    truth = json.loads(result.stdout)
    live = without_images({int(k): tuple(v) for k, v in truth["live"].items()})
    assert without_images({k: cuda.live(k) for k in live}) == live
    assert cuda.state.peak_bytes == truth["peak"]


@pytest.mark.parametrize("hold", ["hold", "release"])
def test_waiting_under_the_gil(run, hold):
    result, cuda = run("sync_story.py", hold, 10, 10000)
    n, ns = map(int, result.stdout.split())
    call = cuda.calls["cuStreamSynchronize"]
    assert call.calls == n and call.held_calls == (n if hold == "hold" else 0)
    hz = int(next(s for s in cuda.records["PROCESS"][0][-1] if s.startswith("tick_hz"))[8:])
    assert ns <= call.ticks * 10**9 // hz <= ns * 1.1 + 5_000_000


def test_memory_that_runs_out(run):
    result, cuda = run("oom_story.py", MEMORY_MB=20 << 10)
    failed, live, peak = map(int, re.findall(r"\d+", result.stdout))
    assert sum(c.failed for c in cuda.live_records) == failed
    assert cuda.live(book.DEVICE)[1] == live and cuda.state.peak_bytes == peak


def test_the_runtime_is_answered_as_without(python, gilscope, tmp_path):
    """NVIDIA's own library asks for some 400 functions, by dlsym() and then cuGetProcAddress(). It then
    gives up on this driver, which lacks half of them."""
    found = runtimes(python, "libcudart.so")
    if not found:
        pytest.skip("no libcudart.so (GILSCOPE_CUDART names its folder)")
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).cudaFree(None))"
    for i, file in enumerate(found):
        asked = []
        for name in ("plain", "watched"):
            env = {"LD_LIBRARY_PATH": DRIVER, "FAKECUDA_LOG": tmp_path / ("%s-%d" % (name, i))}
            argv = [python, "-c", code, file]
            result = (run_plain(argv, env=env) if name == "plain" else
                      run_preloaded(gilscope, argv, tmp_path / ("%d.gsc" % i), env=env))
            calls = book.read(env["FAKECUDA_LOG"])
            asked.append((result.stdout, [(c.name, c.result, c.args) for c in calls
                                          if "GetProcAddress" in c.name or c.effect]))
        assert asked[0] == asked[1] and len(asked[0][1]) > 300, file

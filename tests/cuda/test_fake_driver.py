# SPDX-License-Identifier: MIT
"""The driver on host memory is what tests of the agent compare with: its own sums against its log,
the same by each way to its functions, the faults it was asked for."""
import json
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fake_book as book  # noqa: E402
from conftest import BUILD, clean_env  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = BUILD / "tests" / "cuda"
CHECKED = [k for k in range(1, 10) if k not in (book.GRAPH,)]


@pytest.fixture
def run(tmp_path):
    """Runs a program on the driver: run(*argv, SETTING=value) -> its output."""
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")

    def go(*argv, check=True, **settings):
        env = clean_env({"LD_LIBRARY_PATH": DRIVER,
                         **{"FAKECUDA_" + k: v for k, v in settings.items()}})
        return subprocess.run([str(a) for a in argv], env=env, check=check, timeout=120,
                              stdout=subprocess.PIPE, universal_newlines=True)

    return go


def target(name):
    return [sys.executable, HERE / "targets" / name]


def live_of(output):
    rows = re.findall(r"^(\d+) (\d+) (\d+)$", output, re.MULTILINE)
    return {int(kind): (int(blocks), int(size)) for kind, blocks, size in rows}


@pytest.mark.parametrize("threads, operations", [(1, 4000), (16, 500)])
def test_sums_are_those_of_the_log(run, tmp_path, threads, operations):
    out = run(DRIVER / "random_ops_proc", 11, threads, operations, LOG=tmp_path / "log").stdout
    calls = book.read(tmp_path / "log")
    expected = book.Book(calls)
    assert [c.seq for c in calls] == list(range(1, len(calls) + 1))
    assert {k: live_of(out)[k] for k in CHECKED} == {k: expected.of_kind(k) for k in CHECKED}
    assert int(re.search(r"peak (\d+)", out).group(1)) == expected.peak


def test_each_way_to_its_functions_gives_the_same(run, tmp_path):
    logs = []
    for way in ("linked", "dlsym", "proc"):
        run(DRIVER / ("random_ops_" + way), 5, 1, 3000, LOG=tmp_path / way)
        logs.append(book.effects(book.read(tmp_path / way)))
    assert logs[0] == logs[1] == logs[2]
    assert len(logs[0][0]) > 3000


@pytest.mark.parametrize("how", ["dlsym", "proc", "proc1"])
def test_from_python(run, how):
    out = json.loads(run(*target("all_kinds.py"), how).stdout)
    assert out["live"]["1"] == [1, 1000] and out["live"]["3"] == [1, 2 << 20]
    assert out["device_bytes"] == sum(out["live"][str(k)][1] for k in book.OF_DEVICES)


@pytest.mark.parametrize("version, name, asked, expected", [
    (13000, "cuCtxGetDevice", 12040, (0, "cuCtxGetDevice")),
    (13000, "cuCtxGetDevice", 13000, (0, "cuCtxGetDevice_v2")),
    (13000, "cuMemAlloc", 13000, (0, "cuMemAlloc_v2")),
    (13000, "cuMemAlloc", 2000, (2, None)),
    (13000, "cuNothing", 13000, (1, None)),
    (11040, "cuLibraryLoadData", 11040, (1, None)),
    (12040, "cuLibraryLoadData", 11080, (2, None)),
])
def test_versions(run, version, name, asked, expected):
    code = ("import ctypes as c; l = c.CDLL('libcuda.so.1'); p = c.c_void_p(); s = c.c_int();"
            "r = l.cuGetProcAddress_v2(%r, c.byref(p), %d, c.c_uint64(0), c.byref(s));"
            "here = %r and c.cast(getattr(l, %r or 'cuInit'), c.c_void_p).value;"
            "print(r, s.value, p.value == here)"
            % (name.encode(), asked, expected[1], expected[1]))
    assert run(sys.executable, "-c", code, VERSION=version).stdout == "0 %d True\n" % expected[0]


def test_memory_runs_out(run):
    out = run(*target("oom_story.py"), MEMORY_MB=20 << 10).stdout
    assert out == "failed 2 live %d peak %d\n" % (9 << 30, 19 << 30)


def test_the_nth_allocation_fails(run):
    code = ("import cu; d = cu.Driver(); d.start(); from ctypes import *; p = c_uint64();"
            "print([d.try_('cuMemAlloc', byref(p), 100) for _ in range(4)])")
    env_path = "import sys; sys.path.insert(0, %r); " % str(HERE / "targets")
    assert run(sys.executable, "-c", env_path + code, OOM_AT=3).stdout == "[0, 0, 2, 0]\n"
    assert run(sys.executable, "-c", env_path + code, STICKY_AFTER=2).stdout == (
        "[0, 0, 700, 700]\n")


def test_waits_take_their_time(run):
    n, ns = run(*target("sync_story.py"), "hold", 5, 10000).stdout.split()
    assert int(n) == 5 and int(ns) >= 50_000_000


def test_a_forked_child_has_no_driver(run):
    code = ("import sys; sys.path.insert(0, %r); import cu, os; d = cu.Driver(); d.start();"
            "pid = os.fork();"
            "pid or os._exit(d.try_('cuInit', 0) * 10 + d.try_('cuCtxSynchronize'));"
            "print(os.waitpid(pid, 0)[1] >> 8)" % str(HERE / "targets"))
    assert run(sys.executable, "-W", "ignore", "-c", code).stdout == "33\n"


def test_processes_share_a_device(run, tmp_path):
    out = run(*target("job.py"), 3, SHARED=tmp_path / "shared", CONTEXT_MB=100).stdout
    rows = [tuple(map(int, line.split())) for line in out.splitlines()]
    assert sorted(live >> 20 for _, live, _ in rows) == [1, 3, 6]
    assert all(used == live + (100 << 20) for _, live, used in rows)

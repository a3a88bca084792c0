# SPDX-License-Identifier: MIT
"""The agent on the driver that lives in host memory: it alters no call, misses none, and its sums are
the driver's own."""
import json
import os
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cuda_rows_of as of  # noqa: E402
import fake_book as book  # noqa: E402
from conftest import BUILD, ROOT, clean_env, run_bounded  # noqa: E402

DRIVER = BUILD / "tests" / "cuda"
KINDS = range(1, 9)  # whose bytes are asked for; of other processes' memory and of modules they are not
ONE_VERSION = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
pytestmark = pytest.mark.pythons(per_minor=True)


class Run:
    def __init__(self, result, path, lines):
        self.out, self.path, self.cuda = result.stdout, path, of.Cuda(lines)

    def live(self):
        """kind -> (blocks, bytes), by the driver."""
        if self.out.startswith("{"):
            return {int(k): tuple(v) for k, v in json.loads(self.out)["live"].items()}
        return {int(k): (int(n), int(size))
                for k, n, size in re.findall(r"^(\d+) (\d+) (\d+)$", self.out, re.M)}

    def held_ns(self, name):
        return self.cuda.calls[name]["held_ticks"]


@pytest.fixture
def fake(gilscope, python, tmp_path):
    """fake("target.py", ARG..., SETTING=value) -> Run; agent=False runs it without."""
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")

    def run(name, *args, agent=True, env=None, timeout=120, out="x.gsc", **settings):
        out = tmp_path / out
        env = {"LD_LIBRARY_PATH": DRIVER, **(env or {}),
               **{"FAKECUDA_" + k: str(v) for k, v in settings.items()}}
        if agent:
            env.update(LD_PRELOAD=gilscope.agent, GILSCOPE_OUT=out, GILSCOPE_FORCE="1")
        argv = [python.path, name if os.path.isabs(str(name)) else HERE / "targets" / name, *args]
        result = run_bounded(list(map(str, argv)), timeout, clean_env(env))
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        lines = gilscope("dump", "--raw-json", out).stdout.splitlines() if agent else []
        return Run(result, out, lines)

    return run


# ---- nothing is altered ----


@pytest.mark.parametrize("how", ["dlsym", "proc", "proc1"])
def test_no_call_is_altered(fake, tmp_path, how):
    """Arguments, results and order, thread by thread, with the agent and without."""
    logs = []
    for agent in (False, True):
        fake("all_kinds.py", how, agent=agent, LOG=tmp_path / ("log-%s" % agent))
        logs.append(book.effects(book.read(tmp_path / ("log-%s" % agent))))
    assert logs[0] == logs[1]
    assert sum(map(len, logs[0])) > 90


@ONE_VERSION
@pytest.mark.parametrize("way", ["linked", "dlsym", "proc"])
def test_no_call_is_altered_at_random(fake, tmp_path, way):
    logs = []
    for agent in (False, True):
        fake("random_ops.py", way, 3, 1, 5000, agent=agent, LOG=tmp_path / ("log-%s" % agent))
        logs.append(book.effects(book.read(tmp_path / ("log-%s" % agent))))
    assert logs[0] == logs[1]
    assert len(logs[0][0]) > 5000


def test_the_agent_only_asks(fake, tmp_path):
    """What it calls itself has no effect."""
    fake("all_kinds.py", "proc", agent=False, LOG=tmp_path / "without")
    fake("all_kinds.py", "proc", LOG=tmp_path / "with")
    more = [c.name for c in book.read(tmp_path / "with")]
    for c in book.read(tmp_path / "without"):
        more.remove(c.name)
    assert set(more) <= {"cuCtxGetCurrent", "cuCtxGetDevice", "cuDeviceGetName", "cuDeviceGetPCIBusId",
                         "cuDeviceTotalMem_v2", "cuDriverGetVersion", "cuMemGetInfo_v2",
                         "cuModuleGetLoadingMode", "cuDevicePrimaryCtxGetState", "cuGetProcAddress_v2"}


@pytest.mark.parametrize("level", ["0", "1"])
def test_a_driver_that_says_anything(fake, level):
    """Success and no result, codes that nobody knows, questions that change errno, NULL everywhere."""
    odd = DRIVER / "odd" / "libcuda.so.1"
    table = ROOT / "preload" / "cuda_calls.def"
    for agent in (False, True):
        r = fake("odd_calls.py", odd, table, agent=agent, env={"GILSCOPE_LEVEL": level})
        assert int(r.out) == 109
    assert len(r.cuda.calls) == 107, "all but the two that look up"
    assert r.cuda.calls["cuMemAlloc_v2"]["calls"] == 5 + 5001, "not what cuMemAllocManaged() calls"
    assert sum(s["live"] for s in r.cuda.live.values()) == 0
    state = r.cuda.state
    assert len(r.cuda.rows) + state["lost"] == state["rows"] and (level == "1" or not state["rows"])


# ---- nothing is missed ----


@pytest.mark.parametrize("how, version", [("dlsym", 13000), ("proc", 13000), ("proc", 12040),
                                          ("proc1", 13000), ("proc1", 11040)])
def test_all_kinds(fake, how, version):
    r = fake("all_kinds.py", how, VERSION=version)
    assert {k: r.cuda.of_kind(k) for k in KINDS} == {k: r.live()[k] for k in KINDS}
    assert r.cuda.state["live"] == json.loads(r.out)["device_bytes"]
    assert r.cuda.state["peak"] == json.loads(r.out)["peak"]
    assert (r.cuda.state["lost"], r.cuda.state["unknown"], r.cuda.state["untracked"]) == (0, 0, 0)
    assert [row.seq for row in r.cuda.rows] == list(range(1, r.cuda.state["rows"] + 1))
    for _ in r.cuda.replay():
        pass


@ONE_VERSION
def test_live_bytes_are_exact_at_every_event(fake, tmp_path):
    """One thread, so that there is one order: after each row what the driver's log says lives then."""
    r = fake("random_ops.py", "proc", 8, 1, 4000, LOG=tmp_path / "log")
    truth, now = [], book.Book([])
    for c in book.read(tmp_path / "log"):
        before = now.bytes_of_devices
        if c.effect and c.result == 0:
            now.step(book.base_name(c.name), c.args, c.context)
        if now.bytes_of_devices != before:
            truth.append(now.bytes_of_devices)
    seen, last = [], 0
    for _, _, total in r.cuda.replay():
        if total != last:
            seen.append(total)
        last = total
    assert len(truth) > 1500 and seen == truth


@ONE_VERSION
@pytest.mark.serial
def test_a_million_random_operations_of_sixteen_threads(fake, measured):
    r = fake("random_ops.py", "proc", 1, 16, 62500, timeout=300)
    state = r.cuda.state
    assert {k: r.cuda.of_kind(k) for k in KINDS} == {k: r.live()[k] for k in KINDS}
    assert (state["unknown"], state["untracked"]) == (0, 0)
    assert len(r.cuda.rows) + state["lost"] == state["rows"]
    if not state["lost"]:
        for _ in r.cuda.replay():
            pass
    measured("CUDA: %d rows of 16 threads, %d lost, live bytes of all kinds the driver's" %
             (len(r.cuda.rows), state["lost"]))


@pytest.mark.parametrize("keep_gil", [(), ("--hold-gil",)])
def test_threads_of_pythons_own(fake, keep_gil):
    r = fake("python_threads.py", 16, 300, *keep_gil)
    assert {k: r.cuda.of_kind(k) for k in KINDS} == {k: r.live()[k] for k in KINDS}
    assert (r.cuda.state["lost"], r.cuda.state["unknown"]) == (0, 0)


# ---- facts ----


def test_who_held_the_gil_while_it_waited(fake, stats):
    """The driver's own time of its sleeps, of the calls that kept the GIL and no others."""
    for how, held in (("hold", True), ("release", False)):
        r = fake("sync_story.py", how, 20, 5000, out=how + ".gsc")
        n, slept_ns = map(int, r.out.split())
        rows = [row for row in r.cuda.rows if row.op == of.SYNC]
        assert len(rows) == n == r.cuda.calls["cuStreamSynchronize"]["calls"]
        assert {bool(row.flags & of.HELD) for row in rows} == {held}
        assert all(row.stack for row in rows)
        call = r.cuda.calls["cuStreamSynchronize"]
        assert call["held_ticks"] == (call["ticks"] if held else 0)
        assert call["held_calls"] == (n if held else 0)


def test_out_of_memory_is_told(fake):
    r = fake("oom_story.py", MEMORY_MB=8 << 10)
    failed = [row for row in r.cuda.rows if row.op == of.ALLOC and row.result]
    n, live, peak = map(int, re.findall(r"\d+", r.out))
    assert len(failed) == n and {row.result for row in failed} == {2}
    assert {row.bytes for row in failed} == {1 << 30} and all(row.stack for row in failed)
    assert r.cuda.state["live"] == live and r.cuda.state["peak"] == peak
    assert sum(s["failed"] for s in r.cuda.live.values()) == n


def test_pools(fake):
    """What a program does with them is told, short calls too."""
    r = fake("pools.py")
    assert [row.bytes for row in r.cuda.rows if row.op == of.POOL] == [0, 0, 4096, 0]
    assert [(row.op, row.kind) for row in r.cuda.rows if row.kind == book.POOL] == [
        (of.ALLOC, book.POOL), (of.FREE, book.POOL)]


def test_contexts(fake):
    r = fake("all_kinds.py", "proc", CONTEXT_MB=300)
    (context,) = r.cuda.contexts.values()
    assert context["flags"] == 1 and context["stack"] and "end" not in context
    assert context["total"] - context["after"] == 300 << 20
    name, bus_id, total = r.cuda.devices[0]
    assert total == context["total"] and name and re.fullmatch(r"[0-9A-F:.]+", bus_id)
    assert r.cuda.driver[1] == 13000


def test_without_the_driver_nothing_is_said(gilscope, python, tmp_path):
    """And a search that comes by the agent's exports finds no driver."""
    code = """
import ctypes
for name in ("cuMemAlloc_v2", "cuGetProcAddress_v2", "cuInit"):
    try:
        getattr(ctypes.CDLL(None), name)
    except AttributeError:
        continue
    raise SystemExit(name)
"""
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": tmp_path / "x.gsc"})
    result = run_bounded([python.path, "-c", code], 60, env)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    cuda = of.Cuda(gilscope("dump", "--raw-json", tmp_path / "x.gsc").stdout.splitlines())
    assert not (cuda.rows or cuda.calls or cuda.state or cuda.driver or cuda.events)


def test_not_wanted(fake, tmp_path):
    r = fake("all_kinds.py", "dlsym", env={"GILSCOPE_WHAT": "gil,mem"})
    assert not (r.cuda.rows or r.cuda.calls or r.cuda.state or r.cuda.driver)


@ONE_VERSION
@pytest.mark.parametrize("how", ["dlsym", "proc"])
@pytest.mark.parametrize("what", ["again", "two"])
def test_a_driver_that_is_not_the_one_that_was_known(fake, tmp_path, what, how):
    """Closed and opened elsewhere, or a second one: nobody is sent to where the first one was."""
    for agent in (False, True):
        r = fake("driver_again.py", tmp_path, what, how, agent=agent,
                 env={"GILSCOPE_DRIVER": DRIVER / "libcuda.so.1"})
        assert r.out == "used\n"
    assert r.cuda.calls["cuMemAlloc_v2"]["calls"] == (2 if what == "again" else 1)

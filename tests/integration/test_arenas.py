# SPDX-License-Identifier: MIT
"""Arenas and what their pools hold, against what Python says itself; and that nothing is disturbed."""
import pathlib
import re
import subprocess
import textwrap

import pytest

from conftest import clean_env
from life import LONG
from memory_rows import Memory
from preloaded import run_preloaded
from sums import check_document

TRUTH = {
    "arenas": r"# arenas allocated current\s*=\s*([\d,]+)",
    "used": r"# bytes in allocated blocks\s*=\s*([\d,]+)",
    "free": r"# bytes in available blocks\s*=\s*([\d,]+)",
    "unused_pools": r"([\d,]+) unused pools \*",
}


def truth_of(text):
    return {name: int(re.search(pattern, text).group(1).replace(",", ""))
            for name, pattern in TRUTH.items()}


def near(a, b, share):
    return abs(a - b) <= share * b


@pytest.fixture
def record_memory(gilscope, tmp_path):
    """Runs a program with the agent; its result and what its capture says of memory."""

    def run(argv, env=None, timeout=60, out="x.gsc"):
        result = run_preloaded(gilscope, argv, tmp_path / out, env=env, timeout=timeout)
        return result, Memory(gilscope, tmp_path / out)

    return run


def test_the_last_look_is_what_python_says(python, record_memory, targets, measured):
    result, memory = record_memory([python, targets / "arena_truth.py"])
    truth, (used, free, unused_pools) = truth_of(result.stderr), memory.sums()
    assert result.returncode == 0
    assert len(memory.live()) == truth["arenas"] == memory.last("MEMORY")[3]
    assert near(used, truth["used"], 0.01) and near(free, truth["free"], 0.01)
    assert abs(unused_pools - truth["unused_pools"]) <= 2
    assert not memory.why_no_arenas()
    measured("%s: %d arenas, used %d of %d, free in pools %d of %d, unused pools %d of %d" % (
        python.name, truth["arenas"], used, truth["used"], free, truth["free"], unused_pools,
        truth["unused_pools"]))


@pytest.mark.pythons(per_minor=True)
def test_who_asked_for_an_arena(python, record_memory, gilscope, tmp_path, script):
    path = script(textwrap.dedent("""
        def fill():
            return [b"%0100d" % i for i in range(30000)]
        import time
        time.sleep(0.01)  # a first turn of the GIL
        kept = fill()
        time.sleep(0.2)  # those that go within 100 ms leave no row
    """))
    _, memory = record_memory([python, path])
    codes = {fields[0]: fields[2] for fields in memory.records["CODE"]}
    stacks = {fields[0]: [codes[code] for code, _ in fields[2]] for fields in memory.records["STACK"]}
    inner = [stacks[a.stack][0] for a in memory.arenas.values() if a.stack]
    ours = [name for name in inner if "fill" in name or "listcomp" in name]
    assert len(ours) >= 30000 * 140 / (1 << 20) - 2, inner


@pytest.mark.pythons(per_minor=True)
def test_they_go_again(python, record_memory, script):
    path = script(textwrap.dedent("""
        import time
        blocks = [bytes(400) for _ in range(50000)]
        time.sleep(0.3)
        del blocks
        time.sleep(0.2)
        import os
        os._exit(0)
    """))
    _, memory = record_memory([python, path])
    ended = [a for a in memory.arenas.values() if a.died]
    assert sum(a.bytes for a in ended) >= 15 << 20
    assert all(a.born < a.died for a in ended)
    assert memory.last("MEMORY")[4] == sum(a.bytes for a in memory.live())


@pytest.mark.pythons(per_minor=True)
def test_the_last_look_is_before_python_clears_up(python, record_memory, script):
    path = script("kept = [bytes(400) for _ in range(200000)]\nimport time\ntime.sleep(0.4)\n")
    _, memory = record_memory([python, path])
    arena_bytes = [fields[4] for fields in memory.records["MEMORY"]]
    assert arena_bytes[-1] == max(arena_bytes) > 80 << 20


@pytest.mark.pythons(per_minor=True)
def test_arenas_for_states_that_end_under_it(python, record_memory, script):
    """Of sub-interpreters, that end in a turn, and of an object that Python's end clears up."""
    path = script(textwrap.dedent("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import threading, time
        FILL = "[bytes(400) for _ in range(20000)]"
        class Late:
            def __del__(self, fill=eval("lambda: " + FILL)):
                fill()
        def life():
            sub = interpreters.create()
            interpreters.run_string(sub, "kept = " + FILL)
            interpreters.destroy(sub)
            return eval(FILL)
        time.sleep(0.01)
        threads = [threading.Thread(target=life) for _ in range(3)]
        for thread in threads:
            thread.start()
        late = Late(), life()
        for thread in threads:
            thread.join()
        time.sleep(0.2)
    """))
    result, memory = record_memory([python, path])
    assert (result.returncode, result.stderr) == (0, "")
    assert memory.arenas


@pytest.mark.pythons(per_minor=True)
@pytest.mark.serial
def test_a_slow_end_keeps_nobody_busy(python, record_memory, script):
    """No look is taken then, and none is waited for in a circle."""
    path = script(textwrap.dedent("""
        import time
        class Slow:
            def __del__(self, sleep=time.sleep):
                sleep(1)
        slow = Slow()
        time.sleep(0.3)
    """))
    _, memory = record_memory([python, path])
    assert memory.last("OVERHEAD")[3] < 30_000_000  # of the drain thread, ns; 80 ms in a circle


SECONDS = 60 if LONG else 3


@pytest.mark.serial
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.pythons(per_minor=True)
def test_nothing_is_disturbed_where_they_come_and_go(python, gilscope, targets, tmp_path, stats,
                                                     compile_c, measured):
    """Snapshots at 1 kHz, 16 threads, forks all the time."""
    library = compile_c("arena_churn.c", "-O2", "-shared", "-fPIC")
    argv = [python, "-W", "ignore", targets / "arenas_come_and_go.py", library, SECONDS, 16, 100]
    result = run_preloaded(gilscope, argv, tmp_path / "p-%p.gsc", timeout=SECONDS + 100,
                           env={"GILSCOPE_MEMORY_INTERVAL": "1", "GILSCOPE_BUDGET": "100"})
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("children that went wrong: 0;")
    measured("%s: %s" % (python.name, result.stdout.strip()))
    captures = sorted(tmp_path.glob("p-*.gsc"), key=lambda p: p.stat().st_size)
    memory = Memory(gilscope, captures[-1])
    assert len(memory.records["MEMORY"]) > 50 * SECONDS
    assert memory.last("MEMORY")[8] == 0  # none without a row
    check_document(stats(captures[-1]))


@pytest.mark.pythons(per_minor=True)
def test_a_forked_child_has_its_parents_arenas(python, gilscope, targets, tmp_path, script):
    path = script(textwrap.dedent("""
        import os, sys, time
        sys.path.insert(0, %r)
        import busy
        blocks = [bytes(400) for _ in range(20000)]
        busy.contend()
        pid = os.fork()
        busy.contend(0.3)
        if not pid:
            sys._debugmallocstats()
            os._exit(0)
        os.waitpid(pid, 0)
    """ % str(targets)))
    result = run_preloaded(gilscope, [python, "-W", "ignore", path], tmp_path / "p-%p.gsc")
    assert result.returncode == 0, result.stderr
    truth = truth_of(result.stderr)
    memories = [Memory(gilscope, p) for p in tmp_path.glob("p-*.gsc")]
    assert len(memories) == 2
    found = [m for m in memories if len(m.live()) == truth["arenas"]]
    assert any(near(m.sums()[0], truth["used"], 0.02) for m in found), truth


@pytest.mark.pythons(per_minor=True)
def test_an_embedder_may_begin_again(python, gilscope, tmp_path, compile_c):
    """From 3.12 on the second Py_Initialize() takes the hook away."""
    where = "import sysconfig; print('/'.join(sysconfig.get_config_vars('LIBDIR', 'INSTSONAME')))"
    lib = pathlib.Path(python.run("-c", where).stdout.strip())
    if ".so" not in lib.name or not lib.exists() or python.source != "pyenv":
        pytest.skip("%s has no shared libpython to embed" % python.name)
    env = {"PYTHONHOME": str(lib.parents[1]), "LD_PRELOAD": "%s %s" % (gilscope.agent, lib),
           "GILSCOPE_MEMORY_INTERVAL": "5"}
    result = run_preloaded(gilscope, [compile_c("life_embed.c", "-ldl"), lib, 6], tmp_path / "x.gsc", env=env)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr
    memory = Memory(gilscope, tmp_path / "x.gsc")
    assert memory.arenas and memory.rows["pools"]
    replaced = python.minor >= (3, 12)
    assert ["replaced" in text for text in memory.why_no_arenas()] == [True] * replaced


@pytest.mark.pythons(per_minor=True)
def test_python_that_does_not_use_them(python, record_memory, targets):
    _, memory = record_memory([python, targets / "busy.py", 1.5], env={"PYTHONMALLOC": "malloc"})
    assert not memory.arenas and not memory.rows["pools"]
    assert ["none was made" in text for text in memory.why_no_arenas()] == [True]
    assert memory.last("MEMORY")[1] > 5 << 20  # resident bytes all the same


@pytest.mark.pythons(per_minor=True)
def test_together_with_debug_hooks(python, record_memory, targets):
    result, memory = record_memory([python, targets / "arena_truth.py"],
                                   env={"PYTHONMALLOC": "debug"})
    truth = truth_of(result.stderr)
    assert len(memory.live()) == truth["arenas"]
    assert near(memory.sums()[0], truth["used"], 0.01)


@pytest.mark.pythons(per_minor=True)
def test_together_with_tracemalloc(python, record_memory, targets):
    """Python prints nothing of its arenas then: as many as without it hold the program's blocks."""
    result, memory = record_memory([python, targets / "arena_truth.py"],
                                   env={"PYTHONTRACEMALLOC": "1"})
    _, plain = record_memory([python, targets / "arena_truth.py"], out="plain.gsc")
    assert result.returncode == 0
    assert near(memory.sums()[0], plain.sums()[0], 0.1)


def test_free_threaded_python_has_none(free_threaded_python, record_memory, targets):
    _, memory = record_memory([free_threaded_python, targets / "busy.py", "0.8"])
    assert not memory.arenas
    assert ["mimalloc" in text for text in memory.why_no_arenas()] == [True]
    assert memory.last("MAPS")[1] > 5 << 20


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_not_asked_for(python, record_memory, targets):
    _, memory = record_memory([python, targets / "busy.py"], env={"GILSCOPE_MEMORY_INTERVAL": "0"})
    assert not {"MEMORY", "MAPS", "HEAP", "ARENA"} & set(memory.records)


@pytest.mark.pythons(per_minor=True)
def test_resident_bytes_by_what_they_are_of(python, record_memory, targets, measured):
    """The kinds add up to all of it, and the heap's blocks to its mapping."""
    _, memory = record_memory([python, targets / "arena_truth.py"])
    _, rss, pss, anonymous, uss, _, kinds = memory.last("MAPS")
    assert sum(size for _, size in kinds) == rss
    assert uss <= pss <= rss and anonymous <= rss
    by_kind = dict(kinds)
    assert by_kind[7] < 8 << 20, "the agent's own"
    _, in_use, retained = memory.last("HEAP")
    assert by_kind[3] <= in_use + retained <= by_kind[3] + (1 << 20)
    measured("%s: %s" % (python.name, by_kind))


@pytest.mark.serial
@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_a_ring_tells_of_all_that_live(python, gilscope, targets, tmp_path):
    """The segments that told of them first are gone."""
    code = ("kept = [bytes(400) for _ in range(20000)]\n"
            "import os, runpy, sys; sys.argv[1:] = ['5']; sys.path.insert(0, %r)\n"
            "runpy.run_path(%r, run_name='__main__')\n"
            "sys._debugmallocstats(); os._exit(0)") % (
                str(targets), str(targets / "turns_and_threads.py"))
    argv = [gilscope, "run", "-o", tmp_path / "job.gsc", "--max-size", "1M", "--on-full", "ring",
            "--level", 2, "--budget", 100, "--", python, "-c", code]
    result = subprocess.run(list(map(str, argv)), env=clean_env(), capture_output=True, text=True,
                            timeout=60)
    assert not (tmp_path / "job.seg000001.gsc").exists()
    newest = sorted(tmp_path.glob("job.seg*.gsc"))[-1]
    truth, memory = truth_of(result.stderr), Memory(gilscope, newest)
    assert len(memory.live()) == truth["arenas"]
    assert near(memory.sums()[0], truth["used"], 0.02)

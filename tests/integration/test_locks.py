# SPDX-License-Identifier: MIT
"""--locks: each operation on a lock or queue is one row, on every interpreter, by whatever path the
method is called; the program sees nothing of it."""
import json
import re

import pytest

from sums import check_document
from sync_rows import LOCKS, NO_LOCKS, Sync

OPTIONS = ["--locks", "--budget", "100"]
QUIET = ["-W", "ignore"]


def sync_of(gilscope, capture):
    """pid -> Sync, of all files."""
    found = [Sync(gilscope, file) for file in capture.files]
    return {s.records["PROCESS"][0][0]: s for s in found}


def test_every_operation_by_every_path(python, gilscope, record, targets):
    capture = record(python, [*QUIET, targets / "locks_paths.py"], options=OPTIONS)
    assert capture.stderr == ""
    by_pid = sync_of(gilscope, capture)
    stories = [json.loads(line) for line in capture.stdout.splitlines()]
    assert len(stories) == len(by_pid) == 2, "a child and its parent"
    for story in stories:
        sync = by_pid[story["pid"]]
        assert sync.lost() == 0
        puts = sorted(row["t"] for row in sync.of(story["marks"]) if row["op"] == 4)
        marks = puts[-story["n_marks"]:]
        for name, expected in story["objects"].items():
            since = marks[expected.pop("mark") - 1]
            assert sync.counts(expected.pop("address"), since) == expected, name
        assert {f[2] for f in sync.events(LOCKS)} == {1, 2, 4}
        assert sync.events(NO_LOCKS) == []


def test_rows_say_who_and_when(python, gilscope, record, targets):
    capture = record(python, [*QUIET, targets / "locks_paths.py"], options=OPTIONS)
    story = json.loads(capture.stdout.splitlines()[-1])
    sync = sync_of(gilscope, capture)[story["pid"]]
    mark = sorted(r["t"] for r in sync.of(story["marks"]) if r["op"] == 4)[-story["n_marks"]:]

    def rows_of(name):
        o = story["objects"][name]
        return sorted((r for r in sync.of(o["address"]) if r["t"] > mark[o["mark"] - 1]),
                      key=lambda r: r["t"])

    # One thread lets go what another takes, and that one ends with it.
    assert {r["reentrant"] for r in rows_of("rlock")} == {1} and {r["reentrant"] for r in rows_of("with")} == {0}
    rows = rows_of("handed over")
    assert [r["op"] for r in rows] == [1, 2, 1, 2]
    first, let_go, second, end = rows
    assert first["thread"] == let_go["thread"] == end["thread"] != second["thread"]
    assert 15e6 < sync.ns(second["value"]) < 10e9, "it waited"
    assert sync.ns(first["value"]) < sync.ns(second["value"])
    put, got = rows_of("waited for")
    assert (put["op"], got["op"]) == (4, 5) and 15e6 < sync.ns(got["value"]) < 10e9
    refused = [r for r in rows_of("refused") if r["op"] == 3]
    assert sum(sync.ns(r["value"]) > 0.9e6 for r in refused) == 10, "those with a timeout"
    for name, frames in (("with", ["locks_paths.py:lock_paths"]),
                         ("queue", ["queue.py:put|queue.py:Queue.put", "locks_paths.py:queues"]),
                         ("condition", ["threading.py:wait|threading.py:Condition.wait"]),
                         ("simple", ["locks_paths.py:queues"])):
        stacks = [sync.stacks[r["stack"]] for r in rows_of(name)]
        assert all(stacks), "each row has one"
        for frame in frames:
            assert any(set(frame.split("|")) & set(s) for s in stacks), (name, frame)
    acquired = [r for r in rows_of("contended") if r["op"] == 1]
    held_by = None  # rows are in the lock's own order
    for row in rows_of("contended"):
        assert (row["op"] == 1) == (held_by is None) and held_by in (None, row["thread"])
        held_by = row["thread"] if row["op"] == 1 else None
    assert len({r["thread"] for r in acquired}) == 4


def test_the_program_sees_nothing(python, record, targets):
    argv = [*QUIET, targets / "locks_same.py"]
    plain = python.run(*argv)
    recorded = record(python, argv, options=OPTIONS)
    assert plain.returncode == 0 and "interrupted get" in plain.stdout
    assert recorded.stdout == plain.stdout
    assert (plain.stderr, recorded.stderr) == ("hooked False\n", "hooked True\n")


@pytest.mark.pythons(per_minor=True)
def test_nothing_of_it_without_the_option(python, gilscope, record, script, targets):
    code = script("""
import _queue, _thread, locks_hooked, queue, threading, time
lock = threading.Lock()
for _ in range(30):
    with lock:
        time.sleep(0.01)
print([locks_hooked.hooked(t) for t in (_thread.LockType, _thread.RLock, _queue.SimpleQueue)])
""")
    capture = record(python, [code], env={"PYTHONPATH": targets}, level=2)
    sync = Sync(gilscope, capture.file)
    assert capture.stdout == "[set(), set(), set()]\n"
    assert sync.rows == [] and sync.events(LOCKS) == sync.events(NO_LOCKS) == []
    assert sync.settings()["locks"] == "0"


@pytest.mark.pythons(per_minor=True)
def test_cpu_clock_after_time_away(python, gilscope, record, targets):
    capture = record(python, [targets / "locks_cpu.py"], options=OPTIONS)
    said, sync = json.loads(capture.stdout), Sync(gilscope, capture.file)
    thread_of = {f[1]: f[0] for f in sync.records["THREAD"]}
    for name, (tid, cpu_ns) in said.items():
        rows = sync.cpu(thread_of[tid])
        values = [v for _, v in rows]
        assert len(rows) >= 20 and values == sorted(values)
        worked = values[-1] - values[0]
        if name == "work":
            assert 0.8 * cpu_ns < worked < 1.3 * cpu_ns
        else:
            assert worked < 50e6 < sync.ns(rows[-1][0] - rows[0][0])
        # It is read as the wait for the GIL begins, or as the thread has the GIL.
        asked = {r["t_acq"] - r["wait"] for r in sync.slices if r["flags"] & 2}
        taken = {r["t_acq"] for r in sync.slices}
        assert sum(t in asked or t in taken for t, _ in rows) >= len(rows) - 1


@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("program", ["life_forks.py thread 3", "life_forks.py raw 3",
                                     "life_interpreters.py 3 legacy"])
def test_forks_and_interpreters(program, python, gilscope, record, stats, targets):
    name, *arguments = program.split()
    capture = record(python, [*QUIET, targets / name, *arguments], options=OPTIONS, timeout=240)
    assert capture.stderr == ""
    check_document(stats(capture), processes=len(capture.files), unknown_holder="raw" in arguments)
    for sync in sync_of(gilscope, capture).values():
        assert {1, 2} <= {f[2] for f in sync.events(LOCKS)} and sync.events(NO_LOCKS) == []


@pytest.mark.pythons(per_minor=True)
def test_after_the_end_of_the_recording(python, gilscope, record, script):
    code = script("""
import threading, time
lock, end, n = threading.Lock(), time.monotonic() + 1, 0
while time.monotonic() < end:
    with lock:
        n += 1
    time.sleep(0.001)
print("ended")
""")
    capture = record(python, [code], options=[*OPTIONS, "-d", "0.4"])
    sync = Sync(gilscope, capture.file)
    assert capture.stdout == "ended\n"
    last, begin = max(r["t"] for r in sync.rows), sync.records["PROCESS"][0][3]
    assert 0.1e9 < sync.ns(last - begin) < 0.9e9


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_it_takes_level_2(python, gilscope, record, script):
    code = script("print('ok')")
    capture = record(python, [code], options=OPTIONS)
    assert Sync(gilscope, capture.file).records["PROCESS"][0][10] == 2 and capture.stderr == ""
    capture = record(python, [code], options=OPTIONS, level=1)
    assert Sync(gilscope, capture.file).records["PROCESS"][0][10] == 2
    assert re.search("GILSCOPE_LEVEL: .*level 2 is taken", capture.stderr)


def test_free_threaded_python_is_left_alone(free_threaded_python, gilscope, record, script):
    capture = record(free_threaded_python, [script("import queue; queue.SimpleQueue().put(1)")],
                     options=OPTIONS)
    sync = Sync(gilscope, capture.file)
    assert sync.rows == [] and sync.events(LOCKS) == []
    assert [(f[2], f[3]) for f in sync.events(NO_LOCKS)] == [(7, "this Python is free-threaded")]


@pytest.mark.pythons(min=(3, 11), max=(3, 12), per_minor=True)
def test_types_that_the_program_replaced(python, gilscope, record, script, tmp_path):
    """As gevent does, and before the pending call."""
    code = script("""
import _thread, time
time.sleep(0.5)
lock = _thread.allocate_lock()
for _ in range(50):
    with lock:
        pass
print(id(lock))
""")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import _thread\n_thread.RLock = type('RLock', (), {})\n")
    capture = record(python, [code], options=OPTIONS, env={"PYTHONPATH": tmp_path / "site"})
    sync = Sync(gilscope, capture.file)
    kinds = {f[2] for f in sync.events(LOCKS)}
    refused = {f[2]: f[3] for f in sync.events(NO_LOCKS)}
    assert 1 in kinds and kinds.isdisjoint(refused)
    assert 2 in kinds or refused == {2: "the program has replaced the type"}
    assert sync.counts(int(capture.stdout))["acquired"] >= 50


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_the_governor_sheds_locks_first(python, gilscope, record, script):
    code = script("""
import threading, time
lock, end = threading.Lock(), time.monotonic() + 13
while time.monotonic() < end:
    for _ in range(50):
        with lock:
            pass
    time.sleep(0.001)
""")
    capture = record(python, [code], options=["--locks", "--budget", "0.1"])
    sync = Sync(gilscope, capture.file)
    shed = sync.events(NO_LOCKS)
    assert [(f[2], f[3]) for f in shed] == [(7, "over budget")]
    levels = sync.records.get("LEVEL", [])
    assert all(f[0] > shed[0][0] for f in levels), "locks went first"
    assert max(r["t"] for r in sync.rows) < shed[0][0] + 1e9


COST = """
import threading, time
import locks_hooked
locks_hooked.wait()
lock, best = threading.Lock(), [1e9, 1e9]


def uncontended(n):
    for _ in range(n):
        with lock:
            pass


def at_depth(n, depth):
    return at_depth(n, depth - 1) if depth else uncontended(n)


for i, depth in enumerate((0, 20)):
    for _ in range(40):
        begin = time.thread_time_ns()
        at_depth(1000, depth)
        best[i] = min(best[i], (time.thread_time_ns() - begin) / 1000)
        time.sleep(0.01)  # the ring is emptied meanwhile
print(*best)
"""


@pytest.mark.serial
@pytest.mark.pythons(per_minor=True)
def test_cost_of_an_uncontended_lock(python, record, script, targets, measured):
    code, env = script(COST), {"PYTHONPATH": targets}
    rounds = {"alone": [], "level 2": [], "--locks": []}
    for _ in range(3):
        rounds["alone"].append(python.run(code, env=env).stdout)
        rounds["level 2"].append(record(python, [code], env=env, level=2).stdout)
        rounds["--locks"].append(record(python, [code], env=env, options=OPTIONS).stdout)
    ns = {what: [min(map(float, column)) for column in zip(*map(str.split, outs))]
          for what, outs in rounds.items()}
    measured("%s: `with lock`, ns of CPU time: %s (20 frames deeper %s)" % (
        python.name, ", ".join("%s %.0f" % (what, v[0]) for what, v in ns.items()),
        ", ".join("%.0f" % v[1] for v in ns.values())))
    assert ns["level 2"][0] < ns["alone"][0] * 1.5 + 20, "nothing without the option"
    assert ns["--locks"][0] < ns["alone"][0] + 1000

# SPDX-License-Identifier: MIT
"""--counters: what each thread counted, by state of the GIL, beside what the kernel says of it."""
import errno
import json
import os
import pathlib

import pytest

from sums import check_document

ACCOUNTS = "task-clock,page-faults,context-switches"
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "v1"
QUIET = ["-W", "ignore"]
PAGES, SLEEPS = 8000, 300


def story_of(record, python, target, *args, counters=ACCOUNTS):
    capture = record(python, [*QUIET, target, *map(str, args)],
                     options=["--counters", counters, "--budget", "100"])
    return capture, [json.loads(line) for line in capture.stdout.splitlines()]


def of_pid(document, pid):
    return next(p for p in document["processes"] if p["pid"] == pid)


def counts(process, event):
    """thread's name -> its counts of one event"""
    names = {t["thread"]: t["name"] for t in process["threads"]}
    return {names.get(c["thread"]): c for c in process["counters"]["threads"] if c["event"] == event}


def event(process, name):
    return next(e for e in process["counters"]["events"] if e["event"] == name)


def near(a, b, slack=0):
    return abs(a - b) <= 0.01 * max(a, b) + slack


def check_story(process, story):
    faults, switches = counts(process, "page-faults"), counts(process, "context-switches")
    clock = counts(process, "task-clock")
    for name, kernel in story["threads"].items():
        # Behind the thread's own look lies its end.
        assert near(faults[name]["count"], kernel["faults"], slack=20), name
        assert near(switches[name]["count"], kernel["switches"], slack=25), name
        assert clock[name]["count"] >= 0.99 * kernel["cpu_ns"] - 5e5, name
    for one in process["counters"]["threads"]:
        states = one["holding"] + one["waiting"] + one["off_gil"]
        assert states <= one["count"] and one["shared"] <= states
    # Fresh pages were touched by who held the GIL, and who slept did not hold it.
    assert faults["touch"]["holding"] >= 0.97 * PAGES
    assert switches["sleep"]["off_gil"] >= 0.95 * SLEEPS
    assert switches["sleep"]["holding"] <= 0.05 * switches["sleep"]["count"] + 20
    for name in ACCOUNTS.split(","):
        all_of_it = event(process, name)
        told = sum(all_of_it[key] for key in ("holding", "waiting", "off_gil", "untold"))
        assert all_of_it["source"] == "kernel" and told == all_of_it["count"]
        assert all_of_it["count"] >= sum(c["count"] for c in counts(process, name).values())


def test_sums_and_states(python, record, stats, targets):
    capture, (story,) = story_of(record, python, targets / "counted.py", PAGES, SLEEPS)
    assert capture.stderr == ""
    document = stats(capture)
    check_document(document)
    process = of_pid(document, story["pid"])
    check_story(process, story)
    # The process's own sum: more than what was asked for, less than from before the agent on.
    grown = story["process"]["faults"] - story["before"]["faults"]
    assert 0.99 * grown <= event(process, "page-faults")["count"] <= 1.01 * story["process"]["faults"] + 100


def stolen_ns():
    """What a hypervisor took of all cores: in perf's time it is, in the CPU clock it may not be."""
    words = pathlib.Path("/proc/stat").read_text().split(None, 9)
    return int(words[8]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@pytest.mark.pythons(per_minor=True)
def test_an_event_of_perf(python, record, stats, targets):
    """cpu-migrations, which the kernel keeps no account of: by perf_event_open. How late an event is
    opened depends on when the agent's thread gets a core: an upper bound is all that always holds."""
    stolen_before_ns = stolen_ns()
    capture, (story,) = story_of(record, python, targets / "counted.py", PAGES, 10,
                                 counters="task-clock,cpu-migrations")
    assert capture.stderr == ""
    process = of_pid(stats(capture), story["pid"])
    migrations = event(process, "cpu-migrations")
    if migrations["source"] == "none":
        pytest.skip(migrations["why_not"])
    mine = counts(process, "cpu-migrations")
    assert "MainThread" in mine and set(mine) <= {"MainThread", "touch", "sleep"}
    clock = counts(process, "task-clock")["MainThread"]["count"]
    assert 0 < mine["MainThread"]["running_ns"] <= 1.01 * clock + 5e6 + stolen_ns() - stolen_before_ns
    assert mine["MainThread"]["enabled_ns"] == mine["MainThread"]["running_ns"]


@pytest.mark.pythons(per_minor=True)
def test_a_child_counts_for_itself(python, record, stats, targets):
    capture, stories = story_of(record, python, targets / "counted.py", PAGES, SLEEPS, "fork")
    document = stats(capture)
    check_document(document, processes=2)
    assert len(stories) == 2
    for story in stories:
        process = of_pid(document, story["pid"])
        check_story(process, story)
        grown = story["process"]["faults"] - story["before"]["faults"]
        assert event(process, "page-faults")["count"] >= 0.99 * grown


@pytest.mark.pythons(per_minor=True, min=(3, 12))
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_refused_by_a_filter(python, gilscope, stats, targets, tmp_path, number):
    """One line that says why and what would allow it; the program goes on, and the kernel's own
    accounts are there."""
    result = gilscope("run", "-o", tmp_path / "x.gsc", "--counters", "page-faults,cpu-migrations,cycles", python,
                      *QUIET, targets / "no_perf.py", number, python, targets / "counted.py", 500, 10)
    lines = result.stderr.splitlines()
    story = json.loads(result.stdout)
    process = next(p for p in stats(tmp_path)["processes"]
                   if "touch" in {t["name"] for t in p["threads"]})
    assert event(process, "page-faults")["source"] == "kernel"
    assert counts(process, "page-faults")["touch"]["count"] >= 500
    for name in ("cpu-migrations", "cycles"):
        refused = event(process, name)
        assert refused["source"] == "none" and "seccomp" in refused["why_not"]
        assert refused["count"] == 0
    assert story["threads"] and len([line for line in lines if "seccomp" in line]) == 1


@pytest.mark.pythons(per_minor=True, min=(3, 12))
@pytest.mark.parametrize("names, says", [
    ("cycle", "did you mean cycles?"),
    ("page-faults,no-such-event", "there is no event 'no-such-event'"),
    ("page-faults,", "names of events are expected"),
    (",".join(["cycles"] * 9), "8 events at most"),
    ("x" * 64, "63 characters at most"),
])
def test_a_name_nobody_knows(python, gilscope, tmp_path, names, says):
    result = gilscope("run", "-o", tmp_path / "x.gsc", "--counters", names, python, "-c",
                      "print('started')", expect_rc=2)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and says in result.stderr
    assert not list(tmp_path.iterdir())


def test_what_shared_the_hardware_is_scaled(stats):
    """Of a capture made by hand: no machine with a PMU is needed."""
    process = stats([GOLDEN / "counters.gsc"])["processes"][0]
    cycles, instructions = event(process, "cycles"), event(process, "instructions")
    assert cycles["count"] == 4000 and counts(process, "cycles")["MainThread"]["count"] == 1000
    assert (cycles["holding"], cycles["off_gil"], cycles["untold"]) == (2400, 1600, 0)
    assert (instructions["holding"], instructions["off_gil"]) == (4800, 1200)
    assert process["counters"]["instructions_per_cycle"] == {"holding": 2.0, "off_gil": 0.75}
    faults = event(process, "page-faults")
    assert faults["count"] == 110, "the later record, and the process's own sum"
    assert [faults[key] for key in ("holding", "waiting", "off_gil", "untold")] == [60, 10, 27, 13]
    assert event(process, "branches")["why_not"] == "why"


@pytest.mark.pythons(per_minor=True, min=(3, 12))
def test_without_the_flag_nothing(python, gilscope, record, stats, targets):
    capture = record(python, [*QUIET, targets / "counted.py", "100", "5"])
    document = stats(capture)
    assert all("counters" not in p for p in document["processes"])
    for file in capture.files:
        assert "COUNT" not in gilscope("dump", file).stdout


@pytest.mark.pythons(per_minor=True, min=(3, 12))
def test_the_summary_has_a_table(python, gilscope, record, targets):
    capture, _ = story_of(record, python, targets / "counted.py", 500, 20)
    text = gilscope("stats", capture).stdout
    assert "off the GIL" in text and "page-faults by thread" in text


def by_stack(process, name):
    """function that a turn or wait ended in -> states"""
    out = {}
    for s in process["counters"]["stacks"]:
        if s["event"] == name:
            # file.py:func:line; "(not sampled)" is no code
            func = s["stack"][-1].rsplit(":", 2)[-2] if s["stack"][-1].count(":") > 1 else s["stack"][-1]
            sums = out.setdefault(func.rsplit(".", 1)[-1], {"holding": 0, "waiting": 0, "off_gil": 0, "estimated": 0})
            for key in sums:
                sums[key] += s[key]
    return out


TURNS, FEW, MANY = 200, 5, 50


def check_stacks(process, threads):
    """Few turns of other code share what is left to estimate: to a tenth."""
    faults = by_stack(process, "page-faults")
    for state in ("holding", "waiting", "off_gil"):
        assert sum(s[state] for s in faults.values()) <= event(process, "page-faults")[state]
    assert faults["touch_many"]["holding"] == pytest.approx(threads * TURNS * MANY, rel=0.1)
    assert 0.5 * threads * TURNS * FEW <= faults["touch_few"]["holding"] <= 1.5 * threads * TURNS * FEW + 300
    return faults


@pytest.mark.parametrize("threads", [1, 3])
def test_by_stack(python, gilscope, record, stats, targets, threads):
    """Turns that nobody waited for are sampled, the others counted one by one: the faults are where
    they were made."""
    argv = map(str, (TURNS, FEW, MANY, threads))
    capture = record(python, [*QUIET, targets / "counted_stacks.py", *argv],
                     options=["--counters", ACCOUNTS, "--budget", "100", "--sample-interval", "50"])
    document = stats(capture)
    check_document(document)
    (process,) = document["processes"]
    faults = check_stacks(process, threads)
    if threads == 1:
        assert faults["touch_many"]["estimated"] >= 0.8 * faults["touch_many"]["holding"]
    lines = gilscope("export", "collapsed", "--event", "page-faults", capture).stdout.splitlines()
    whole = event(process, "page-faults")
    told = sum(whole[state] for state in ("holding", "waiting", "off_gil"))
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == told
    assert "page-faults by stack" in gilscope("stats", capture).stdout


def test_an_event_nobody_counted(gilscope):
    done = gilscope("export", "collapsed", "--event", "page-fault", GOLDEN / "counted.gsc", expect_rc=1)
    assert done.stdout == "" and "did you mean page-faults" in done.stderr
    done = gilscope("export", "collapsed", "--event", "cycles", GOLDEN / "counters.gsc", expect_rc=1)
    assert done.stdout == "" and "without --counters" in done.stderr


@pytest.mark.pythons(per_minor=True)
def test_killed_before_the_first_second(python, record, stats, targets):
    """COUNTS come once a second; what rows say of stacks is there all the same."""
    capture = record(python, [*QUIET, targets / "counted_stacks.py", "150", "5", "50", "2", "kill"],
                     options=["--counters", "page-faults", "--budget", "100", "--sample-interval", "50"], expect_rc=-9)
    (process,) = stats(capture)["processes"]
    assert not process["complete"]
    assert by_stack(process, "page-faults")["touch_many"]["holding"] > 0

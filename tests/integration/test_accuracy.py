# SPDX-License-Identifier: MIT
"""The agent's numbers against a CPython that times its own GIL (tests/matrix/timed_gil.patch).

Counts must be equal in every run. Times must agree within 0.5 %, for each thread that holds, or
waits, more than 20 ms, in one run of three: a machine that takes the CPU away between the two
stamps of one event (others run on it) moves one of them by milliseconds. Every attempt is printed.

What lies between the two stamps also differs a little between the ends of a turn: after a system
call the jump into the wrapper is cold. A wrapper that does nothing but read the clock
(targets/stamp_only.c) sees 25 to 65 ns less per turn than CPython itself does, in a thread whose
turns last 2 us and begin after a system call each; how much depends on the machine, so it is measured
here. The agent may see MARGIN_NS a turn less than that wrapper, where it is more than 0.5 %: up to 20 on
most machines, 25 to 53 were seen on one, from an agent of the day before as from that of the day.
"""

import collections
import functools
import json
import statistics

import pytest

pytestmark = pytest.mark.serial

ATTEMPTS = 3
TOLERANCE = 0.005
FROM_NS = 20_000_000
MARGIN_NS = 60
SHORT_TURN_NS = 12_000
MANY_TURNS = 2_000
COUNTS = ("acquisitions", "releases", "contended")
TIMES = ("hold_ns", "wait_ns")

OWN = ("accuracy_mixed.py", "accuracy_short_turns.py")
SAMPLES = ("cpu_threads.py", "starved_io.py", "c_call_holds.py", "producer_consumer.py",
           "asyncio_pool.py", "many_threads.py")


def by_tid(threads):
    """Sums per kernel thread id: ids are used again when threads come and go."""
    sums = collections.defaultdict(lambda: dict.fromkeys(COUNTS + TIMES, 0))
    for thread in threads:
        for key in COUNTS + TIMES:
            sums[thread["tid"]][key] += thread[key]
    return {tid: total for tid, total in sums.items() if any(total.values())}


def differences(truth, measured, gap_ns):
    """(messages about counts, messages about times) of two by_tid() results."""
    counts, times = [], []
    for tid in sorted(truth.keys() | measured.keys()):
        if tid not in truth or tid not in measured:
            counts.append("thread %d: only in %s" % (tid, "truth" if tid in truth else "capture"))
            continue
        for key in COUNTS:
            if truth[tid][key] != measured[tid][key]:
                counts.append("thread %d: %s %d, measured %d"
                              % (tid, key, truth[tid][key], measured[tid][key]))
        for key in TIMES:
            true, got = truth[tid][key], measured[tid][key]
            turns = truth[tid]["acquisitions" if key == "hold_ns" else "contended"]
            if true > FROM_NS and abs(got - true) > max(TOLERANCE * true, gap_ns * turns):
                times.append("thread %d: %s %.3f ms, measured %.3f ms (%+.2f %%, %+.0f ns a turn)" % (
                    tid, key, true / 1e6, got / 1e6, 100 * (got - true) / true, (got - true) / max(turns, 1)))
    return counts, times


def worst(truth, measured, key):
    """The largest relative error among the threads that count, in per cent."""
    errors = [abs(measured[tid][key] - t[key]) / t[key]
              for tid, t in truth.items() if t[key] > FROM_NS and tid in measured]
    return 100 * max(errors, default=0)


@pytest.fixture(scope="session")
def gap_ns(compile_c, targets, tmp_path_factory, measured):
    """gap_ns(timed python) -> what a wrapper that only stamps misses of a short turn, plus MARGIN_NS"""
    stamp_only = compile_c("stamp_only.c", "-shared", "-fPIC", "-pthread", "-ldl")
    folder = tmp_path_factory.mktemp("stamp-only")

    def gaps(python):
        truth_file, stamp_file = folder / "truth.json", folder / "stamps.txt"
        env = {"LD_PRELOAD": stamp_only, "STAMP_OUT": stamp_file, "GILTIMED_OUT": truth_file}
        python.run(targets / "accuracy_short_turns.py", env=env)
        truth = by_tid(json.loads(truth_file.read_text())["threads"])
        for tid, turns, hold_ns in (map(int, line.split()) for line in stamp_file.open()):
            true = truth.get(tid)
            if true and true["acquisitions"] == turns > MANY_TURNS and true["hold_ns"] < SHORT_TURN_NS * turns:
                yield (true["hold_ns"] - hold_ns) / turns

    @functools.lru_cache
    def once(python):
        found = [gap for _ in range(3) for gap in gaps(python)]
        missed = statistics.median(found) if found else 0
        measured("a wrapper that only stamps misses %.0f ns of a short turn here" % missed)
        return max(missed, 0) + MARGIN_NS

    return once


def compare_once(tools, python, program, level, truth_file):
    record, stats, measured_line, gap_ns = tools
    capture = record(python, [program], level=level, env={"GILTIMED_OUT": truth_file})
    truth = by_tid(json.loads(truth_file.read_text())["threads"])
    result = stats(capture)
    assert result["capture"]["complete"] and result["capture"]["lost_events"] == 0
    (process,) = result["processes"]
    measured = by_tid(process["threads"])
    counts, times = differences(truth, measured, gap_ns(python))
    measured_line("%s level %s: %d threads, %d turns, %d contended; worst hold %.3f %%, wait %.3f %%" % (
        program.name, 1 if level is None else level, len(truth), sum(t["acquisitions"] for t in truth.values()),
        sum(t["contended"] for t in truth.values()), worst(truth, measured, "hold_ns"),
        worst(truth, measured, "wait_ns")))
    assert not counts, "counts differ:\n" + "\n".join(counts)
    return times


def compare(tools, python, program, level, folder):
    for attempt in range(ATTEMPTS):
        truth_file = folder / ("truth-%d.json" % attempt)
        times = compare_once(tools, python, program, level, truth_file)
        if not times:
            return
        tools[2]("  attempt %d: %s" % (attempt + 1, "\n             ".join(times)))
    pytest.fail("%s: times differ in each of %d runs; the last:\n%s"
                % (program.name, ATTEMPTS, "\n".join(times)))


@pytest.fixture
def tools(record, stats, measured, gap_ns):
    return record, stats, measured, gap_ns


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("name", OWN)
def test_agrees_on_programs_written_for_it(
        tools, timed_python, targets, tmp_path, name, level):
    compare(tools, timed_python, targets / name, level, tmp_path)


@pytest.mark.parametrize("name", SAMPLES)
def test_agrees_on_samples(tools, timed_python, samples, tmp_path, name):
    compare(tools, timed_python, samples / name, None, tmp_path)

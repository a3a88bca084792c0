# SPDX-License-Identifier: MIT
"""The replay against the truth: a program runs with a GIL, what a recorder would have seen of it is replayed, and
that has to be what the program does without one. What is put in as an error may come out as one of that size, not more.

GILSCOPE_LONG=1 takes 10 000 random programs in place of 500, and every shape under every policy and speed.
"""
import functools
import itertools
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys

import pytest

from conftest import BUILD, clean_env
from life import LONG

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import program as programs  # noqa: E402
import random_programs  # noqa: E402
import shapes  # noqa: E402
import truth  # noqa: E402
from bounds import bounds  # noqa: E402
from test_truth import LATE, LATENESS, NO_UPPER_BOUND, NOT_LATER  # noqa: E402

REPLAY = BUILD / "tests" / "gs_replay"
EMULATOR = BUILD / "tests" / "libgilscope_cuda_simt.so"
PAIRS = [(2, 2), (4, 2), (4, 4), (8, 4), (16, 8), (32, 16)]  # threads, cores
KINDS = [{"lock": lock, "s": truth.exactly(s), "wake_ns": wake_ns} for lock, (s, wake_ns) in itertools.product(
    ("fifo", "barge"), ((1, 0), ("1.35", 20_000), ("0.8", 0), ("1.35", 0)))]
SEEDS = range(5 if LONG else 2)
N_RANDOM, PARTS, N_MACHINES = 10_000 if LONG else 500, 4, 40
ROUNDED_NS, EXACT = 3, 1e-6
ROUNDED, SLICED = (ROUNDED_NS, EXACT), (12, 1e-5)  # ns, share; each end of a slice rounds once more

pytestmark = pytest.mark.skipif(not REPLAY.exists(), reason="gs_replay is not built")


def options(machine):
    caps = ",".join(repr(float(machine.cap(k))) for k in range(1, machine.cores + 1))
    args = ["--cores", machine.cores, "--cap", caps, "--s", float(machine.s), "--lock", machine.lock,
            "--wake", machine.wake_ns, "--slice", machine.slice_ns]
    if machine.gc_every_ns:
        args += ["--gc-every", machine.gc_every_ns, "--gc-pause", machine.gc_pause_ns]
    return args


@pytest.fixture
def replay(tmp_path):
    """replay(programs, machine) -> what gs_replay says of each; all on one machine"""
    number = itertools.count()

    def run(some, machine, *more):
        paths = []
        for program in some:
            paths.append(tmp_path / ("%d.txt" % next(number)))
            paths[-1].write_text(programs.write(program))
        result = subprocess.run([str(arg) for arg in (REPLAY, *options(machine), *more, *paths)], capture_output=True,
                                timeout=300, env=clean_env({"GILSCOPE_CUDA_ENGINE": str(EMULATOR)}), check=False,
                                text=True)
        assert result.returncode == 0, result.stderr
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(found) == len(some), result.stderr
        return found

    return run


def same(a, b, rounding=ROUNDED):
    return abs(a - b) <= max(rounding[0], rounding[1] * abs(a))


def differences(expected, got, rounding=ROUNDED):
    """Names of the fields in which two results differ."""
    for key, value in expected.items():
        if key == "close":
            continue
        if isinstance(value, dict):
            yield from ("%s of %s: %d, not %d" % (key, name, got[key].get(name, 0), value.get(name, 0))
                        for name in {**value, **got[key]}
                        if not same(value.get(name, 0), got[key].get(name, 0), rounding))
        elif value is None or got[key] is None:
            if value is not got[key]:
                yield "%s: %s, not %s" % (key, got[key], value)
        elif not (same(value, got[key], rounding) if key.endswith("_ns") else value == got[key]):
            yield "%s: %s, not %s" % (key, got[key], value)


def check(expected, got, what, program, rounding=ROUNDED):
    """Where rounding decides what came first, both orders are right: then what no order changes must be the same; how
    long an `until` is waited for is not of that."""
    if expected["close"]:
        fixed = ("py_ns", "native_ns", "deadlock") + (("latency_ns",) * all(op.verb != "until" for op in program.ops()))
        expected = {key: expected[key] for key in fixed}
    found = list(differences(expected, got, rounding))
    assert not found, "%s: %s" % (what, "; ".join(found[:5]))


@functools.lru_cache(maxsize=None)
def cases(shape):
    """(what, program, machine, its trace, what happens) for few threads on few cores to many on many."""
    return [(what, program, machine, trace, truth.free(trace, machine))
            for what, program, machine in drawn(shape) for trace in [truth.gil(program, machine)["trace"]]]


def drawn(shape):
    kinds = itertools.cycle(KINDS)
    for i, (n, cores) in enumerate(PAIRS):
        for seed in SEEDS:
            for kind in KINDS if LONG else [next(kinds)]:
                rng = random.Random("%s %d %d %d" % (shape, n, cores, seed))
                program = shapes.SHAPES[shape](rng, n)
                more = shapes.collections_of(rng) if (i + seed) % 4 == 3 else {}
                caps = random_programs.sublinear(cores, rng.choice(["0.9", "0.97"]))
                what = "%s, %d threads, %d cores, seed %d, %s" % (shape, n, cores, seed, kind)
                yield what, program, truth.Machine(cores, caps, **kind, **more)


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_what_is_replayed_is_what_happens(shape, replay, measured):
    """Also for pools: who drew which item with the GIL makes no difference to what is replayed."""
    n_cases = n_close = 0
    for what, program, machine, trace, expected in cases(shape):
        check(expected, replay([trace], machine)[0], what, trace)
        written = {**truth.free(truth.coalesced_program(program), machine), "mark_ns": {}}  # numbered otherwise
        check(written, {**replay([trace], machine)[0], "mark_ns": {}}, what + ", as written", trace)
        n_cases, n_close = n_cases + 1, n_close + expected["close"]
    assert n_close <= n_cases / 10
    measured("whatif closed loop, %s: %d cases, all as the truth has it (%d: up to rounding)"
             % (shape, n_cases, n_close))


@pytest.mark.parametrize("slice_ns", [50_000, 1_400_000])
@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_whoever_has_a_core_keeps_it_for_a_slice(shape, slice_ns, replay):
    """On many cores so many slices end that their roundings add up to another order: then the end is the same but for
    what an order is worth."""
    n_cases = n_close = 0
    for what, _, machine, trace, shared in cases(shape):
        sliced = machine.but(slice_ns=slice_ns)
        expected, got = truth.free(trace, sliced), replay([trace], sliced, "--bounds")[0]
        if machine.cores > 4:
            assert abs(got["makespan_ns"] - expected["makespan_ns"]) <= 0.01 * expected["makespan_ns"], what
            continue
        check(expected, got, what, trace, SLICED)
        assert got["lo_ns"] <= got["makespan_ns"] + ROUNDED_NS, what
        assert got["hi_ns"] is None or got["makespan_ns"] <= got["hi_ns"] + ROUNDED_NS, what
        if len(trace.threads) <= machine.cores:
            assert same(got["makespan_ns"], shared["makespan_ns"], SLICED), what
        n_cases, n_close = n_cases + 1, n_close + expected["close"]
    assert n_close <= max(1, n_cases / 10)


# ---- with a GIL ----

SWITCHES = (5_000_000, 100_000, 7_001)


def with_gil(some, machine, switch_ns, replay):
    """What both say of each. Cores that slow nobody: then nothing is rounded, and no order is left to chance."""
    for program, got in zip(some, replay(some, machine, "--gil", switch_ns)):
        expected = truth.gil(program, machine, switch_ns)
        del expected["trace"]
        yield expected, got


@pytest.mark.parametrize("switch_ns", SWITCHES)
@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_what_is_replayed_with_a_gil_is_what_happens(shape, switch_ns, replay):
    for n, seed in itertools.product((2, 4, 8), SEEDS):
        program = shapes.SHAPES[shape](random.Random("%s %d %d" % (shape, n, seed)), n)
        machine = truth.Machine(64, lock=("fifo", "barge")[seed % 2])
        for expected, got in with_gil([program], machine, switch_ns, replay):
            assert not list(differences(expected, got)), "%s, %d threads, seed %d" % (shape, n, seed)
            assert got["makespan_ns"] >= expected["py_ns"] and got["gil_ns"] > 0  # one thread at a time


@pytest.mark.parametrize("switch_ns", SWITCHES)
def test_random_programs_with_a_gil(switch_ns, replay):
    some = [random_programs.random_program(seed) for seed in range(N_RANDOM // 5)]
    for lock in ("fifo", "barge", "none"):
        for seed, (expected, got) in enumerate(with_gil(some, truth.Machine(64, lock=lock), switch_ns, replay)):
            assert not list(differences(expected, got)), "random_program(%d), locks: %s" % (seed, lock)


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_native_code_shares_the_cores_with_whoever_has_the_gil(shape, replay):
    """Here rounding may decide who comes first: what no order changes is the same, and the end up to that."""
    for what, program, machine in itertools.islice(drawn(shape), 4):
        for expected, got in with_gil([program], machine.but(lock="fifo"), 5_000_000, replay):
            fixed = {key: expected[key] for key in ("py_ns", "native_ns", "latency_ns", "deadlock")}
            assert not list(differences(fixed, got)), what
            assert abs(got["makespan_ns"] - expected["makespan_ns"]) <= 0.02 * expected["makespan_ns"], what


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_no_run_is_outside_the_bounds(shape, replay, measured):
    tight, n_hi = [], 0
    for what, _, machine, trace, real in cases(shape):
        makespan_ns, expected = real["makespan_ns"], bounds(trace, machine)
        got = replay([trace], machine, "--bounds")[0]
        for key in ("work_ns", "critical_path_ns", "lo_ns"):
            assert same(expected[key], got[key]), "%s: %s is %s, not %s" % (what, key, got[key], expected[key])
        assert got["lo_ns"] <= makespan_ns + ROUNDED_NS, what
        if got["hi_ns"] is not None:
            n_hi += 1
            assert makespan_ns <= got["hi_ns"] + ROUNDED_NS, what
        tight.append(got["lo_ns"] / makespan_ns)
    measured("whatif bounds, %s: lower bound / makespan: median %.3f, least %.3f; an upper bound in %d of %d"
             % (shape, statistics.median(tight), min(tight), n_hi, len(tight)))


def random_runs(part, replay):
    """(what, program, machine, what gs_replay says); the programs of one machine in one go."""
    for kind in range(part, N_MACHINES, PARTS):
        machine, seeds = random_programs.random_machine(kind), range(kind, N_RANDOM, N_MACHINES)
        some = [random_programs.random_program(seed) for seed in seeds]
        for seed, program, got in zip(seeds, some, replay(some, machine, "--bounds")):
            yield "random_program(%d) on random_machine(%d)" % (seed, kind), program, machine, got


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part, replay, measured):
    n = n_close = 0
    for what, program, machine, got in random_runs(part, replay):
        expected = truth.free(program, machine)
        assert not got["deadlock"], what
        check(expected, got, what, program, SLICED if machine.slice_ns else ROUNDED)
        n, n_close = n + 1, n_close + expected["close"]
    assert n_close <= n / 10
    measured("whatif random programs, part %d: %d without a deadlock, all as the truth has it (%d: up to rounding)"
             % (part, n, n_close))


@pytest.mark.skipif(not EMULATOR.exists(), reason="%s is not built" % EMULATOR)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_gpu_replays_the_same(part, replay):
    """Random programs, and some of each shape, by the CUDA engine in the emulator."""
    some = [program for _what, program, _machine in itertools.islice(drawn(sorted(shapes.SHAPES)[part]), 3)]
    for i in range(part, N_MACHINES, 4 * PARTS):
        machine = random_programs.random_machine(i)
        some += [random_programs.random_program(seed) for seed in range(i, N_RANDOM, N_MACHINES)][:20]
        expected = replay(some, machine)
        for run in expected:
            run.pop("mark_ns")  # each mark's time: a sweep keeps the two that S is of
        assert replay(some, machine, "--engine", "cuda") == expected


@pytest.mark.parametrize("part", range(PARTS))
def test_no_random_program_is_outside_the_bounds(part, replay, measured):
    tight, n_hi = [], 0
    for what, program, machine, got in random_runs(part, replay):
        if machine.lock != "none" and got["makespan_ns"]:
            assert got["lo_ns"] <= got["makespan_ns"] + ROUNDED_NS, what
            assert got["hi_ns"] is None or got["makespan_ns"] <= got["hi_ns"] + ROUNDED_NS, what
            assert same(bounds(program, machine)["lo_ns"], got["lo_ns"]), what
            tight.append(got["lo_ns"] / got["makespan_ns"])
            n_hi += got["hi_ns"] is not None
    measured("whatif bounds, random programs, part %d: lower bound / makespan: median %.3f; an upper bound in %d of %d"
             % (part, statistics.median(tight), n_hi, len(tight)))


HARD = {**NO_UPPER_BOUND, **NOT_LATER, **{"late workers %d" % i: LATE % late for i, late in enumerate(LATENESS)}}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_bounds_where_they_are_hard_to_say(text, replay):
    for cores in (1, 2, 16):
        got = replay([programs.read(text)], truth.Machine(cores), "--bounds")[0]
        assert got["lo_ns"] <= got["makespan_ns"] + ROUNDED_NS
        assert got["hi_ns"] is None or got["makespan_ns"] <= got["hi_ns"] + ROUNDED_NS


def test_cores_that_slow_each_other_stretch_the_upper_bound(replay):
    machine = truth.Machine(16, [1 + k / 4 for k in range(16)])
    got = replay([programs.read("thread a\npy 100\nthread b\npy 100\n")], machine, "--bounds")[0]
    assert got["hi_ns"] is None or got["makespan_ns"] <= got["hi_ns"] + ROUNDED_NS


# ---- errors put in ----


def error(a, b):
    return abs(math.log(a / b))


def with_less(trace, share, rng):
    """The program without some of what takes time, and how long that took (as recorded)."""
    kept = [[op for op in thread.ops if op.verb not in programs.TIMED or rng.random() >= share]
            for thread in trace.threads]
    less = truth.with_threads(trace, kept)
    return less, sum(op.ns for op in trace.ops()) - sum(op.ns for op in less.ops())


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_another_lock_policy_costs_what_it_is_worth(shape, replay):
    """The replay's error is then the distance of the two truths."""
    for what, _, machine, trace, real in cases(shape):
        other = machine.but(lock="barge" if machine.lock == "fifo" else "fifo")
        wrong = truth.free(trace, other)
        got = replay([trace], other)[0]["makespan_ns"]
        if not wrong["close"]:
            assert error(got, real["makespan_ns"]) <= error(wrong["makespan_ns"], real["makespan_ns"]) + EXACT, what


# Where threads do not compete for locks, items or room, no order can change, and the makespan moves by no more than
# what was put in. Where they do, a piece that is a little shorter may let another thread in first, and what follows
# from that is the program's nature, up to its bounds: there it has to be so for three of four. So it is where threads
# come back from I/O to fewer cores: who is back a little later finds others there.
NO_ORDER = ("parallel", "native", "phases")


def check_moves(shape, moves):
    """moves: (by how much the makespan moved, by how much it may, of which case)"""
    beyond = [(what, moved, allowed) for moved, allowed, what in moves if moved > allowed + EXACT]
    assert len(beyond) <= (0 if shape in NO_ORDER else len(moves) / 4), beyond[:3]
    return 100 * max(moved for moved, _, _ in moves), len(beyond), len(moves)


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_a_speed_that_is_off_by_a_tenth(shape, replay, measured):
    moves = []
    for what, _, machine, trace, real in cases(shape):
        for s in (truth.exactly(float(machine.s) * 0.9), truth.exactly(float(machine.s) * 1.1)):
            got = replay([trace], machine.but(s=s))[0]["makespan_ns"]
            moves.append((error(got, real["makespan_ns"]), error(s, machine.s), "%s, s %s" % (what, float(s))))
    measured("whatif, s off by 10 %%, %s: error at most %.1f %%, %d of %d beyond what was put in"
             % (shape, *check_moves(shape, moves)))


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_one_percent_of_the_pieces_lost(shape, replay, measured):
    """Each lost piece was on the longest path at most, and ran at the least rate that so many threads leave it."""
    moves = []
    for what, _, machine, trace, real in cases(shape):
        less, lost_ns = with_less(trace, 0.01, random.Random(what))
        got = replay([less], machine)[0]["makespan_ns"]
        slowest = 1 / min(machine.rate(n) for n in range(1, len(trace.threads) + 1))
        allowed_ns = lost_ns * max(1, machine.s) * slowest + ROUNDED_NS
        if machine.gc_every_ns:
            allowed_ns += machine.gc_pause_ns * (1 + lost_ns // machine.gc_every_ns)
        real_ns = real["makespan_ns"]
        moves.append((abs(got - real_ns) / real_ns, float(allowed_ns / real_ns), what))
    measured("whatif, 1 %% of the pieces lost, %s: error at most %.1f %%, %d of %d beyond what was put in"
             % (shape, *check_moves(shape, moves)))

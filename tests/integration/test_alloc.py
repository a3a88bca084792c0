# SPDX-License-Identifier: MIT
"""`--alloc`: who holds memory, by sampled allocations, against programs that know what they hold."""

import json
import math
import os
import signal
import subprocess
import time

import pytest

from conftest import clean_env, default_signals
from preloaded import run_preloaded

# Alone: that no row is lost is asked nearly everywhere, and needs a core for the drain thread.
pytestmark = [pytest.mark.pythons(per_minor=True), pytest.mark.serial]
one_version = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)

MEAN = 4096
KEEPS = ("small", "medium", "large", "grow")


class Allocations:
    """What a capture says of them."""

    def __init__(self, gilscope, *files):
        self.stacks, self.codes, self.threads = {}, {}, {}
        self.rows, self.frees, self.events, self.levels, self.settings = {}, [], [], [], {}
        self.mean = self.samples = self.lost_allocs = self.lost_frees = 0
        self.repeated = 0
        for file in files:
            out = gilscope("dump", "--raw-json", file, expect_rc=None).stdout
            for line in out.splitlines():
                self.note_item(json.loads(line))

    def note_item(self, item):
        for record in item.get("records", ()):
            getattr(self, "note_" + record["tag"], lambda fields: None)(record["fields"])
        if item.get("stream") == "alloc":
            assert item["gil"] == 2**32 - 1
            self.note_rows(item["rows"])
        elif item.get("stream") == "free":
            self.frees += [row["id"] for row in item["rows"]]

    def note_rows(self, rows):
        for row in rows:
            old = self.rows.setdefault(row["id"], row)
            self.repeated += old is not row
            assert old == row, "told again, it is the same"

    def note_PROCESS(self, fields):
        self.settings = dict(text.split("=", 1) for text in fields[-1])

    def note_STACK(self, fields):
        self.stacks[fields[0]] = [code for code, _ in fields[-1]]

    def note_CODE(self, fields):
        self.codes[fields[0]] = fields[2].split(".")[-1]

    def note_ALLOC_STATE(self, fields):
        _, self.mean, self.samples, self.lost_allocs, self.lost_frees = fields

    def note_EVENT(self, fields):
        self.events.append((fields[1], fields[3]))

    def note_LEVEL(self, fields):
        self.levels.append(fields[3])

    @property
    def why_not(self):
        return [text for kind, text in self.events if kind == 14]

    def functions(self, row):
        return [self.codes.get(code) for code in self.stacks.get(row["stack"], ())]

    def live(self):
        ended = set(self.frees)
        return [row for row in self.rows.values() if row["id"] not in ended]

    def live_bytes(self, function, rows=None):
        """Of what this function itself allocated."""
        rows = self.live() if rows is None else rows
        return self.mean * sum(row["points"] for row in rows if self.functions(row)[:1] == [function])

    def check(self):
        """What holds in each capture."""
        assert self.lost_allocs == self.lost_frees == 0
        assert len(self.rows) == self.samples
        assert len(set(self.frees)) == len(self.frees), "freed once"
        assert set(self.frees) <= set(self.rows), "what was freed was sampled"
        assert all(row["points"] >= 1 and row["bytes"] >= 1 for row in self.rows.values())
        live = [row["address"] for row in self.live()]
        assert len(set(live)) == len(live), "no two live at one address"
        return self

    def expect(self, told):
        """Within 4 sigma; a block's variance is at most mean times size."""
        for function, truth in told.items():
            error = self.live_bytes(function) - truth
            assert abs(error) < 4 * math.sqrt(self.mean * truth), (function, truth, error)
        return self


@pytest.fixture
def allocations(gilscope):
    return lambda *files: Allocations(gilscope, *files)


@pytest.fixture
def record_allocations(record):
    """record() with --alloc, every MEAN bytes, and no governor that would take some away."""

    def run(python, args, *options, **kwargs):
        return record(python, args, options=["--alloc", "--alloc-interval", MEAN, "--budget", 100,
                                             *options], **kwargs)

    return run


def with_targets(targets, code):
    return "import sys; sys.path.insert(0, %r)\nimport allocate, os\n%s" % (str(targets), code)


# ---- the truth ----


def test_live_bytes_by_stack_are_what_the_program_holds(
        python, record_allocations, allocations, targets, measured):
    capture = record_allocations(python, ["-S", targets / "allocate.py", *KEEPS, "churn"])
    told = json.loads(capture.stdout)
    assert set(told) == set(KEEPS)
    a = allocations(capture.file).check().expect(told)
    assert (a.mean, a.settings["alloc_interval_bytes"], a.why_not) == (MEAN, str(MEAN), [])
    churned = [row for row in a.rows.values() if a.functions(row)[:1] == ["churn"]]
    assert len(churned) > 2000 and a.live_bytes("churn") <= MEAN, "all of that was freed"
    assert {row["domain"] for row in a.rows.values()} == {0, 1}
    assert all(row["thread"] == 0 for row in a.rows.values())
    stacked = sum(1 for row in a.rows.values() if row["stack"])
    assert stacked > 0.9 * len(a.rows)
    measured("%s: live bytes off by %s" % (python.name, ", ".join(
        "%s %+.1f %%" % (name, 100 * (a.live_bytes(name) / truth - 1))
        for name, truth in told.items())))


def test_without_it_nothing_is_sampled(python, record, allocations, targets):
    capture = record(python, [targets / "allocate.py", "small"])
    a = allocations(capture.file)
    assert (a.rows, a.frees, a.mean, a.events) == ({}, [], 0, [])
    assert a.settings["alloc_interval_bytes"] == "0"


@one_version
def test_a_program_that_ends_in_order_has_freed_its_blocks(
        python, record_allocations, allocations, targets):
    code = with_targets(targets, "allocate.main(['small', 'churn'])")
    a = allocations(record_allocations(python, ["-c", code]).file).check()
    assert len(a.rows) > 3000 and a.live_bytes("small") == 0


def test_threads_have_their_own(python, record_allocations, allocations, targets):
    code = with_targets(targets, """
allocate.in_threads(6, ["small", "grow"])
allocate.say()
os._exit(0)""")
    a = allocations(record_allocations(python, ["-c", code]).file).check()
    rows = [row for row in a.live() if a.functions(row)[:1] == ["small"]]
    assert len({row["thread"] for row in rows}) == 6
    for thread in {row["thread"] for row in rows}:
        mine = a.live_bytes("small", [row for row in rows if row["thread"] == thread])
        truth = 30000 * (100 + 33)
        assert abs(mine - truth) < 4 * math.sqrt(MEAN * truth)


# ---- other allocators ----


def test_tracemalloc_wraps_the_hooks(python, record_allocations, allocations, targets):
    code = with_targets(targets, """
import tracemalloc
tracemalloc.start(3)
allocate.main(["small", "medium"])
assert tracemalloc.get_traced_memory()[0] > sum(allocate.told.values())
tracemalloc.stop()
allocate.main(["large", "churn"])
allocate.say()
os._exit(0)""")
    capture = record_allocations(python, ["-c", code])
    a = allocations(capture.file).check().expect(json.loads(capture.stdout))
    assert a.why_not == []


@pytest.mark.parametrize("args, env", [
    ([], {"PYTHONMALLOC": "debug"}), ([], {"PYTHONMALLOC": "malloc"}),
    ([], {"PYTHONMALLOC": "pymalloc_debug"}), (["-X", "dev"], {})],
    ids=["debug", "malloc", "pymalloc_debug", "dev"])
def test_another_allocator_is_told_of(args, env, python, record_allocations, allocations, targets):
    capture = record_allocations(
        python, [*args, "-W", "ignore", targets / "allocate.py", "small", "grow"], env=env)
    assert set(json.loads(capture.stdout)) == {"small", "grow"}
    a = allocations(capture.file)
    assert (len(a.rows), len(a.why_not)) == (0, 1)
    assert "PYTHONMALLOC" in a.why_not[0]


def test_a_free_threaded_python_is_told_of(
        free_threaded_python, record_allocations, allocations, targets):
    capture = record_allocations(free_threaded_python, [targets / "allocate.py", "small"])
    assert allocations(capture.file).why_not == [
        "a free-threaded Python has allocators that are not sampled"]


SPIN = """
import threading, time
end = time.monotonic() + 2.5
def spin():
    while time.monotonic() < end:
        for x in True, False, None:
            pass
threads = [threading.Thread(target=spin) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


@one_version
def test_a_program_that_allocates_little_is_not_taken_for_another_allocator(
        python, record_allocations, allocations):
    a = allocations(record_allocations(python, ["-c", SPIN]).file).check()
    assert a.why_not == [] and a.samples


# ---- interpreters ----


SUB = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import threading
CODE = '''
kept = []
def in_sub():
    for i in range(20000):
        kept.append(bytes(100))
def churn_in_sub():
    for i in range(20000):
        bytes(100)
in_sub()
churn_in_sub()
'''
def life():
    sub = interpreters.create()
    interpreters.run_string(sub, CODE)
    interpreters.destroy(sub)
    allocate.churn(3000)
for _ in range(3):
    life()
threads = [threading.Thread(target=life) for _ in range(3)]
for thread in threads:
    thread.start()
allocate.main(["small"])
for thread in threads:
    thread.join()
allocate.say()
os._exit(0)
"""


def test_sub_interpreters(python, record_allocations, allocations, targets):
    """On the main thread and on others; from 3.12 on each has a GIL of its own. What they held is freed
    with them."""
    capture = record_allocations(python, ["-c", with_targets(targets, SUB)])
    told = json.loads(capture.stdout)
    a = allocations(capture.file)
    assert a.lost_frees == 0 and a.lost_allocs <= a.samples / 1000
    a.expect(told)
    assert any(a.functions(row)[:1] == ["in_sub"] for row in a.rows.values())
    assert a.live_bytes("in_sub") + a.live_bytes("churn_in_sub") <= 10 * MEAN


# ---- life and death ----


FORK = """
allocate.main(["small"])
pid = os.fork()
if pid == 0:
    allocate.told.clear()
    allocate.kept.clear()
    allocate.main(["grow", "medium", "churn"])
    allocate.say()
    os._exit(0)
os.waitpid(pid, 0)
allocate.main(["large"])
allocate.say()
os._exit(0)
"""


def test_a_forked_child_starts_anew(python, record_allocations, allocations, targets):
    capture = record_allocations(python, ["-c", with_targets(targets, FORK)])
    child_told, told = map(json.loads, capture.stdout.splitlines())
    captures = [allocations(file).check() for file in capture.files]
    assert len(captures) == 2
    parents = [a for a in captures if a.live_bytes("large")]
    children = [a for a in captures if a.live_bytes("medium")]
    assert len(parents) == len(children) == 1
    parents[0].expect(told)
    children[0].expect(child_told)
    assert children[0].live_bytes("small") == 0, "those are the parent's"
    assert min(children[0].rows) == 1


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_ends(end, python, record_allocations, allocations, targets):
    code = with_targets(targets, """
import time
allocate.main(["small", "grow"])
allocate.say()
time.sleep(0.4)
%s""" % end)
    capture = record_allocations(python, ["-c", code], expect_rc=None)
    a = allocations(capture.file)
    a.mean = MEAN
    a.expect(json.loads(capture.stdout))


@one_version
def test_kill_in_the_midst_of_it(python, gilscope, allocations, targets, tmp_path):
    """Readable, with no FREE row of what was never allocated but for the rows that were under way."""
    code = with_targets(targets, "print('on', flush=True)\nwhile True: allocate.main(['churn', 'small'])")
    for i in range(4):
        out = tmp_path / ("%d.gsc" % i)
        process = subprocess.Popen(
            [str(gilscope), "run", "--alloc", "--alloc-interval", "1K", "--budget", "100", "-o", str(out),
             "--", str(python), "-c", code], env=clean_env(), stdout=subprocess.PIPE,
            preexec_fn=default_signals)
        process.stdout.readline()
        time.sleep(0.3 + 0.1 * i)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        a = allocations(out)
        assert len(a.rows) > 100
        assert len(set(a.frees) - set(a.rows)) <= 4096


STORM = """
import threading, time
end = time.monotonic() + 4
def work():
    while time.monotonic() < end:
        slots = [None] * 300
        allocate.small(slots)
        allocate.medium(slots)
        [].extend(range(1000))
def forks():
    while time.monotonic() < end:
        pid = os.fork()
        if pid == 0:
            if os.getpid() % 2:
                allocate.churn(2000)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
threads = [threading.Thread(target=work) for _ in range(16)] + [threading.Thread(target=forks)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


def test_threads_that_allocate_under_a_storm_of_forks(
        python, record_allocations, allocations, targets):
    capture = record_allocations(
        python, ["-W", "ignore", "-c", with_targets(targets, STORM)], timeout=90)
    assert (capture.stdout, capture.stderr) == ("done\n", "")
    largest = max(capture.files, key=os.path.getsize)
    a = allocations(largest)
    assert len(a.rows) > 1000
    assert len(a.live()) < len(a.rows) / 2


def test_after_the_duration_the_hooks_pass_on(python, record_allocations, allocations, targets):
    code = with_targets(targets, """
import time
allocate.main(["small"])
time.sleep(1)
allocate.main(["large", "churn", "grow"])
allocate.kept.clear()
allocate.main(["churn"])
allocate.say()
os._exit(0)""")
    capture = record_allocations(python, ["-c", code], "-d", "0.6")
    a = allocations(capture.file).check()
    a.expect({"small": json.loads(capture.stdout)["small"]})
    assert not a.live_bytes("large") and not a.live_bytes("grow")


RING = """
import time
allocate.main(["small", "grow"])
end = time.monotonic() + 4
while time.monotonic() < end:
    allocate.churn(20000)
allocate.say()
os._exit(0)
"""


@one_version
def test_a_ring_of_segments_tells_again_who_lives(python, record_allocations, allocations, targets):
    capture = record_allocations(python, ["-c", with_targets(targets, RING)], "--max-size", "2M",
                                 "--on-full", "ring")
    told = json.loads(capture.stdout)
    a = allocations(*capture.files)
    assert len(capture.files) > 3 and a.repeated > 1000
    assert len(a.rows) < a.samples, "of what was freed long ago nothing is left"
    held = sum(row["points"] for row in a.live()) * MEAN
    truth = sum(told.values())
    # A drain thread without a core loses some; they are counted, and stand for two means at the most.
    least = truth - 4 * math.sqrt(MEAN * truth) - 2 * MEAN * a.lost_allocs
    assert least < held < 1.5 * truth + (4 << 20) + 2 * MEAN * a.lost_frees
    assert a.lost_allocs + a.lost_frees < a.samples / 20


# ---- the law ----


@one_version
def test_the_governor_makes_samples_fewer_not_the_sum(
        python, record, allocations, targets, measured):
    code = with_targets(targets, """
import time
end = time.monotonic() + 17
while time.monotonic() < end:
    allocate.churn(20000)
allocate.main(["grow", "small"])
allocate.say()
os._exit(0)""")
    capture = record(python, ["-c", code], options=["--alloc", "--alloc-interval", MEAN,
                                                    "--budget", "0.5"])
    told = json.loads(capture.stdout)
    a = allocations(capture.file)
    assert "over budget: ten times fewer samples" in a.levels
    late = max(a.rows)
    tens = [row for row in a.rows.values() if row["points"] % 10 == 0 and row["id"] > late - 500]
    assert len(tens) > 400
    held, truth = sum(row["points"] for row in a.live()) * MEAN, sum(told.values())
    assert abs(held - truth) < 4 * math.sqrt(10 * MEAN * truth) + 0.5 * truth


def test_no_allocation_in_the_hook(python, gilscope, targets, compile_c, tmp_path):
    """As test_no_allocation_in_a_hook: what the agent's hooks themselves ask of malloc()."""
    counter = compile_c("count_mallocs.c", "-shared", "-fPIC")
    code = with_targets(targets, "allocate.churn(int(sys.argv[1]))")

    def mallocs(preload, n, **env):
        read, write = os.pipe()
        env = {"LD_PRELOAD": "%s %s" % (counter, preload), "COUNT_FD": str(write), **env}
        result = run_preloaded(gilscope, [python, "-S", "-c", code, n], tmp_path / ("%s.gsc" % n),
                               env=env, pass_fds=[write])
        os.close(write)
        assert result.returncode == 0, result.stderr
        with os.fdopen(read) as f:
            return int(f.read())

    plain = mallocs("", 50000) - mallocs("", 100)
    env = {"GILSCOPE_ALLOC": "1", "GILSCOPE_ALLOC_INTERVAL": "1K"}
    watched = mallocs(gilscope.agent, 50000, **env) - mallocs(gilscope.agent, 100, **env)
    assert abs(watched - plain) <= 3, "50,000 allocations, 6,000 samples"


ERRNO = """
try:
    import ctypes
except ImportError:
    raise SystemExit(77)
import allocate
libc = ctypes.CDLL(None, use_errno=True)
api = ctypes.PyDLL(None, use_errno=True)
api.PyMem_Malloc.restype = ctypes.c_void_p
api.PyMem_Free.argtypes = [ctypes.c_void_p]
wrong = 0
for i in range(2000):
    ctypes.set_errno(77)
    block = api.PyMem_Malloc(400)
    wrong += ctypes.get_errno() != 77
    ctypes.set_errno(78)
    api.PyMem_Free(block)
    wrong += ctypes.get_errno() != 78
print("wrong", wrong)
"""


def test_errno_is_kept(python, record_allocations, targets):
    capture = record_allocations(
        python, ["-c", with_targets(targets, ERRNO)], "--alloc-interval", "1K", expect_rc=None)
    if capture.returncode == 77:
        pytest.skip("no ctypes")
    assert capture.stdout == "wrong 0\n"


@one_version
def test_memory_that_it_costs(python, record_allocations, targets, measured):
    """A heap of 30 MB in 7,000 samples: its table, its filter, and the writer's buffers."""
    code = with_targets(targets, """
allocate.main(["small"] * 5 + ["medium"] * 3)
kb = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")]
sys.stdout.write(str(kb[0]))
sys.stdout.flush()
os._exit(0)""")
    plain = record_allocations(python, ["-c", code], "--alloc-interval", "1000G")
    kb = int(record_allocations(python, ["-c", code]).stdout) - int(plain.stdout)
    measured("--alloc with 7,000 live samples: %d KiB more" % kb)
    assert kb < 8192


@one_version
def test_the_interval_is_checked(gilscope, python):
    for wrong in ["--alloc", "0"], ["--alloc", "0K"], ["--alloc", "much"], ["64K"]:
        options = [*wrong[:-1], "--alloc-interval", wrong[-1]]
        result = gilscope("run", *options, "--", python, "-c", "", expect_rc=None)
        assert result.returncode == 2 and "--alloc" in result.stderr


def test_without_room_for_the_table_the_rest_is_recorded(python, gilscope, allocations, tmp_path):
    limited = ["bash", "-c", 'ulimit -v 90000; exec "$0" "$@"', python, "-c", "import json; print(1)"]
    result = run_preloaded(gilscope, limited, tmp_path / "x.gsc", env={"GILSCOPE_ALLOC": "1"})
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")
    a = allocations(tmp_path / "x.gsc")
    assert (a.why_not, a.rows) == (["no memory, or no MADV_WIPEONFORK"], {})


def test_the_program_sees_itself_unchanged(python, gilscope, targets, tmp_path):
    argv = [python, targets / "self_portrait.py"]
    plain = run_preloaded(gilscope, argv, tmp_path / "x.gsc")
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc", env={"GILSCOPE_ALLOC": "1"})
    assert plain.returncode == watched.returncode == 0
    plain, watched = json.loads(plain.stdout), json.loads(watched.stdout)
    assert watched == plain

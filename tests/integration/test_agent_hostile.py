# SPDX-License-Identifier: MIT
"""Surroundings that hide things from the agent or refuse it things: the program must not notice."""

import os
import re
import shutil
import sys

import pytest
from preloaded import run_plain, run_preloaded
from sums import check_document

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
one_each = pytest.mark.pythons(per_minor=True)

FOUR_THREADS = """
import os, sys, threading, time
def work():
    for _ in range(100):
        time.sleep(0.01)
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads:
    t.start()
if len(sys.argv) > 1:
    os.chroot(sys.argv[1])
work()
for t in threads:
    t.join()
print("ok")
sys.stdout.flush()
os._exit(3)
"""


# ---- /proc that does not know our threads ----


@as_root
@one_each
def test_chroot_into_an_empty_folder(python, gilscope, script, tmp_path):
    """The threads' files are gone from /proc; the threads are not."""
    (tmp_path / "jail").mkdir()
    result = run_preloaded(
        gilscope, [python, script(FOUR_THREADS), tmp_path / "jail"], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (3, "ok\n", "")


@as_root
@one_each
def test_pid_namespace_with_the_hosts_proc(python, gilscope, script, stats, tmp_path):
    """gettid() and /proc/self/task number the threads differently."""
    unshare = [shutil.which("unshare"), "--pid", "--fork"]
    result = run_preloaded(gilscope, [*unshare, python, script(FOUR_THREADS)], tmp_path / "%p.gsc")
    if "unshare failed" in result.stderr:
        pytest.skip(result.stderr.strip())
    assert (result.returncode, result.stdout, result.stderr) == (3, "ok\n", "")
    doc = stats(tmp_path)
    check_document(doc)
    assert len(doc["processes"][0]["threads"]) == 4


# ---- a great many events ----


@one_each
def test_duration_ends_while_rings_fill_without_pause(python, record, stats, script):
    code = """
import os, time
end, fd = time.monotonic() + 2.5, os.open("/dev/zero", 0)
while time.monotonic() < end:
    os.pread(fd, 1, 0)
"""
    capture = record(python, [script(code)], level=2, options=["-d", "0.5", "--budget", "100"])
    assert stats(capture.file)["processes"][0]["duration_ns"] < 1.5e9


@one_each
def test_ten_thousand_short_threads_take_the_memory_of_few(python, gilscope, script, tmp_path):
    code = """
import threading
for _ in range(10000):
    t = threading.Thread(target=int)
    t.start()
    t.join()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]))
"""
    result = run_preloaded(gilscope, [python, script(code)], tmp_path / "x.gsc", timeout=120)
    plain = python.run(script(code), timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert int(result.stdout) - int(plain.stdout) < 24 << 10


# ---- limits ----


@as_root
@one_each
@pytest.mark.serial
def test_no_thread_to_be_had_after_a_fork(python, gilscope, script, tmp_path):
    """The drain thread left before the fork; to ask for a new one at each turn would be dear."""
    code = """
import os, resource, time
zero = os.open("/dev/zero", 0)
def turn_us():
    start = time.process_time()
    for _ in range(20000):
        os.pread(zero, 1, 0)
    return (time.process_time() - start) / 20000 * 1e6
before = min(turn_us() for _ in range(5))
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    os.fork()
except BlockingIOError:
    time.sleep(0.03)
    print(min(turn_us() for _ in range(5)) / before)
"""
    tmp_path.chmod(0o777)
    result = run_preloaded(gilscope, [python, "-W", "ignore", "-c", code], tmp_path / "x.gsc")
    assert result.returncode == 0
    # Without a thread the last write is the program's own, who may not open the file any more.
    assert result.stderr == "" or re.fullmatch(
        r"gilscope: cannot write: .*: permission denied; the program goes on, .*\n", result.stderr)
    assert float(result.stdout) < 4


@pytest.mark.pythons(min=(3, 12), per_minor=True)
def test_more_interpreters_than_are_recorded(python, record, stats, script):
    code = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters
kept = [interpreters.create() for _ in range(70)]
for i in kept:
    interpreters.run_string(i, "import time; time.sleep(0.001)")
"""
    process = stats(record(python, [script(code)]).file)["processes"][0]
    assert len(process["gils"]) == 64
    assert any("more GILs" in note for note in process["notes"]), process["notes"]


@pytest.mark.pythons(max=(3, 12), per_minor=True)
def test_lock_released_after_a_sub_interpreter_has_ended(python, gilscope, script, tmp_path):
    """The GIL still names the thread state of the dead one, whose memory others use by now."""
    code = """
import _thread, _xxsubinterpreters as interpreters, threading, time
lock, stop = _thread.allocate_lock(), False
lock.acquire()
def wait():
    while not stop:
        lock.acquire(timeout=0.5)
threads = [threading.Thread(target=wait) for _ in range(2)]
for t in threads:
    t.start()
end = time.monotonic() + 2
while time.monotonic() < end:
    i = interpreters.create()
    interpreters.run_string(i, "def g(): pass")
    interpreters.destroy(i)
    junk = [b"A" * n for n in range(200, 400, 8) for _ in range(20)]
    if lock.locked():
        lock.release()
stop = True
for t in threads:
    t.join()
print("ok")
"""
    result = run_preloaded(gilscope, [python, script(code)], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


# ---- system calls refused, as by a container's seccomp profile ----

# usage: python -c REFUSE number,... agent program arguments: EPERM, by a filter of five instructions
REFUSE = """
import ctypes, os, struct, sys
numbers = [int(n) for n in sys.argv[1].split(",")]
code = struct.pack("HBBI", 0x20, 0, 0, 0)
for n in numbers:
    code += struct.pack("HBBI", 0x15, 0, 1, n) + struct.pack("HBBI", 6, 0, 0, 0x00050001)
code += struct.pack("HBBI", 6, 0, 0, 0x7fff0000)
buf = ctypes.create_string_buffer(code)
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buf)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, prog):
    sys.exit("cannot refuse")
os.environ["LD_PRELOAD"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""
MADVISE, TGKILL, CLOSE_RANGE, PROCESS_VM_READV = 28, 234, 436, 310


def run_refusing(numbers, gilscope, argv, out):
    launcher = [sys.executable, "-c", REFUSE, ",".join(map(str, numbers)), gilscope.agent]
    result = run_plain([*launcher, *argv], env={"GILSCOPE_OUT": out})
    if "cannot refuse" in result.stderr:
        pytest.skip(result.stderr)
    return result


@one_each
@pytest.mark.parametrize("numbers", [[CLOSE_RANGE], [TGKILL, CLOSE_RANGE, PROCESS_VM_READV]])
def test_refused_system_calls_are_done_without(
        numbers, python, gilscope, script, stats, tmp_path):
    result = run_refusing(numbers, gilscope, [python, script(FOUR_THREADS)], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (3, "ok\n", "")
    assert len(stats(tmp_path / "x.gsc")["processes"][0]["threads"]) == 4


@one_each
def test_refused_madvise_costs_one_line(python, gilscope, script, tmp_path):
    """Without it a forked child could not be told from its parent."""
    result = run_refusing([MADVISE], gilscope, [python, script(FOUR_THREADS)], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout) == (3, "ok\n")
    assert result.stderr.startswith("gilscope: ") and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "x.gsc").exists()


# ---- the end of an interpreter ----


@one_each
def test_finalizing_a_forked_child_under_a_debugging_allocator(python, gilscope, script, tmp_path):
    """Py_Finalize() takes locks after it has freed, and overwritten, its own thread state."""
    code = "import os; pid = os.fork(); print(os.waitpid(pid, 0)[1]) if pid else None"
    result = run_preloaded(gilscope, [python, script(code)], tmp_path / "%p.gsc",
                           env={"PYTHONMALLOC": "malloc_debug"})
    assert (result.returncode, result.stdout, result.stderr) == (0, "0\n", "")

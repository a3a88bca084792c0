# SPDX-License-Identifier: MIT
"""What may go wrong around a program while it is recorded. The program goes on as if nothing was
there, the user reads one clear line, and the capture tells what is missing."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

from conftest import clean_env
from preloaded import run_plain, run_preloaded
from sums import check_document

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)

EVERY_TURN = {"GILSCOPE_LEVEL": 2, "GILSCOPE_BUDGET": 100}


def said(result):
    """The agent's one line, or ''; fails when there is anything else on stderr."""
    lines = result.stderr.splitlines()
    assert len(lines) <= 1 and all(line.startswith("gilscope: ") for line in lines), result.stderr
    return "".join(lines)


@pytest.fixture
def small_disk(tmp_path):
    """64 MiB, 44 KiB of them free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)],
                           stderr=subprocess.PIPE, text=True)
    if mount.returncode:
        pytest.skip("no tmpfs can be mounted here: " + mount.stderr.strip())
    (disk / "filler").write_bytes(bytes((65536 - 44) * 1024))
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


# ---- the file ----


@as_root
def test_full_disk_is_told_once_and_the_capture_ends_there(python, gilscope, targets, small_disk):
    result = run_preloaded(gilscope, [python, targets / "turns.py", "1.5"], small_disk / "x.gsc", env=EVERY_TURN)
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert said(result) == ("gilscope: cannot write: %s/x.gsc: no space left on device; "
                            "the program goes on, what is not written is counted as lost" % small_disk)
    read = gilscope("stats", "--json", small_disk / "x.gsc", expect_rc=None)
    assert read.returncode in (0, 4)
    assert json.loads(read.stdout)["capture"]["complete"] is False


@as_root
def test_space_that_comes_back_is_used_again(python, gilscope, targets, small_disk, stats):
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": small_disk / "x.gsc", **EVERY_TURN})
    process = subprocess.Popen([python.path, targets / "turns.py", "2"], env=env, stderr=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE)
    time.sleep(1)
    (small_disk / "filler").unlink()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "done\n")
    assert err.count("\n") == 1 and "no space left on device" in err
    doc = stats(small_disk / "x.gsc")
    process = doc["processes"][0]
    assert doc["capture"]["complete"] is False
    text = " ".join(gilscope("stats", small_disk / "x.gsc").stdout.split())
    assert "NOT complete: parts of the capture are missing" in text
    assert any("write failed" in note for note in process["notes"]), process["notes"]
    assert any("chunks of the capture are missing" in note for note in process["notes"]), process["notes"]
    assert process["gil"]["acquisitions"] == sum(t["acquisitions"] for t in process["threads"]) > 10000


def test_size_limit_is_told_and_sends_the_program_no_signal(python, gilscope, targets, tmp_path):
    code = ("import resource, runpy, signal, sys\n"
            "signal.signal(signal.SIGXFSZ, lambda *_: print('SIGXFSZ'))\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
            "sys.argv[1:] = ['1.0']; sys.path.insert(0, %r)\n"
            "runpy.run_path(%r)\n") % (str(targets), str(targets / "turns.py"))
    result = run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc", env=EVERY_TURN)
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert "x.gsc: file size limit reached (ulimit -f); the program goes on" in said(result)
    assert (tmp_path / "x.gsc").stat().st_size <= 65536


def make_special(kind, path):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
    elif kind == "null":
        return pathlib.Path("/dev/null")
    elif kind == "full":
        return pathlib.Path("/dev/full")
    elif kind == "link to null":
        path.symlink_to("/dev/null")
    return path


@pytest.mark.parametrize("kind", ["fifo", "socket", "null", "full", "link to null"])
def test_output_that_is_no_regular_file_is_refused(kind, python, gilscope, targets, tmp_path):
    out = make_special(kind, tmp_path / "x.gsc")
    before = sorted(os.listdir(out.parent))
    result = run_preloaded(gilscope, [python, targets / "end.py", "exit"], out)
    assert (result.returncode, result.stdout) == (7, "at the end\n")
    assert said(result) == ("gilscope: cannot write: %s: not a regular file; recording is off "
                            "(GILSCOPE_OUT names the file)" % out)
    assert sorted(os.listdir(out.parent)) == before


def test_file_that_is_deleted_or_replaced_meanwhile(python, gilscope, targets, tmp_path):
    """Somebody else's file of that name is never written to."""
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": tmp_path / "x.gsc"})
    process = subprocess.Popen([python.path, targets / "busy.py", "1"], env=env, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    (tmp_path / "x.gsc").unlink()
    (tmp_path / "x.gsc").write_text("precious")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert (tmp_path / "x.gsc").read_text() == "precious"


# ---- descriptors ----


@pytest.mark.parametrize("closed", ["0", "1", "2", "012"])
def test_closed_standard_descriptors(closed, python, gilscope, targets, stats, tmp_path):
    """The capture must not become the program's stdout, nor its first file."""
    shell = "exec %s %s 0.3 %s" % (
        python, targets / "busy.py", " ".join("%s>&-" % fd if fd != "0" else "0<&-" for fd in closed))
    plain = run_plain(["bash", "-c", shell])
    result = run_preloaded(gilscope, ["bash", "-c", shell], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    check_document(stats(tmp_path / "x.gsc"))


@pytest.mark.parametrize("limit", [0, 3, 10])
def test_few_descriptors(limit, python, gilscope, targets, stats, tmp_path):
    """A limit lowered at run time; at 0 the drain thread cannot open the capture again after a fork."""
    code = ("import os, resource, sys; sys.path.insert(0, %r); import busy, time\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d))\n"
            "busy.contend(0.3)\n"
            "print('ok', flush=True)") % (str(targets), limit, limit)
    result = run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
    check_document(stats(tmp_path / "x.gsc"))


def test_no_descriptor_at_all_is_silence(python, gilscope, targets, tmp_path):
    """A forked child under a limit of none: it cannot open its capture, nor stderr to say so."""
    code = ("import os, resource, sys; sys.path.insert(0, %r); import busy, time\n"
            "if os.fork() == 0:\n"
            "    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
            "    busy.contend(0.3)\n"
            "    os._exit(0)\n"
            "print(os.wait()[1])") % str(targets)
    result = run_preloaded(gilscope, [python, "-W", "ignore", "-c", code], tmp_path / "%p.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (0, "0\n", "")
    assert len(list(tmp_path.glob("*.gsc"))) == 1


# ---- memory, processors, time ----


def test_address_space_for_nothing_more(python, gilscope, script, stats, tmp_path):
    """Threads start until memory is refused; those the agent had no room for are counted as lost."""
    code = """
import _thread, resource, sys, time
used = int(open("/proc/self/statm").read().split()[0]) * 4096
limit = used + (24 << 20) + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
_thread.stack_size(65536)
left = []
gate = _thread.allocate_lock()
gate.acquire()
def work():
    with gate: pass
    for _ in range(50): time.sleep(0)
    left.append(1)
started = 0
try:
    while started < 300: # not by threading: its start() waits for ever for a thread without memory
        _thread.start_new_thread(work, ())
        started += 1
except (RuntimeError, MemoryError):
    pass
gate.release()
end = time.monotonic() + 5
while len(left) < started and time.monotonic() < end: time.sleep(0.01)
print(started > 40)
"""
    lost = []
    for more_kib in range(0, 256, 64):  # whether the last thread or its rows find no room is chance
        capture = tmp_path / ("%d.gsc" % more_kib)
        result = run_preloaded(gilscope, [python, script(code), more_kib << 10], capture)
        assert (result.returncode, result.stdout) == (0, "True\n")
        assert "gilscope" not in result.stderr  # Python's own MemoryErrors are
        doc = stats(capture)
        assert doc["capture"]["complete"] is True
        lost.append(doc["capture"]["lost_events"])
    assert any(lost), "some threads had no memory for their rows"


@as_root
def test_clock_source_that_is_not_the_tsc(python, gilscope, targets, stats, tmp_path):
    """TSC marked unstable: the kernel uses another clock, and so do we."""
    source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    fake = tmp_path / "clocksource"
    fake.write_text("hpet\n")
    inner = "mount --bind %s %s && exec %s %s 0.5" % (fake, source, python, targets / "busy.py")
    result = run_preloaded(gilscope, ["unshare", "-m", "bash", "-c", inner], tmp_path / "x.gsc")
    if "unshare failed" in result.stderr or "mount:" in result.stderr:
        pytest.skip("no mount namespace here: " + result.stderr.strip())
    assert (result.returncode, said(result)) == (0, "")
    doc = stats(tmp_path / "x.gsc")
    check_document(doc)
    assert doc["capture"]["settings"]["tick_hz"] == "1000000000"
    assert 0.4e9 < doc["processes"][0]["duration_ns"] < 20e9


def cgroup_of_five_percent():
    """A new cgroup v2 (or v1) with 5 % of one CPU, or None."""
    for base, name, value in (("/sys/fs/cgroup", "cpu.max", "5000 100000"),
                              ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "5000")):
        group = pathlib.Path(base) / ("gilscope-test-%d" % os.getpid())
        try:
            if base == "/sys/fs/cgroup" and os.path.exists(base + "/cgroup.subtree_control"):
                pathlib.Path(base, "cgroup.subtree_control").write_text("+cpu")
            group.mkdir()
            (group / name).write_text(value)
            return group
        except OSError:
            shutil.rmtree(group, ignore_errors=True)
    return None


def remove_group(group):
    """As far as the kernel lets go of it: some show ended tasks in a throttled group for ever."""
    for _ in range(20):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.1)


@as_root
@pytest.mark.serial
def test_five_percent_of_a_processor(python, gilscope, targets, stats, tmp_path):
    group = cgroup_of_five_percent()
    if not group:
        pytest.skip("no cgroup with a CPU quota can be made here")
    try:
        shell = "echo $$ > %s/cgroup.procs && exec %s %s 3" % (group, python, targets / "busy.py")
        result = run_preloaded(gilscope, ["bash", "-c", shell], tmp_path / "x.gsc", timeout=120)
        assert (result.returncode, said(result)) == (0, "")
        check_document(stats(tmp_path / "x.gsc"))
    finally:
        remove_group(group)

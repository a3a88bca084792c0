# SPDX-License-Identifier: MIT
"""The agent's law (architecture.md), seen from outside: a program cannot tell that it is watched."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from preloaded import run_plain, run_preloaded
from sums import check_document, total

pytestmark = pytest.mark.pythons(per_minor=True)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def one_line_of_gilscope(stderr):
    lines = stderr.splitlines()
    return len(lines) == 1 and lines[0].startswith("gilscope")


# ---- what a program sees of itself ----


def test_program_sees_itself_unchanged(python, gilscope, targets, tmp_path):
    argv = [python, targets / "self_portrait.py", "a", "b c"]
    plain = run_plain(argv)
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc")
    assert plain.returncode == watched.returncode == 0
    plain, watched = json.loads(plain.stdout), json.loads(watched.stdout)
    watched["environment"].remove("LD_PRELOAD")
    assert watched == plain
    assert (tmp_path / "x.gsc").exists()


def test_stdout_is_the_programs_own_byte_for_byte(python, gilscope, tmp_path):
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 300)"
    result = run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc", text=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, bytes(range(256)) * 300, b"")


def test_errno_is_kept(python, gilscope, targets, tmp_path):
    result = run_preloaded(gilscope, [python, targets / "keep_errno.py"], tmp_path / "x.gsc")
    assert (result.stdout, result.stderr) == ("wrong: 0\n", "")


def test_errno_is_kept_where_all_is_asked_for(python, gilscope, targets, tmp_path):
    """Counters are read, and locks written down, inside of the hooks."""
    result = gilscope("run", "-o", tmp_path / "x.gsc", "--locks", "--level", "2", "--counters",
                      "task-clock,page-faults,context-switches,cpu-migrations,cycles", "--", python,
                      targets / "keep_errno.py", timeout=120)
    assert result.stdout == "wrong: 0\n" and (tmp_path / "x.gsc").exists()


def test_closing_all_descriptors_hurts_neither_side(python, gilscope, targets, stats, tmp_path):
    argv = [python, targets / "close_all.py", tmp_path]
    plain = run_plain(argv).stdout
    shutil.rmtree(tmp_path, ignore_errors=True)
    tmp_path.mkdir()
    result = run_preloaded(gilscope, argv, tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (0, plain, "")
    for i in range(8):
        assert (tmp_path / ("mine-%d" % i)).read_bytes() == b"mine\n" * 5
    check_document(stats(tmp_path / "x.gsc"))


def test_chdir_does_not_move_the_captures(python, gilscope, targets, stats, tmp_path):
    code = ("import os, sys; os.chdir('/'); sys.path.insert(0, %r); import busy; busy.contend();"
            "pid = os.fork(); busy.contend(); pid and os.waitpid(pid, 0)") % str(targets)
    # A thread that was joined may still be there when 3.12 counts, with and without the agent.
    result = run_preloaded(
        gilscope, [python, "-W", "ignore", "-c", code], "here-%p.gsc", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(tmp_path.glob("here-*.gsc"))) == 2
    check_document(stats(tmp_path), processes=2)


@as_root
def test_setuid_reaches_all_threads(python, gilscope, targets, stats, tmp_path):
    result = run_preloaded(gilscope, [python, targets / "become_nobody.py"], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (0, "65534 1\n", "")
    check_document(stats(tmp_path / "x.gsc"))


SIGNAL_MASKS = """
import glob, os, signal, sys, time
got = []
for number in range(1, 65):
    try:
        signal.signal(number, lambda *a: got.append(a[0]))
    except (OSError, ValueError):
        pass
import busy
busy.contend(0.4)
def field(task, name):
    return [line.split()[1] for line in open(task + "/status") if line.startswith(name + ":")][0]
def ours():
    return [t for t in glob.glob("/proc/self/task/*") if open(t + "/comm").read() == "gilscope\\n"]
end = time.monotonic() + (10 if "LD_PRELOAD" in os.environ else 0)
while not ours() and time.monotonic() < end:  # it may not have had a core yet
    time.sleep(0.01)
for task in ours():
    print("blocked", field(task, "SigBlk"))
print("got", got)
"""


def test_no_signal_comes_from_us_and_none_goes_to_our_thread(python, gilscope, targets, tmp_path, script):
    """Every signal is caught and counted; the drain thread blocks all that can be blocked."""
    code = "import sys; sys.path.insert(0, %r)\n%s" % (str(targets), SIGNAL_MASKS)
    plain = run_plain([python, script(code)])
    watched = run_preloaded(gilscope, [python, script(code)], tmp_path / "x.gsc")
    assert plain.stdout == "got []\n"
    blocked, got = watched.stdout.splitlines()
    assert got == "got []"
    # Neither SIGKILL, SIGSTOP nor glibc's own 32 and 33, which setuid() and cancellation need.
    assert int(blocked.split()[1], 16) == (1 << 64) - 1 - (1 << 8) - (1 << 18) - (1 << 31) - (1 << 32)


# ---- programs that are not Python, or not a known one ----


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_callers_of_the_old_condition_variable_do_not_meet_us(gilscope, compile_c, tmp_path):
    program = compile_c("old_cond.c", "-pthread")
    plain, watched = run_plain([program]), run_preloaded(gilscope, [program], tmp_path / "x.gsc")
    assert (plain.returncode, plain.stdout) == (0, "0 1 0\n")
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, plain.stdout, "")
    bindings = run_preloaded(gilscope, [program], tmp_path / "x.gsc", env={"LD_DEBUG": "bindings"}).stderr
    bound = [line for line in bindings.splitlines() if "pthread_cond_" in line and "old_cond" in line.split(" to ")[0]]
    assert bound and not [line for line in bound if "libgilscope" in line.split(" to ")[1]], bound


@pytest.mark.parametrize("command", [
    ["bash", "-c", "echo out; ls / | wc -l; (exit 3); exit 4"],
    ["ls", "/"],
    ["git", "--version"],
    ["awk", "BEGIN { print 1; exit 5 }"],
    ["perl", "-e", "print fork() ? 'p' : 'c'; wait"],
])
def test_other_programs_do_not_notice(command, gilscope, tmp_path):
    if not shutil.which(command[0]):
        pytest.skip("no " + command[0])
    plain = run_plain(command)
    result = run_preloaded(gilscope, command, None, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (
        plain.returncode, plain.stdout, plain.stderr)
    assert os.listdir(tmp_path) == []


def test_old_python_runs_and_is_not_recorded(old_python, gilscope, tmp_path):
    code = "import sys, threading; t = threading.Thread(target=sys.exit); t.start(); t.join(); " \
           "print('ran'); sys.exit(3)"
    result = run_preloaded(gilscope, [old_python, "-c", code], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout) == (3, "ran\n")
    if old_python.version >= (3, 7):
        assert one_line_of_gilscope(result.stderr), result.stderr
    else:  # before _PyRuntime, it is not even seen to be Python
        assert result.stderr == "" or one_line_of_gilscope(result.stderr)
    assert not list(tmp_path.glob("*.gsc"))


def test_free_threaded_python_has_no_turns_but_those_of_imports(
        free_threaded_python, gilscope, stats, targets, tmp_path):
    """CPython switches the GIL on while it loads an extension module, and off again."""
    argv = [free_threaded_python, targets / "busy.py"]
    result = run_preloaded(gilscope, argv, tmp_path / "x.gsc")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "" or one_line_of_gilscope(result.stderr), result.stderr
    if (tmp_path / "x.gsc").exists():
        process = stats(tmp_path / "x.gsc")["processes"][0]
        assert process["free_threaded"] is True
        assert process["gil"]["acquisitions"] < 100
        assert process["gil"]["contended"] == 0
        assert total(process["threads"], "acquisitions") == process["gil"]["acquisitions"]


def test_exports_only_what_it_interposes(gilscope):
    nm = shutil.which("nm")
    if not nm:
        pytest.skip("no nm")
    out = subprocess.run([nm, "-D", "--defined-only", gilscope.agent], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    names = {line.split()[-1].split("@")[0] for line in out.splitlines()}
    preload = os.path.join(os.path.dirname(__file__), "../../preload")
    hooks = open(os.path.join(preload, "hooks.def")).read()
    interposed = set(re.findall(r"^GS_HOOK\((\w+)", hooks, re.M)) | {"dlsym"}
    cuda = open(os.path.join(preload, "cuda_calls.def")).read()
    bases = set(re.findall(r"^GS_CUDA_[A-Z_]+\((\w+)", cuda, re.M))
    names = {n for n in names if re.sub(r"(_v2)?(_pt[sd][sz])?$", "", n) not in bases and n not in bases}
    assert interposed <= names
    assert {n for n in names - interposed if not n.startswith("GLIBC_")} == set()


# ---- the output file ----


def test_file_mode_is_0600_whatever_the_umask(python, gilscope, tmp_path):
    code = "import os; os.umask(0)"
    run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc", umask=0)
    assert stat.S_IMODE((tmp_path / "x.gsc").stat().st_mode) == 0o600


def test_existing_file_is_kept_and_the_next_name_taken(python, gilscope, tmp_path, stats):
    (tmp_path / "x.gsc").write_text("precious")
    for _ in range(2):
        gilscope("run", "-o", tmp_path / "x.gsc", "--", python, "-c", "pass")
    assert sorted(os.listdir(tmp_path)) == ["x-1.gsc", "x-2.gsc", "x.gsc"]
    assert (tmp_path / "x.gsc").read_text() == "precious"
    gilscope("run", "-f", "-o", tmp_path / "x.gsc", "--", python, "-c", "pass")
    check_document(stats([tmp_path / n for n in os.listdir(tmp_path)]), processes=3)


def test_symbolic_link_is_not_followed(python, gilscope, tmp_path, stats):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "x.gsc").symlink_to("victim")
    (tmp_path / "dangling.gsc").symlink_to("nowhere")
    for name in ("x.gsc", "dangling.gsc"):
        result = run_preloaded(gilscope, [python, "-c", "pass"], tmp_path / name)
        assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "x.gsc").is_symlink() and not (tmp_path / "nowhere").exists()
    check_document(stats([tmp_path / "x-1.gsc", tmp_path / "dangling-1.gsc"]), processes=2)


@pytest.mark.parametrize("out", ["/nonexistent/x.gsc", "/proc/x.gsc", "/dev/null/x.gsc"])
def test_file_that_cannot_be_made_costs_one_line(out, python, gilscope, targets):
    result = run_preloaded(gilscope, [python, targets / "end.py", "exit"], out)
    assert (result.returncode, result.stdout) == (7, "at the end\n")
    assert one_line_of_gilscope(result.stderr), result.stderr
    quiet = run_preloaded(gilscope, [python, targets / "end.py", "exit"], out,
                          env={"GILSCOPE_QUIET": 1})
    assert (quiet.returncode, quiet.stderr) == (7, "")


def test_file_size_limit_does_not_disturb_the_program(python, gilscope, targets, tmp_path):
    code = ("import resource, runpy, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
            "sys.argv[1:] = ['1.0']; sys.path.insert(0, %r)\n"
            "runpy.run_path(%r)\n") % (str(targets), str(targets / "turns.py"))
    result = run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc",
                           env={"GILSCOPE_LEVEL": 2, "GILSCOPE_BUDGET": 100})
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert result.stderr == "" or one_line_of_gilscope(result.stderr), result.stderr
    size = (tmp_path / "x.gsc").stat().st_size
    assert size <= 65536
    read = gilscope("stats", "--json", tmp_path / "x.gsc", expect_rc=None)
    assert read.returncode in (0, 4), read.stderr
    assert json.loads(read.stdout)["capture"]["complete"] is False


def test_max_size_is_kept_to_within_a_flush(python, gilscope, targets, tmp_path):
    gilscope("run", "-o", tmp_path / "x.gsc", "--max-size", "100K", "--level", "2",
             "--budget", "100", "--", python, targets / "turns.py", "1.0")
    assert (tmp_path / "x.gsc").stat().st_size <= (100 + 64) * 1024
    gilscope("stats", "--json", tmp_path / "x.gsc")


@as_root
def test_full_disk_does_not_disturb_the_program(python, gilscope, targets, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
                           stderr=subprocess.PIPE, text=True)
    if mount.returncode:
        pytest.skip("no tmpfs can be mounted here: " + mount.stderr.strip())
    try:
        (disk / "filler").write_bytes(bytes(980 * 1024))
        result = run_preloaded(gilscope, [python, targets / "turns.py", "1.5"], disk / "x.gsc",
                               env={"GILSCOPE_LEVEL": 2, "GILSCOPE_BUDGET": 100})
        assert (result.returncode, result.stdout) == (0, "done\n")
        assert result.stderr == "" or one_line_of_gilscope(result.stderr), result.stderr
        read = gilscope("stats", "--json", disk / "x.gsc", expect_rc=None)
        assert read.returncode in (0, 4), read.stderr
        assert json.loads(read.stdout)["capture"]["complete"] is False
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_preload_of_others_stays_behind_ours(python, gilscope, tmp_path):
    code = "import os; print(os.environ['LD_PRELOAD'])"
    result = gilscope("run", "-o", tmp_path / "x.gsc", "--", python, "-c", code,
                      env={"LD_PRELOAD": "libm.so.6"})
    assert result.stdout.strip() == "%s:libm.so.6" % gilscope.agent

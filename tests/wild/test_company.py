# SPDX-License-Identifier: MIT
"""In company: other preloads in either order, other profilers, debug modes, programs that embed
Python, and programs that are not Python. The program's output is what it is without the agent, and the
capture is right."""

import concurrent.futures
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from conftest import CACHE, clean_env
from preloaded import run_plain, run_preloaded
from sums import check_document, check_process
from venvs import venv_of

pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

WORK = """
import sys, threading, time
def work():
    end, rows = time.perf_counter() + 0.3, []
    while time.perf_counter() < end:
        rows.append(bytearray(3000))
        rows = rows[-50:]
    return rows
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print("done", len(sys.argv))
"""


@pytest.fixture
def program(script):
    return script(WORK, "work.py")


def check(doc, processes=1):
    check_document(doc, processes=processes)
    assert doc["processes"][0]["gil"]["contended"] > 0  # it was seen; how often is for the machine to say


# ---- other preloads ----

PRELOADS = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    "mimalloc": ("libmimalloc.so.2*", "libmimalloc2.0"),
    "libfaketime": ("faketime/libfaketimeMT.so.1", "libfaketime"),
}


def find_library(name):
    pattern, package = PRELOADS[name]
    found = sorted(glob.glob("/usr/lib/x86_64-linux-gnu/" + pattern))
    return os.path.realpath(found[0]) if found else pytest.skip("no %s (Debian: %s)" % (name, package))


@pytest.mark.parametrize("order", ["agent first", "agent last"])
@pytest.mark.parametrize("other", sorted(PRELOADS))
@pytest.mark.pythons(per_minor=True)
def test_other_preload(other, order, python, gilscope, program, stats, tmp_path):
    if python.source == "matrix":
        pytest.skip("runs on a C library of its own")
    libraries = [find_library(other), gilscope.agent]
    if order == "agent first":
        libraries.reverse()
    env = {"LD_PRELOAD": " ".join(map(str, libraries)), "FAKETIME": "+3d"}
    plain = run_plain([python, program], env={"LD_PRELOAD": libraries[order == "agent first"], "FAKETIME": "+3d"})
    watched = run_preloaded(gilscope, [python, program], tmp_path / "x.gsc", env=env)
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, plain.stdout, plain.stderr)
    check(stats(tmp_path / "x.gsc"))


UNSEEN = "no turn of the GIL was seen"


@pytest.fixture
def wrapper(compile_c):
    """A preload with wrappers of its own of the condition variables' functions, and run(preloads) that
    answers how often they were called."""
    library = compile_c("wrap_cond.c", "-shared", "-fPIC")

    def run(gilscope, argv, out, preloads):
        read, write = os.pipe()
        env = {"LD_PRELOAD": " ".join(str(p) for p in preloads), "WRAP_FD": str(write)}
        result = run_preloaded(gilscope, argv, out, env=env, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as f:
            return result, [int(n) for n in f.read().split()]

    return library, run


def test_wrapper_without_a_version_is_called(wrapper, python, gilscope, program, stats, tmp_path):
    """As ThreadSanitizer's are: it would take what it does not see for races."""
    library, run = wrapper
    result, (signals, waits) = run(gilscope, [python, program], tmp_path / "x.gsc", [gilscope.agent, library])
    assert (result.returncode, result.stdout, result.stderr) == (0, "done 1\n", "")
    doc = stats(tmp_path / "x.gsc")
    check(doc)
    gil = doc["processes"][0]["gil"]
    assert signals >= 2 * gil["acquisitions"] - 1 and waits >= gil["contended"]
    assert not [note for note in doc["processes"][0]["notes"] if UNSEEN in note]


def test_wrapper_before_the_agent_hides_the_gil_and_a_line_says_so(
        wrapper, python, gilscope, program, stats, tmp_path):
    library, run = wrapper
    result, (signals, _) = run(gilscope, [python, program], tmp_path / "x.gsc", [library, gilscope.agent])
    assert (result.returncode, result.stdout, result.stderr) == (0, "done 1\n", "")
    process, = stats(tmp_path / "x.gsc")["processes"]
    assert signals > 10 and process["gil"]["acquisitions"] == 0
    note, = process["notes"]
    assert UNSEEN in note and "put the agent first in LD_PRELOAD" in note
    assert UNSEEN in gilscope("stats", tmp_path / "x.gsc").stdout


def test_wrapper_of_the_old_condition_variable_is_not_called(compile_c, python, gilscope, program, stats, tmp_path):
    """It aborts: whose condition variables are the new ones must not meet the old functions."""
    versions = tmp_path / "old.map"
    versions.write_text("GLIBC_2.2.5 {};\n")
    library = compile_c("wrap_cond.c", "-shared", "-fPIC", "-DOLD", "-Wl,--version-script=%s" % versions)
    env = {"LD_PRELOAD": "%s %s" % (gilscope.agent, library)}
    watched = run_preloaded(gilscope, [python, program], tmp_path / "x.gsc", env=env)
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, "done 1\n", "")
    check(stats(tmp_path / "x.gsc"))


def test_time_that_runs_ten_times_as_fast_is_not_ours(python, gilscope, script, stats, tmp_path):
    """libfaketime makes the program's second a tenth of one; holds are measured by the true clock."""
    code = "import hashlib, threading\n" \
           "def work():\n    for _ in range(60): hashlib.sha256(bytes(2000000)).digest(); sum(range(200000))\n" \
           "ts = [threading.Thread(target=work) for _ in range(2)]\n" \
           "[t.start() for t in ts]; [t.join() for t in ts]"
    library = find_library("libfaketime")
    for preload in "%s %s" % (gilscope.agent, library), "%s %s" % (library, gilscope.agent):
        start = time.monotonic()
        env = {"LD_PRELOAD": preload, "FAKETIME": "+0d x10", "GILSCOPE_FORCE": "1"}
        result = run_preloaded(gilscope, [python, script(code)], tmp_path / "x.gsc", env=env)
        wall_ns = (time.monotonic() - start) * 1e9
        assert (result.returncode, result.stderr) == (0, "")
        doc = stats(tmp_path / "x.gsc")
        check_document(doc)
        assert wall_ns / 3 < doc["processes"][0]["duration_ns"] < wall_ns


# ---- other profilers ----


@pytest.fixture(scope="session")
def tools():
    """The folder of the tools' programs: a venv of the interpreter that runs the tests."""
    return venv_of(sys.executable, sys.version_info, "company")


PROFILERS = {
    "memray": ["memray", "run", "-q", "-f", "-o", "{out}"],
    "memray native": ["memray", "run", "-q", "-f", "--native", "-o", "{out}"],
    "viztracer": ["viztracer", "--quiet", "-o", "{out}.json"],
    "coverage": ["coverage", "run", "--data-file={out}"],
    "py-spy": ["py-spy", "record", "-d", "30", "-r", "200", "-o", "{out}.svg", "--", "{python}"],
    "py-spy native": ["py-spy", "record", "--native", "-d", "30", "-o", "{out}.svg", "--", "{python}"],
}


@pytest.mark.parametrize("name", sorted(PROFILERS))
def test_other_profiler(name, tools, gilscope, program, stats, tmp_path, measured):
    """Each with the agent in the same process; both have their say."""
    fill = {"out": tmp_path / "theirs", "python": tools / "python"}
    argv = [tools / PROFILERS[name][0], *(arg.format(**fill) for arg in PROFILERS[name][1:]), program]
    result = run_preloaded(gilscope, argv, tmp_path / "x-%p.gsc")
    if "Permission denied" in result.stderr or "permitted" in result.stderr:
        pytest.skip("%s may not look at other processes here" % name)
    assert result.returncode == 0 and "done 1\n" in result.stdout, result.stderr
    assert "gilscope" not in result.stderr
    assert [f for f in tmp_path.iterdir() if f.name.startswith("theirs") and f.stat().st_size > 100]
    captures = sorted(tmp_path.glob("x-*.gsc"))
    docs = [stats(c) for c in captures]
    assert any(d["processes"][0]["gil"]["contended"] > 0 for d in docs)
    for doc in docs:
        check_process(doc["processes"][0])
    measured("company: %s: both recorded" % name)


# ---- the interpreter's own modes ----

MODES = {
    "dev": (["-X", "dev"], {}),
    "malloc debug": ([], {"PYTHONMALLOC": "debug"}),
    "malloc": ([], {"PYTHONMALLOC": "malloc"}),
    "tracemalloc": ([], {"PYTHONTRACEMALLOC": "5"}),
    "bind now": ([], {"LD_BIND_NOW": "1"}),
    "faulthandler later": (["-X", "faulthandler"], {}),
    "importtime off, isolated": (["-I", "-S"], {}),
    "glibc tunables": ([], {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}),
    "malloc checks": ([], {"MALLOC_PERTURB_": "165"}),
}


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.pythons(per_minor=True)
def test_mode_of_the_interpreter(mode, python, gilscope, program, stats, tmp_path):
    options, env = MODES[mode]
    argv = [python, *options, program]
    plain = run_plain(argv, env=env)
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc", env=env)
    assert (watched.returncode, watched.stdout, watched.stderr) == (
        plain.returncode, plain.stdout, plain.stderr)
    assert watched.returncode == 0
    check(stats(tmp_path / "x.gsc"))


DUMPED_LATER = """
import faulthandler, sys, threading, time
ready, stop = threading.Barrier(4), threading.Event()
def work():
    ready.wait()
    while not stop.is_set():
        sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
ready.wait()  # from here on the four threads live, until the dump has ended with the oldest
with open(sys.argv[1], "w+") as dump:
    faulthandler.dump_traceback_later(0.1, file=dump)
    while "in <module>" not in open(sys.argv[1]).read():
        time.sleep(0.01)
    stop.set()
    for t in threads: t.join()
print("done")
"""


@pytest.mark.pythons(per_minor=True)
def test_faulthandler_dumps_later(python, gilscope, script, tmp_path):
    """Its watchdog thread has no Python state; the dump has the program's threads, and none of ours."""
    argv = [python, script(DUMPED_LATER)]
    plain = run_plain([*argv, tmp_path / "plain"])
    watched = run_preloaded(gilscope, [*argv, tmp_path / "watched"], tmp_path / "x.gsc")
    dumps = [(tmp_path / name).read_text() for name in ("plain", "watched")]
    assert (watched.stdout, watched.stderr) == (plain.stdout, plain.stderr) == ("done\n", "")
    assert [dump.count("Thread 0x") for dump in dumps] == [4, 4]
    assert [dump.count(" in work") for dump in dumps] == [3, 3]


# ---- hosts ----


def test_gdb_that_embeds_python(gilscope, tmp_path):
    gdb = shutil.which("gdb") or pytest.skip("no gdb")
    argv = [gdb, "-nx", "-batch", "-ex",
            "python import threading; t = threading.Thread(target=lambda: print(6 * 7)); t.start(); t.join()"]
    plain, watched = run_plain(argv), run_preloaded(gilscope, argv, tmp_path / "%p.gsc")
    assert "42" in plain.stdout
    assert (watched.returncode, watched.stdout, watched.stderr) == (plain.returncode, plain.stdout, plain.stderr)


@pytest.mark.parametrize("command", [
    ["pypy3", "-c", "import threading; t = threading.Thread(target=print, args=(1,)); t.start(); t.join()"],
    ["bash", "-c", "echo $((6 * 7)); (exit 3); exec true"],
    ["git", "log", "-1", "--format=%H"],
    ["perl", "-e", "print fork() ? 'p' : 'c'; wait"],
    ["java", "-version"],
    ["node", "-e", "console.log(6 * 7)"],
])
def test_program_that_is_not_cpython(command, gilscope, tmp_path):
    if not shutil.which(command[0]):
        pytest.skip("no " + command[0])
    plain, watched = run_plain(command), run_preloaded(gilscope, command, tmp_path / "%p.gsc")
    assert (watched.returncode, watched.stdout, watched.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert os.listdir(tmp_path) == []


@as_root
def test_setuid_program_runs_unrecorded(gilscope, tmp_path, compile_c):
    """The loader ignores LD_PRELOAD there: nothing is recorded, nothing is said by us."""
    copy = tmp_path / "setuid-id"
    shutil.copy(shutil.which("id"), copy)
    copy.chmod(0o4755)
    tmp_path.chmod(0o755)
    argv = ["setpriv", "--reuid=65534", "--clear-groups", copy, "-u"]
    plain, watched = run_plain(argv), run_preloaded(gilscope, argv, tmp_path / "%p.gsc")
    if plain.returncode:
        pytest.skip("setpriv cannot: " + plain.stderr)
    assert (watched.returncode, watched.stdout) == (0, plain.stdout)
    assert not list(tmp_path.glob("*.gsc"))


# ---- a server that loads Python, forks, and begins anew ----

APP = """
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (sum(range(200000)), os.getpid())]
"""


def get(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=20) as answer:
        return tuple(int(n) for n in answer.read().split())


def get_from(port, wanted):
    """Asks until wanted(pid): a server that starts, or starts again, refuses or drops some."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            answer = get(port)
            if wanted(answer[1]):
                return answer
        except OSError:
            pass
        time.sleep(0.05)
    return pytest.fail("no such answer within 30 s")


@pytest.fixture
def uwsgi(gilscope, script, tmp_path):
    """(process, port) of a master with two workers of three threads each"""
    program = shutil.which("uwsgi") or pytest.skip("no uwsgi (Debian: uwsgi-core, uwsgi-plugin-python3)")
    if not glob.glob("/usr/lib/uwsgi/plugins/python3_plugin.so"):
        pytest.skip("no plugin of uwsgi (Debian: uwsgi-plugin-python3)")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    argv = [program, "--plugin", "python3", "--master", "--processes", "2", "--threads", "3", "--need-app",
            "--http-socket", "127.0.0.1:%d" % port, "--wsgi-file", script(APP, "app.py"), "--die-on-term",
            "--disable-logging"]
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": tmp_path / "x-%p.gsc"})
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(list(map(str, argv)), env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_uwsgi_reloads_under_requests(uwsgi, stats, tmp_path):
    process, port = uwsgi
    get_from(port, bool)
    with concurrent.futures.ThreadPoolExecutor(6) as clients:
        before = list(clients.map(lambda _: get(port), range(90)))
        old = {pid for _, pid in before}
        process.send_signal(signal.SIGHUP)
        get_from(port, lambda pid: pid not in old)
        after = list(clients.map(lambda _: get_from(port, lambda pid: pid not in old), range(90)))
    process.terminate()
    assert process.wait(60) == 0, (tmp_path / "log").read_text()
    assert {total for total, _ in before + after} == {sum(range(200000))}
    assert "gilscope" not in (tmp_path / "log").read_text()
    found = {}  # by pid; the master's first life ended in an exec of itself
    for capture in tmp_path.glob("x-*.gsc"):
        doc = stats(capture)
        check_document(doc)
        found.setdefault(doc["processes"][0]["pid"], []).append(doc["processes"][0])
    workers = old | {pid for _, pid in after}
    assert set(found) >= workers | {process.pid} and len(found[process.pid]) == 2
    assert [note for p in found[process.pid] for note in p["notes"] if re.fullmatch("exec: .*uwsgi", note)]
    assert sum(p["gil"]["contended"] for pid in workers for p in found[pid]) > 5


TORCH = """
import threading, torch
from torch.profiler import profile, ProfilerActivity
a, sums = torch.ones(200, 200), set()
def work():
    for _ in range(150): sums.add((float((a @ a).sum()), sum(range(3000))))
with profile(activities=[ProfilerActivity.CPU]) as p:
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads: t.start()
    work()
    for t in threads: t.join()
print(sums, any("mm" in e.key and e.count >= 150 for e in p.key_averages()))
"""


def test_torch_profiler(gilscope, script, stats, tmp_path):
    """Its hooks are PyTorch's and CPython's own, not libc's: both have their say."""
    pythons = sorted((CACHE / "wild").glob("torch-*/bin/python"))
    if not pythons or run_plain([pythons[0], "-c", "import torch.profiler"]).returncode:
        pytest.skip("no PyTorch in a venv %s/wild/torch-3.X" % CACHE)
    watched = run_preloaded(gilscope, [pythons[0], script(TORCH)], tmp_path / "x.gsc", timeout=120)
    assert (watched.returncode, watched.stdout) == (0, "{(8000000.0, 4498500)} True\n"), watched.stderr
    assert "gilscope" not in watched.stderr
    check(stats(tmp_path / "x.gsc"))


# ---- containers ----

# What Docker's default profile refuses, and what stricter ones do: numbers of x86-64.
DOCKER = "310,311,101,298,312,272,308,323,246,320"
STRICT = DOCKER + ",436,314,315,157,28,203"


@pytest.mark.parametrize("profile", [DOCKER, STRICT])
@pytest.mark.pythons(per_minor=True)
def test_seccomp_profile_of_a_container(profile, python, gilscope, program, stats, compile_c, tmp_path):
    refuse = compile_c("refuse.c")
    plain = run_plain([refuse, profile, python, program])
    watched = run_preloaded(gilscope, [refuse, profile, python, program], tmp_path / "x.gsc")
    if watched.returncode == 77:
        pytest.skip("no seccomp: " + watched.stderr)
    assert (watched.returncode, watched.stdout) == (plain.returncode, plain.stdout)
    lines = watched.stderr.splitlines()
    if (tmp_path / "x.gsc").exists():
        assert lines == []
        check(stats(tmp_path / "x.gsc"))
    else:
        assert len(lines) == 1 and "no MADV_WIPEONFORK" in lines[0], watched.stderr


def in_namespace(commands):
    return ["unshare", "-m", "bash", "-c", " && ".join(commands)]


@as_root
def test_no_proc(python, gilscope, program, stats, tmp_path):
    commands = ["umount -l /proc", "exec %s %s" % (python, program)]
    watched = run_preloaded(gilscope, in_namespace(commands), tmp_path / "x.gsc")
    if "umount:" in watched.stderr or "unshare failed" in watched.stderr:
        pytest.skip(watched.stderr.strip())
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, "done 1\n", "")
    doc = stats(tmp_path / "x.gsc")
    check(doc)


@pytest.fixture
def open_folder():
    """One that every user may enter: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="gilscope-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@as_root
def test_read_only_root_and_an_ordinary_user(python, gilscope, stats, tmp_path, open_folder, script):
    """As in a hardened pod: nothing can be written but one folder, and nobody is root."""
    out = open_folder
    plain_python = shutil.which("python3.11", path="/usr/bin") or pytest.skip("no Python an ordinary user may run")
    work = script(WORK)
    inner = ["mount -t tmpfs tmpfs %s" % out, "chmod 777 %s" % out,
             "cp %s %s/agent.so" % (gilscope.agent, out), "cp %s %s/work.py" % (work, out),
             "mount -o remount,ro,bind /",
             "LD_PRELOAD=%s/agent.so GILSCOPE_OUT=%s/x.gsc setpriv --reuid=65534 --regid=65534 --clear-groups %s "
             "%s/work.py" % (out, out, plain_python, out), "cat %s/x.gsc >&3" % out]
    capture = tmp_path / "copied.gsc"
    with open(capture, "wb") as f:
        shell = "exec 3>&%d; %s" % (f.fileno(), " && ".join(inner))
        result = subprocess.run(["unshare", "-m", "bash", "-c", shell], env=clean_env(), pass_fds=[f.fileno()],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if result.returncode and ("mount:" in result.stderr or "Permission denied" in result.stderr):
        pytest.skip(result.stderr.strip())
    assert (result.returncode, result.stdout, result.stderr) == (0, "done 1\n", "")
    check(stats(capture))

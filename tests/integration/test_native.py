# SPDX-License-Identifier: MIT
"""Native stacks: what they look like on every interpreter, and what recording them must survive."""
import pathlib
import shutil
import subprocess

import pytest

from conftest import clean_env
from sync_rows import Sync

one_version = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)

CONTENDED = """
import threading, time
def work(end):
    while time.monotonic() < end:
        sorted(range(20000), key=str)
def run():
    end = time.monotonic() + 0.6
    threads = [threading.Thread(target=work, args=(end,)) for _ in range(2)]
    for t in threads: t.start()
    for t in threads: t.join()
run()
"""


def loop_of(path):
    """Where _PyEval_EvalFrameDefault lies in a file, in the file's own addresses; None: it does not say, or each
    instruction of Python is a function of its own (tail calls, from 3.14 on)."""
    out = subprocess.run(["nm", "-D", "-S", "--defined-only", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         env=clean_env(), check=False, timeout=60).stdout.decode()
    for line in out.splitlines():
        words = line.split()
        if len(words) == 4 and words[3] == "_PyEval_EvalFrameDefault" and int(words[1], 16) > 8192:
            return range(int(words[0], 16), int(words[0], 16) + int(words[1], 16))
    return None


class Native:
    def __init__(self, gilscope, file):
        records = Sync(gilscope, file).records
        self.modules = {m[0]: m for m in records.get("NATIVE_MODULE", ())}
        self.stacks = records.get("NATIVE_STACK", ())
        self.python = {s[0]: s for s in records.get("STACK", ())}
        self.events = records.get("EVENT", ())

    def loops(self, frames):
        paths = {module: self.modules[module][6] for module, _ in frames if module}
        found = {module: loop_of(path) for module, path in paths.items()}
        return sum(bool(found.get(module)) and offset in found[module] for module, offset in frames)


@pytest.mark.skipif(shutil.which("nm") is None, reason="there is no nm")
def test_each_run_of_the_loop_has_its_frame(python, gilscope, record, script):
    """The frames reach from Python's code to where the thread began, and those of the interpreter's loop are as many as
    the Python frames say; but for code that the compiler has put elsewhere (.cold)."""
    native = Native(gilscope, record(python, [script(CONTENDED)], options=["--native"]).file)
    whole = [s for s in native.stacks if not s[2]]
    assert len(whole) >= 3 and len(whole) >= 0.8 * len(native.stacks)  # a file may be newer than the last look
    fits = 0
    for _, python_stack, _, runs, frames in whole:
        assert all(module in native.modules for module, _ in frames)
        _, python_truncated, python_frames = native.python[python_stack]
        assert sum(runs) == len(python_frames) and not python_truncated
        fits += native.loops(frames) == len(runs)
    if any(loop_of(m[6]) for m in native.modules.values()):
        assert fits >= 0.9 * len(whole), (fits, native.stacks)


def test_nothing_without_the_option(python, gilscope, record, script):
    native = Native(gilscope, record(python, [script(CONTENDED)]).file)
    assert not native.stacks and not native.modules


# ---- what it must survive ----

BESIDE = """
import ctypes, os, shutil, sys, tempfile, threading, time
end = time.monotonic() + 1.5
def work():
    while time.monotonic() < end:
        sorted(range(20000), key=str)
def run(*others):
    threads = [threading.Thread(target=f) for f in (work, work, *others)]
    for t in threads: t.start()
    for t in threads: t.join()
    print("over")
"""
STORM = BESIDE + """
import _ctypes, glob
libraries = [p for p in glob.glob("/lib/x86_64-linux-gnu/libm.so.6") + glob.glob("/usr/lib*/libm.so.6")][:1]
def storm():
    with tempfile.TemporaryDirectory() as folder:
        names = [shutil.copy(libraries[0], "%s/lib%d.so" % (folder, i)) for i in range(4)]
        while time.monotonic() < end:
            for name in names:
                lib = ctypes.CDLL(name)
                lib.cos
                _ctypes.dlclose(lib._handle)
run(storm)
"""
# The loader's lock is held while the callback waits for the GIL.
CALLBACK = BESIDE + """
LOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
def look(info, size, data):
    for _ in range(50): str(size)
    return 0
def iterate():
    while time.monotonic() < end:
        ctypes.CDLL(None).dl_iterate_phdr(LOOK(look), None)
run(iterate)
"""
SMALL = "import threading\nthreading.stack_size(64 << 10)\n" + BESIDE + "run()\n"
FORKS = BESIDE + """
def forks():
    while time.monotonic() < end:
        pid = os.fork()
        if not pid:
            sorted(range(2000), key=str)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
run(forks)
"""
# subprocess takes vfork where it can.
VFORKS = BESIDE + """
import subprocess
def spawn():
    while time.monotonic() < end:
        subprocess.run(["/bin/true"], close_fds=False, check=True)
run(spawn)
"""
THREADS = BESIDE + """
def storm():
    while time.monotonic() < end:
        threads = [threading.Thread(target=sorted, args=(range(20000),)) for _ in range(20)]
        for t in threads: t.start()
        for t in threads: t.join()
run(storm)
"""


@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("program", [STORM, CALLBACK, SMALL, FORKS, VFORKS, THREADS],
                         ids=["dlopen_storm", "loader_lock", "small_stacks", "forks", "vforks", "short_threads"])
def test_it_goes_on(program, python, gilscope, record, script):
    capture = record(python, [script(program)], options=["--native"])
    assert capture.stdout == "over\n"
    assert any(Native(gilscope, file).stacks for file in capture.files)


EXCEPTION = """
#include <cstdio>
#include <stdexcept>
__attribute__((noinline)) static int thrower(int n) { if (n >= 0) throw std::runtime_error("x"); return n; }
extern "C" int throws(int n) { try { return thrower(n); } catch (const std::exception &) { return 7; } }
"""


@one_version
@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_exceptions_are_thrown_by_who_threw_them_before(python, gilscope, record, script, tmp_path):
    (tmp_path / "e.cc").write_text(EXCEPTION)
    subprocess.run(["c++", "-shared", "-fPIC", "-O1", "e.cc", "-o", "e.so"], cwd=str(tmp_path), check=True,
                   env=clean_env(), timeout=60)
    code = BESIDE + """
lib = ctypes.PyDLL(%r)
def throw():
    while time.monotonic() < end:
        assert lib.throws(1) == 7
run(throw)
owner = [line.split()[-1] for line in open("/proc/self/maps") if int(line.split("-")[0], 16) <= ctypes.cast(
    ctypes.CDLL(None)._Unwind_RaiseException if False else ctypes.CDLL("libgcc_s.so.1")._Unwind_RaiseException,
    ctypes.c_void_p).value < int(line.split("-")[1].split()[0], 16)]
print(owner)
""" % str(tmp_path / "e.so")
    capture = record(python, [script(code)], options=["--native"])
    assert "libgcc_s" in capture.stdout.splitlines()[1]
    assert Native(gilscope, capture.file).stacks


CROOKED = """
import ctypes, sys, threading, time
lib = ctypes.PyDLL(sys.argv[1])
end = time.monotonic() + 3
def other():
    while time.monotonic() < end:
        sum(range(1000))
def in_c():
    while time.monotonic() < end:
        for name in ("no_table", "lies_by_bp", "lies_far", "lies_near"):
            for _ in range(10):
                getattr(lib, name)()
threads = [threading.Thread(target=f) for f in (other, in_c)]
for t in threads: t.start()
for t in threads: t.join()
print("over")
"""


@pytest.mark.pythons(per_minor=True)
def test_frames_that_are_not_what_they_should_be(python, gilscope, record, script, compile_c):
    library = compile_c("crooked.c", "-shared", "-fPIC", "-nostartfiles")
    capture = record(python, [script(CROOKED), library], options=["--native", "--budget", "100"])
    assert capture.stdout == "over\n"
    lines = gilscope("export", "collapsed", "--metric", "wait", "--stacks", "both", capture.file).stdout.splitlines()
    for name in ("no_table", "lies_by_bp", "lies_far"):  # behind the fourth may seem to be nothing more
        stacks = [line for line in lines if ";%s (" % name in line]
        assert stacks and all(";in_c (" in line for line in stacks), (name, lines)


PERF = """
import threading, time
end = time.monotonic() + 1
def inner():
    return sum(i * i for i in range(30000))
def spins():
    while time.monotonic() < end:
        inner()
threads = [threading.Thread(target=spins) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
"""


@pytest.mark.pythons(min=(3, 12))
def test_trampolines_of_x_perf_give_way(python, gilscope, record, script):
    capture = record(python, ["-X", "perf", script(PERF)], options=["--native"])
    argv = ["export", "collapsed", "--metric", "wait", capture.file, "--stacks"]
    native, both = (gilscope(*argv, view).stdout.splitlines() for view in ("native", "both"))
    maps = list(pathlib.Path("/tmp").glob("perf-%s.map" % capture.file.stem))
    assert len(maps) == 1
    maps[0].unlink()
    assert any(";py::spins:" in line for line in native), native
    whole = [line for line in both if ";spins (" in line]
    assert whole and not any("py::" in line or "(truncated)" in line for line in whole), whole

# SPDX-License-Identifier: MIT
"""Names, lines and inlined functions of native frames, from a library that waits for the GIL in a known chain."""
import re
import shutil
import subprocess

import pytest

from conftest import clean_env

CHAIN = r"""
#include <time.h>
extern void *PyEval_SaveThread(void);
extern void PyEval_RestoreThread(void *);
static void spin_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < end);
}
static inline __attribute__((always_inline)) void lets_go(int ms)
{
    spin_ms(ms);
    PyEval_RestoreThread(PyEval_SaveThread()); /* line 17 */
}
static __attribute__((noinline)) void holds(int ms)
{
    lets_go(ms);
    __asm__ volatile("" ::: "memory");
}
void enters(int ms)
{
    holds(ms);
    __asm__ volatile("" ::: "memory");
}
"""
WORKER = """namespace outer { struct Worker { static void work(int ms); }; }
__attribute__((noinline)) void outer::Worker::work(int ms)"""
CPP = CHAIN.replace("extern void", 'extern "C" void').replace("void enters(int ms)", WORKER) + r"""
extern "C" void enters(int ms)
{
    outer::Worker::work(ms);
    __asm__ volatile("" ::: "memory");
}
"""
PROGRAM = """
import ctypes, threading, time
lib = ctypes.PyDLL(%r)
end = time.monotonic() + 1
def other():
    while time.monotonic() < end:
        sum(range(1000))
def in_c():
    while time.monotonic() < end:
        lib.enters(8)
threads = [threading.Thread(target=f) for f in (other, in_c)]
for t in threads: t.start()
for t in threads: t.join()
"""

pytestmark = [pytest.mark.pythons(per_minor=True),
              pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")]


def tool(*argv, cwd):
    subprocess.run([str(a) for a in argv], cwd=str(cwd), check=True, env=clean_env(), timeout=60)


@pytest.fixture
def stacks(python, gilscope, record, script, tmp_path):
    """stacks(source, suffix, strip) -> the stacks in which the library waited for the GIL, outermost frame first"""
    def call(source, suffix="c", strip=None):
        (tmp_path / ("chain." + suffix)).write_text(source)
        tool("c++" if suffix == "cc" else "cc", "-g", "-O2", "-shared", "-fPIC", "chain." + suffix, "-o", "libchain.so",
             cwd=tmp_path)
        if strip == "apart":
            tool("objcopy", "--only-keep-debug", "libchain.so", "libchain.so.debug", cwd=tmp_path)
            tool("objcopy", "--strip-all", "--add-gnu-debuglink=libchain.so.debug", "libchain.so", cwd=tmp_path)
        elif strip:
            tool("strip", "--strip-all", "libchain.so", cwd=tmp_path)
        capture = record(python, [script(PROGRAM % str(tmp_path / "libchain.so"))], options=["--native"])
        argv = ["export", "collapsed", "--metric", "wait", "--stacks", "both", capture.file]
        lines = gilscope(*argv).stdout.splitlines()
        found = [line.rpartition(" ")[0].split(";") for line in lines if "enters" in line or "libchain" in line]
        assert found, lines
        return [[re.sub(r" \([^()]*/", " (", frame) for frame in stack] for stack in found]
    return call


def has_chain(stack, names):
    """The names stand one behind the other, called from Python's in_c."""
    functions = [frame.split(" (")[0] for frame in stack]
    return any(functions[i:i + len(names)] == names for i in range(len(functions))) and "in_c" in functions


def test_static_and_inlined_functions_have_names_and_lines(stacks):
    found = stacks(CHAIN)
    assert any(has_chain(s, ["enters", "holds", "lets_go"]) for s in found), found
    assert any(frame.startswith("lets_go (chain.c:17)") for s in found for frame in s), found


def test_debugging_information_in_a_file_apart(stacks):
    found = stacks(CHAIN, strip="apart")
    assert any(has_chain(s, ["enters", "holds", "lets_go"]) for s in found), found


def test_without_any_only_what_is_exported_has_a_name(stacks):
    found = stacks(CHAIN, strip="all")
    assert any("enters (libchain.so)" in s for s in found) and not any("holds" in f for s in found for f in s), found
    assert any(re.match(r"0x[0-9a-f]+ \(libchain.so\)", f) for s in found for f in s), found


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_names_of_cpp_are_demangled(stacks):
    found = stacks(CPP, suffix="cc")
    assert any(f.startswith("outer::Worker::work(int)") for s in found for f in s), found

# SPDX-License-Identifier: MIT
"""Where machine code is inside a long hold: a library that holds the GIL in a known chain."""
import pytest

from preloaded import run_preloaded
from sync_rows import Sync

PROGRAM = """
import ctypes, os, subprocess, threading, time
lib = ctypes.PyDLL(%r)
end = time.monotonic() + 2
def other():
    while time.monotonic() < end:
        sum(range(1000))
def in_c():
    while time.monotonic() < end:
        lib.enters(200)
%s
"""
BOTH = """
threads = [threading.Thread(target=f) for f in (other, in_c)]
for t in threads: t.start()
for t in threads: t.join()
print("over")
"""
ALONE = "in_c()\nprint('over')"
# Each holds for long, one after the other: more of them than have a perf event at a time.
MANY = """
threads = [threading.Thread(target=lib.enters, args=(25,)) for _ in range(60)]
for t in threads: t.start()
for t in threads: t.join()
print("over")
"""
FORKS = """
def forks():
    while time.monotonic() < end:
        pid = os.fork()
        if not pid:
            lib.enters(30)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        subprocess.run(["/bin/true"], close_fds=False, check=True)
threads = [threading.Thread(target=f) for f in (forks, in_c)]
for t in threads: t.start()
for t in threads: t.join()
print("over")
"""


@pytest.fixture
def library(compile_c):
    return str(compile_c("chain.c", "-g", "-O2", "-shared", "-fPIC"))


def why_not(gilscope, file):
    return [f[3] for f in Sync(gilscope, file).records.get("EVENT", ()) if f[1] == 20]


@pytest.mark.serial
@pytest.mark.parametrize("program", [BOTH, ALONE], ids=["contended", "alone"])
def test_the_chain_has_the_time(program, python, gilscope, record, script, library, measured):
    capture = record(python, [script(PROGRAM % (library, program))], options=["--native"])
    reasons = why_not(gilscope, capture.file)
    if reasons:
        pytest.skip(reasons[0])
    in_chain = in_all = 0
    for line in gilscope("export", "collapsed", "--metric", "hold", capture.file).stdout.splitlines():
        stack, _, ns = line.rpartition(" ")
        if ";in_c (" in stack:
            in_all += int(ns)
            in_chain += int(ns) * all(";%s (" % f in stack for f in ("enters", "holds", "inlined", "spin_ms"))
    assert in_all > 1e9 and in_chain > 0.94 * in_all, (in_chain, in_all)
    measured("native frames inside long holds, %s, %s: %.1f %% of the time in the chain"
             % (python.name, "contended" if program is BOTH else "alone", 100 * in_chain / in_all))


@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("program", [MANY, FORKS], ids=["many_threads", "forks"])
def test_it_goes_on(program, python, record, script, library):
    capture = record(python, [script(PROGRAM % (library, program))], options=["--native"])
    assert capture.stdout == "over\n"


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_refused_it_says_so_and_records_on(python, gilscope, script, library, compile_c, tmp_path):
    target = script(PROGRAM % (library, ALONE))
    result = run_preloaded(gilscope, [compile_c("refuse.c"), "298", python, target], tmp_path / "x.gsc",
                           env={"GILSCOPE_NATIVE": "1"})
    if result.returncode == 77:
        pytest.skip("no seccomp: " + result.stderr)
    assert (result.returncode, result.stdout) == (0, "over\n")
    reasons = why_not(gilscope, tmp_path / "x.gsc")
    assert len(reasons) == 1 and "seccomp" in reasons[0]

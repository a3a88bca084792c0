# SPDX-License-Identifier: MIT
"""Beside sanitizers: their runtimes are preloads with wrappers of much of libc. A library
built with one reports nothing because of the agent, and still finds what is wrong."""

import os
import re
import shutil
import subprocess

import pytest

from preloaded import run_plain, run_preloaded
from sums import check_document

pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)

PROGRAM = """
import ctypes, os, sys, threading, time, warnings
sanitized = ctypes.CDLL(sys.argv[1])
warnings.simplefilter("ignore", DeprecationWarning)  # ThreadSanitizer has a thread of its own
def spin(seconds=0.2):
    end = time.monotonic() + seconds
    while time.monotonic() < end: sum(range(1000))
threads = [threading.Thread(target=spin) for _ in range(3)]
for t in threads: t.start()
print(sanitized.handover(), sanitized.overrun(7), sanitized.overflow(-1), flush=True)
for t in threads: t.join()
time.sleep(0.1)  # until the kernel counts them no more: threads at a fork are reported
for _ in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        spin(0.05)
        sys.exit(sanitized.handover())
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    spin(0.05)
exec(sys.argv[3])
print("done")
"""
FAULTS = {"thread": "sanitized.race()", "address": "sanitized.overrun(8)", "undefined": "sanitized.overflow(1)"}
FOUND = {"thread": "data race", "address": "heap-buffer-overflow", "undefined": "signed integer overflow"}
SHARED = {"thread": "libtsan.so", "address": "libasan.so"}
UNSEEN = "no turn of the GIL was seen"


def runtime(name):
    """The library to preload."""
    cc = shutil.which("gcc") or pytest.skip("no gcc")
    path = subprocess.run([cc, "-print-file-name=" + name], stdout=subprocess.PIPE, text=True, check=True).stdout
    return os.path.realpath(path.strip()) if "/" in path else pytest.skip("no " + name)


@pytest.fixture
def library(compile_c):
    """library(sanitizer) -> the library built with it"""
    gcc = shutil.which("gcc") or pytest.skip("no gcc")

    def build(sanitizer):
        try:
            return compile_c("sanitized.c", "-g", "-shared", "-fPIC", "-fsanitize=" + sanitizer, compiler=gcc)
        except subprocess.CalledProcessError:
            return pytest.skip("gcc has no -fsanitize=" + sanitizer)

    return build


ORDERS = [("thread", "agent first"), ("thread", "agent last"), ("address", "agent first"), ("address", "agent last"),
          ("undefined", "agent first")]


@pytest.fixture
def sanitizer(request, library):
    """(name, order, the library built with it, env() without the agent and env(gilscope) with it)"""
    name, order = request.param
    preloads = [runtime(SHARED[name])] if name in SHARED else []
    options = {"ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=%d" % (order == "agent last"),
               "TSAN_OPTIONS": "die_after_fork=0",  # our thread may be late for a fork
               "UBSAN_OPTIONS": "halt_on_error=1"}

    def env(gilscope=None):
        agent = [gilscope.agent] if gilscope else []
        all_of_them = agent + preloads if order == "agent first" else preloads + agent
        return dict(options, LD_PRELOAD=" ".join(map(str, all_of_them)))

    return name, order, library(name), env


def plain_run(argv, env, expected):
    """Without the agent; where the sanitizer cannot run here, it is no company either."""
    plain = run_plain(argv, env=env)
    if "unexpected memory mapping" in plain.stderr:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    assert plain.returncode == 0 and plain.stdout == expected, plain.stderr
    return plain


@pytest.mark.parametrize("forks", [0, pytest.param(3, marks=pytest.mark.serial)])
@pytest.mark.parametrize("sanitizer", ORDERS, indirect=True, ids=" ".join)
@pytest.mark.pythons(per_minor=True)
def test_nothing_is_reported(sanitizer, forks, python, gilscope, script, stats, tmp_path):
    if python.source == "matrix":
        pytest.skip("runs on a C library of its own")
    name, order, library, env = sanitizer
    argv = [python, script(PROGRAM), library, forks, "pass"]
    plain = plain_run(argv, env(), "2 0 2147483646\n" + "4\n" * forks + "done\n")
    watched = run_preloaded(gilscope, argv, tmp_path / "x-%p.gsc", env=env(gilscope))
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, plain.stdout, plain.stderr)
    docs = [stats(capture) for capture in tmp_path.glob("x-*.gsc")]
    if (name, order) == ("thread", "agent last"):  # its wrapper calls ours: not Python's call
        process, = docs[0]["processes"]
        assert process["gil"]["acquisitions"] == 0 and UNSEEN in " ".join(process["notes"])
        return
    assert len(docs) == 1 + forks
    for doc in docs:
        check_document(doc)
        assert not doc["processes"][0]["notes"] or "fork" in doc["processes"][0]["notes"][0]
    assert max(doc["processes"][0]["gil"]["contended"] for doc in docs) > 5


@pytest.mark.parametrize("sanitizer", ORDERS, indirect=True, ids=" ".join)
def test_what_is_wrong_is_found(sanitizer, python, gilscope, script, tmp_path):
    name, _, library, env = sanitizer
    argv = [python, script(PROGRAM), library, 0, FAULTS[name]]
    plain = run_plain(argv, env=env())
    if FOUND[name] not in plain.stderr:
        pytest.skip("%s finds nothing here: %s" % (name, plain.stderr[-200:]))
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc", env=env(gilscope))
    assert FOUND[name] in watched.stderr and "gilscope" not in watched.stderr
    assert (watched.returncode, watched.stdout) == (plain.returncode, plain.stdout)
    kinds = [set(re.findall(r"(?:ERROR|WARNING): \w+Sanitizer: ([\w -]+?)(?: on| \(|$)", r.stderr, re.M))
             for r in (plain, watched)]
    assert kinds[0] == kinds[1], "nothing else is"

# SPDX-License-Identifier: MIT
"""The tools of the bill: how each records a program, and what it can tell about the GIL.

What is said of a tool's knowledge is what its documentation offers for CPython 3.12; --gil of py-spy
was tried.
"""

import os
import pathlib
import re
import subprocess
import sys

BENCH_DIR = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("GILSCOPE_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gilscope")
VENV = CACHE / "bench" / "venv-3.12"


def find_python312():
    for path in (*pathlib.Path("~/.pyenv/versions").expanduser().glob("3.12*/bin/python"),
                 pathlib.Path("/usr/bin/python3.12")):
        if path.exists():
            return str(path)
    return None


def setup_venv(python):
    """A venv with every tool, at the versions of requirements.txt."""
    base = python or find_python312()
    if not base:
        sys.exit("bill: --setup needs a CPython 3.12: name one with --python")
    subprocess.run([base, "-m", "venv", str(VENV)], check=True)
    subprocess.run([str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "-r",
                    str(BENCH_DIR / "requirements.txt")], check=True)


def venv_python():
    """The venv's interpreter; this one where there is no venv."""
    inside = VENV / "bin" / "python"
    return str(inside) if inside.exists() else sys.executable


class Tool:
    """`command` wraps [python, program, ...]; `env` is added; `out` names the file it writes."""

    def __init__(self, name, package, about_gil, command=None, env=None, version=None):
        self.name = name
        self.package = package
        self.about_gil = about_gil
        self._command = command
        self._env = env
        self._version = version

    @property
    def is_ours(self):
        return self.name.startswith("gilscope")

    def command(self, bench, program, out):
        return self._command(bench, program, out) if self._command else program

    def env(self, bench, out):
        return self._env(bench, out) if self._env else {}

    def version(self, bench):
        """Its version, or raises with the reason why it cannot be used."""
        if not self._version:
            return ""
        command = [str(x) for x in self._version(bench)]
        if not os.path.exists(command[0]):
            raise RuntimeError("not installed (%s)" % self.package)
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             timeout=60, env=bench.base_env)
        found = re.search(r"\d+\.\d+(\.\d+)?", run.stdout)
        if run.returncode != 0 or not found:
            lines = run.stdout.strip().splitlines() or ["exit code %d" % run.returncode]
            raise RuntimeError("does not run: " + lines[0])
        return found.group(0)


def _gilscope(name, about, **variables):
    def env(bench, out):
        return {"LD_PRELOAD": str(bench.agent), "GILSCOPE_OUT": out, "GILSCOPE_FORCE": "1", **variables}

    return Tool("gilscope " + name, "this tree", about, env=env,
                version=lambda bench: [bench.gilscope, "--version"])


def _rival(name, package, about, command, version="--version", program=None):
    def path(bench):
        return bench.venv / "bin" / (program or name)

    return Tool(name, package, about,
                command=lambda bench, target, out: [str(path(bench)), *command(target, out)],
                version=lambda bench: [path(bench), version])


GILSCOPE = [
    _gilscope("L0", "who held and who waited, how often and how long in all: exact, per thread",
              GILSCOPE_LEVEL="0"),
    _gilscope("L1", "the same, and each wait: whose fault, both stacks (default)", GILSCOPE_LEVEL="1"),
    _gilscope("L2", "the same, and each single turn", GILSCOPE_LEVEL="2"),
]
# Measured where they are named: --tools "gilscope --counters".
OPTIONAL = [
    _gilscope("--native", "as L1, with native frames, and samples of long holds", GILSCOPE_NATIVE="1"),
    _gilscope("--counters", "as L1, with CPU time, faults and context switches by state and stack",
              GILSCOPE_COUNTERS="task-clock,page-faults,context-switches"),
]
RIVALS = [
    _rival("py-spy", "py-spy", "share of samples in which a thread held it (--gil); no waits, no culprit",
           lambda target, out: ["record", "-r", "100", "-f", "raw", "-o", out, "--", *target]),
    _rival("austin", "austin-dist", "nothing: stacks by wall time (100 us interval, its default)",
           lambda target, out: ["-o", out, *target]),
    _rival("memray", "memray", "nothing: it records allocations",
           lambda target, out: ["run", "-q", "-f", "-o", out, *target[1:]]),
    _rival("scalene", "scalene", "nothing: samples of CPU (Python, native, system) and memory by line",
           lambda target, out: ["run", "-o", out, target[1], "---", *target[2:]]),
    _rival("viztracer", "viztracer", "nothing: a wait looks like time in the function that waited",
           lambda target, out: ["--quiet", "-o", out, "--", *target[1:]]),
]
# What tests/bench/allocations compares: what each knows of memory.
ALLOCATIONS = [
    _gilscope("default", "arenas: used, free, pinned, by size class and time; process memory"),
    _gilscope("--alloc", "the same, and by sampling: live bytes by stack, and whose blocks pin arenas",
              GILSCOPE_ALLOC="1"),
    _rival("memray", "memray", "every allocation from the system's allocator, by stack; of pymalloc its arenas",
           lambda target, out: ["run", "-q", "-f", "--aggregate", "-o", out, *target[1:]]),
    _rival("memray, Python's", "memray", "every allocation of Python's own, by stack; no arenas",
           lambda target, out: ["run", "-q", "-f", "--aggregate", "--trace-python-allocators", "-o", out,
                                *target[1:]], program="memray"),
]
# The program alone, twice: the second is the A/A interval beside every other's ratio.
OFF, AGAIN = Tool("off", "", ""), Tool("again", "", "")

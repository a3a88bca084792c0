# SPDX-License-Identifier: MIT
"""The tools of the bill: how each records a program, and what it can tell about the GIL.

What is said of a tool's knowledge is what its documentation offers for CPython 3.12; --gil of py-spy
was tried.
"""

import os
import re
import subprocess


class Tool:
    """`command` wraps [python, program, ...]; `env` is added; `out` names the file it writes."""

    def __init__(self, name, package, about_gil, command=None, env=None, version=None):
        self.name = name
        self.package = package
        self.about_gil = about_gil
        self._command = command
        self._env = env
        self._version = version

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


def _gilscope(level):
    def env(bench, out):
        return {"LD_PRELOAD": str(bench.agent), "GILSCOPE_OUT": out, "GILSCOPE_FORCE": "1",
                "GILSCOPE_LEVEL": str(level)}

    about = {0: "who held and who waited, how often and how long in all: exact, per thread",
             1: "the same, and each wait: whose fault, both stacks (default)",
             2: "the same, and each single turn"}[level]
    return Tool("gilscope L%d" % level, "this tree", about, env=env,
                version=lambda bench: [bench.gilscope, "--version"])


def _rival(name, package, about, command, version="--version", program=None):
    def path(bench):
        return bench.venv / "bin" / (program or name)

    return Tool(name, package, about,
                command=lambda bench, target, out: [str(path(bench)), *command(target, out)],
                version=lambda bench: [path(bench), version])


GILSCOPE = [_gilscope(level) for level in (0, 1, 2)]
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
# The program alone, twice: the second is the A/A interval beside every other's ratio.
OFF, AGAIN = Tool("off", "", ""), Tool("again", "", "")

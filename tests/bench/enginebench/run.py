# SPDX-License-Identifier: MIT
"""Programs of this tree and of others, run and measured; data sets, made once each."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from billing.tools import CACHE, BENCH_DIR

VENV = CACHE / "bench" / "venv-engines"
PEER = BENCH_DIR / "enginebench" / "peer.py"


class Failed(RuntimeError):
    """A wrong answer, or a program of ours that failed: ends the run."""


class Skipped(RuntimeError):
    """Something is not installed: the row says so."""


def least(times, n, key="cpu_ns"):
    return min(times[key]) / n


def output(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failed("%s: exit code %d: %s" % (pathlib.Path(str(command[0])).name, done.returncode,
                                               lines[-1] if lines else ""))
    return done.stdout


class Data:
    """A capture, and its rows for others."""

    def __init__(self, bench, capture, sizes):
        self.bench = bench
        self.capture = capture
        self.folder = capture.parent
        self.rows = sizes["rows"]
        self.sizes = sizes


class Bench:
    def __init__(self, build, python, folder, repeat, threads=2):
        self.build = build
        self.python = python
        self.folder = pathlib.Path(folder)
        self.repeat = repeat
        self.threads = threads
        self.gilscope = build / "bin" / "gilscope"
        self.versions = set()
        self.recorded = {}  # recorders.py
        self._data = {}
        self._stages = {}
        self._peers = {}

    def generate(self, name, slices, *options):
        path = self.folder / name
        output(self.build / "bin" / "gilscope-tracegen", "--slices", slices, "-o", path, *options)
        return path

    def data(self, rows):
        """One process, one GIL, all turns, no losses, no samples: what SQL can be asked about, too."""
        if rows not in self._data:
            folder = self.folder / ("rows-%d" % rows)
            folder.mkdir()
            capture = self.generate(folder.name + "/x.gsc", rows, "--threads", 8, "--seed", 7, "--what",
                                    "gil", "--no-samples")
            sizes = json.loads(output(self.build / "tests" / "gs_rows_of", capture, folder))
            self._data[rows] = Data(self, capture, sizes)
        return self._data[rows]

    def parquet(self, data):
        if "zstd_bytes" not in data.sizes:
            data.sizes.update(self._peer(data, "parquet"))
        return data.sizes

    def stage(self, name, data, jobs=1, engine="cpu"):
        """What gs_engine_ns prints; each is measured once."""
        key = (name, data.capture, jobs, engine)
        if key not in self._stages:
            self._stages[key] = json.loads(output(
                self.build / "tests" / "gs_engine_ns", "--jobs", jobs, "--engine", engine, "--repeat",
                self.repeat, name, data.capture))
        return self._stages[key]

    def stats(self, paths, engine, jobs, window_rows=0):
        return output(self.build / "tests" / "gs_engine_ns", "--engine", engine, "--jobs", jobs,
                      "--window-rows", window_rows, "stats", *paths)

    def _peer(self, data, query):
        if not self.python:
            raise Skipped("databases are not installed: tests/bench/engines --setup")
        return json.loads(output(self.python, PEER, data.folder, query, self.threads, self.repeat))

    def peer(self, query, data):
        """What peer.py prints for a query, say duckdb:group."""
        if (query, data.capture) not in self._peers:
            self.parquet(data)
            self._peers[query, data.capture] = self._peer(data, query)
            self.versions.add(self._peers[query, data.capture]["version"])
        return self._peers[query, data.capture]

    def watch(self, *command, stdin=None):
        """(wall ns, CPU ns, peak resident KiB, most anonymous KiB), memory looked at every ms or two. What
        wait4() says of memory is no less than what this process had when it forked."""
        with open(stdin or os.devnull, "rb") as given, open(self.folder / "out", "wb") as out:
            start = time.perf_counter_ns()
            process = subprocess.Popen([str(c) for c in command], stdin=given, stdout=out,
                                       stderr=subprocess.DEVNULL)
            peak, anonymous, ended, status, usage = 0, 0, 0, 0, None
            while not ended:
                seen = memory_kib(process.pid)
                peak, anonymous = max(peak, seen["VmHWM"]), max(anonymous, seen["RssAnon"])
                time.sleep(0.001)
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            wall = time.perf_counter_ns() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed("%s: exit code %d" % (command[0], process.returncode))
        return wall, int((usage.ru_utime + usage.ru_stime) * 1e9), peak, anonymous

    def best(self, *command, stdin=None, repeat=None):
        """Least times of a program, as those of a stage are given."""
        runs = [self.watch(*command, stdin=stdin) for _ in range(repeat or self.repeat)]
        return {"wall_ns": [r[0] for r in runs], "cpu_ns": [r[1] for r in runs]}


def memory_kib(pid):
    """Nothing of a process that has ended."""
    try:
        text = pathlib.Path("/proc/%d/status" % pid).read_text()
    except OSError:
        text = ""
    found = {"VmHWM": 0, "RssAnon": 0}
    found.update((key, int(kib)) for key, kib in re.findall(r"(VmHWM|RssAnon):\s+(\d+)", text))
    return found


def flamegraph_pl(name="flamegraph.pl"):
    """A script of FlameGraph: beside the one that is named, else on PATH."""
    named = os.environ.get("GILSCOPE_FLAMEGRAPH_PL")
    path = shutil.which(str(pathlib.Path(named).parent / name) if named else name)
    if not path:
        raise Skipped("%s is not on PATH, nor beside GILSCOPE_FLAMEGRAPH_PL" % name)
    return path

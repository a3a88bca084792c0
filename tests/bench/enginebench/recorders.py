# SPDX-License-Identifier: MIT
"""What one recorded event costs the thread that records it: our ring, LTTng-UST, uftrace. Each runs
record_ns.c, built for it; all events are kept (a recorder that drops some ends the run)."""

import os
import re
import shutil
import subprocess
import time

from billing.tools import BENCH_DIR
from enginebench.run import Failed, Skipped, output

ROOT = BENCH_DIR.parents[1]
UFTRACE_BYTES = 32  # a call and its return


def build(bench, name, *flags):
    program = bench.folder / ("record-" + name)
    output("cc", "-O2", "-D_GNU_SOURCE", "-DRECORD_" + name.upper(), "-I", ROOT, "-I", BENCH_DIR, *flags,
           BENCH_DIR / "record_ns.c", "-o", program, "-lpthread",
           *(["-llttng-ust", "-ldl"] if name == "lttng" else []))
    return program


def slowest(text):
    """Of the threads: each has told its least."""
    return max(float(line) for line in text.decode().split())


def file_bytes(folder, pattern):
    return sum(f.stat().st_size for f in folder.rglob(pattern))


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skipped("%s is not installed" % program)


def note_version(bench, program):
    text = output(program, "--version").decode()
    bench.versions.add("%s %s" % (program, re.search(r"\d+\.\d+(\.\d+)?", text).group(0)))


def ours(bench, threads, events):
    program = build(bench, "ours")
    return min(slowest(output(program, threads, events)) for _ in range(bench.repeat)), None


def uftrace(bench, threads, events):
    need("uftrace")
    program, folder = build(bench, "uftrace", "-pg"), bench.folder / ("uftrace-%d" % threads)
    least = min(slowest(output("uftrace", "record", "-d", folder, program, threads, events))
                for _ in range(bench.repeat))
    size = file_bytes(folder, "*.dat")
    if size < UFTRACE_BYTES * threads * events:
        raise Failed("uftrace lost events")
    note_version(bench, "uftrace")
    return least, size / (threads * events)


class Session:
    """LTTng's daemon, ours alone, and one session with a channel that holds all events."""

    def __init__(self, bench, folder):
        self.env = dict(os.environ, LTTNG_HOME=str(bench.folder))
        self.folder = folder

    def lttng(self, *args):
        return output("lttng", *args, env=self.env).decode()

    def __enter__(self):
        self.daemon = subprocess.Popen(["lttng-sessiond", "--no-kernel"], env=self.env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.wait()
        self.lttng("create", "gs", "-o", self.folder)
        self.lttng("enable-channel", "-u", "-s", "gs", "--subbuf-size", "256k", "--num-subbuf", "128",
                   "--discard", "ch")
        self.lttng("enable-event", "-u", "-s", "gs", "-c", "ch", "gs_record:slice")
        self.lttng("start", "gs")
        return self

    def wait(self):
        for _ in range(100):
            try:
                return self.lttng("list")
            except Failed:
                time.sleep(0.1)
        raise Skipped("lttng-sessiond does not start")

    def end(self):
        self.lttng("stop", "gs")
        lost = re.search(r"Discarded events: (\d+)", self.lttng("list", "gs"))
        if not lost or int(lost.group(1)):
            raise Failed("LTTng discarded events")
        self.lttng("destroy", "gs")

    def __exit__(self, *_):
        self.daemon.terminate()
        self.daemon.wait()


def lttng(bench, threads, events):
    need("lttng", "lttng-sessiond")
    try:
        program = build(bench, "lttng")
    except Failed:
        raise Skipped("LTTng-UST's headers are not installed") from None
    folder, times = bench.folder / ("lttng-%d" % threads), []
    for i in range(bench.repeat):
        with Session(bench, folder / str(i)) as session:
            times.append(slowest(output(program, threads, events, env=session.env)))
            session.end()
    note_version(bench, "lttng")
    return min(times), file_bytes(folder, "ch_[0-9]*") / (threads * events * bench.repeat)


RECORDERS = {"ours": ours, "lttng": lttng, "uftrace": uftrace}
EVENTS = 1000000


def measure(bench, name, threads):
    """(ns of CPU an event, bytes an event or None), once each."""
    key = (name, threads)
    if key not in bench.recorded:
        bench.recorded[key] = RECORDERS[name](bench, threads, 100000 if bench.repeat == 1 else EVENTS)
    return bench.recorded[key]

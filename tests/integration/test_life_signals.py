# SPDX-License-Identifier: MIT
"""Killed, interrupted, aborted: the program ends as it would alone, and what was recorded is there.

GILSCOPE_LONG=1 (tests/run --long) kills 1,000 times instead of 40."""

import mmap
import os
import random
import signal
import struct
import subprocess
import time

import pytest

from conftest import clean_env
from preloaded import run_plain, run_preloaded
from sums import check_document

LONG = bool(os.environ.get("GILSCOPE_LONG"))
KILLS = 1000 if LONG else 40
DRAIN_S = 0.1
# A drain thread that is due may have to wait for a core: on a busy machine the last interval is
# longer than 100 ms now and then, and `stats` can only state what was promised.
LATE_S = 1.0


def kill_once(python, gilscope, targets, folder, delay_s):
    """(capture file or None, unix time of the last turn the program knows of, or 0)"""
    progress, out = folder / "progress", folder / "x.gsc"
    progress.write_bytes(bytes(4096))
    out.unlink(missing_ok=True)
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": out})
    process = subprocess.Popen([python.path, targets / "kill_me.py", progress], env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay_s)
    process.kill()
    out_bytes, err_bytes = process.communicate()
    assert (process.returncode, out_bytes, err_bytes) == (-signal.SIGKILL, b"", b"")
    with open(progress, "r+b") as f, mmap.mmap(f.fileno(), 4096) as page:
        last_ns = max(struct.unpack_from("<3q", page))
    return (out if out.exists() else None), last_ns


@pytest.mark.timeout(3600 if LONG else 600)
@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_sigkill_at_random_moments(python, gilscope, targets, stats, tmp_path, measured):
    """Every capture is readable and not complete, lacks at most the last interval, and says so."""
    rng = random.Random(20261126)
    lost_s, early = [], 0
    for _ in range(KILLS):
        file, last_ns = kill_once(python, gilscope, targets, tmp_path, rng.uniform(0, 0.7))
        if not file:
            early += 1
            assert last_ns == 0, "the program ran its threads and there is no capture"
            continue
        doc = stats(file)
        assert doc["capture"]["complete"] is False and doc["capture"]["lost_events"] == 0
        process = doc["processes"][0]
        if last_ns:
            end_ns = process["start_unix_ns"] + process["duration_ns"]
            lost_s.append(max(0, last_ns - end_ns) / 1e9)
    lost_s.sort()
    within = sum(s <= DRAIN_S + 0.01 for s in lost_s) / len(lost_s)
    measured("%d SIGKILLs, %d before there was a file; lost at the end: median %.0f ms, 99 %% %.0f ms, most %.0f ms, "
             "within 100 ms: %.1f %%" % (KILLS, early, 1e3 * lost_s[len(lost_s) // 2],
                                         1e3 * lost_s[len(lost_s) * 99 // 100], 1e3 * lost_s[-1], 100 * within))
    assert within >= 0.9 and lost_s[-1] < LATE_S
    text = gilscope("stats", file).stdout
    assert "last 0.1 s may be missing" in " ".join(text.split())


ENDS = {
    "sigterm": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "sigterm handled": "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); os.kill(os.getpid(), signal.SIGTERM)\n"
                       "for _ in range(100): time.sleep(0.1)",
    "sigint": "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
    "keyboard interrupt": "os.kill(os.getpid(), signal.SIGINT)\nfor _ in range(100): time.sleep(0.1)",
    "segv": "import ctypes; ctypes.string_at(0)",
    "segv with faulthandler": "import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(0)",
    "abort": "os.abort()",
    "exit in a handler": "signal.signal(signal.SIGALRM, lambda *_: os._exit(5)); signal.setitimer(signal.ITIMER_REAL, "
                         "0.01)\nfor _ in range(100): time.sleep(0.1)",
    "exit while others wait for the GIL": "sys.setswitchinterval(1e-6); sys.exit(6)",
}
BEGIN = """
import os, signal, sys, threading, time
def spin():
    while True: pass
for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()
time.sleep(0.15)
print("at the end", flush=True)
"""


def without_addresses(stderr):
    """faulthandler prints threads by their addresses, in an order of chance, and lines of the moment."""
    return sorted({line.split("0x")[0] for line in stderr.splitlines() if "line" not in line})


@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("how", sorted(ENDS))
def test_ends_as_it_would_alone(how, python, gilscope, stats, script, tmp_path):
    argv = [python, script(BEGIN + ENDS[how])]
    plain = run_plain(argv)
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc")
    assert watched.returncode == plain.returncode != 0
    assert watched.stdout == plain.stdout == "at the end\n"
    assert without_addresses(watched.stderr) == without_addresses(plain.stderr)
    doc = stats(tmp_path / "x.gsc")
    assert doc["capture"]["complete"] is (watched.returncode > 0)
    assert doc["processes"][0]["gil"]["contended"] > 0
    if watched.returncode > 0:
        check_document(doc)


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_suspended_and_continued(python, gilscope, targets, stats, tmp_path):
    """SIGSTOP stops the drain thread too; afterwards all goes on, and nothing is missing."""
    env = clean_env({"LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": tmp_path / "x.gsc"})
    process = subprocess.Popen([python.path, targets / "busy.py", "1.5"], env=env, stderr=subprocess.PIPE)
    time.sleep(0.4)
    stopped_s = 10 if LONG else 2
    process.send_signal(signal.SIGSTOP)
    time.sleep(stopped_s)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=60)[1] == b"" and process.returncode == 0
    doc = stats(tmp_path / "x.gsc")
    check_document(doc)
    assert doc["processes"][0]["duration_ns"] > stopped_s * 1e9

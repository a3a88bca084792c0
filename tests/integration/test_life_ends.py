# SPDX-License-Identifier: MIT
"""Interrupted, aborted, ended from a handler, suspended: the program fares as it would alone, and what
was recorded is there."""

import signal
import subprocess
import time

import pytest

from conftest import clean_env
from life import LONG
from preloaded import run_plain, run_preloaded
from sums import check_document


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

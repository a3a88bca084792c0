# SPDX-License-Identifier: MIT
"""What a capture says of where the program ran: extension modules, CPUs, control groups."""
import json
import os

import pytest

from sync_rows import LOCKS, Sync

one_version = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
CODE = """
import _queue, json, os, sys, time, zlib
time.sleep(0.6)  # a look at all mappings comes meanwhile
import array, _ctypes
files = {getattr(m, "__file__", None) for m in sys.modules.values()}
print(json.dumps(sorted(os.path.realpath(f) for f in files if f and f.endswith(".so"))))
"""


def test_extension_modules(python, gilscope, record, script):
    capture = record(python, [script(CODE)])
    modules = Sync(gilscope, capture.file).records.get("MODULE", [])
    expected = json.loads(capture.stdout)
    assert any("_ctypes" in path for path in expected)
    assert sorted(os.path.realpath(path) for _, path in modules) == expected


@one_version
def test_extension_modules_without_memory(python, gilscope, record, script):
    capture = record(python, [script(CODE)], options=["--what", "gil"])
    modules = Sync(gilscope, capture.file).records.get("MODULE", [])
    assert len(modules) == len(json.loads(capture.stdout)), "at the end"


@one_version
def test_cpus(python, gilscope, record, script):
    cpu = min(os.sched_getaffinity(0))
    capture = record(python, [script("pass")], preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    settings = Sync(gilscope, capture.file).settings()
    assert settings["affinity_cpus"] == "1"
    assert settings["cgroup_quota_us"].isdigit() and settings["cgroup_period_us"].isdigit()


@one_version
def test_a_new_segment_tells_again(python, gilscope, record, script):
    code = script("""
import _queue, threading, time
lock, end = threading.Lock(), time.monotonic() + 2.5
while time.monotonic() < end:
    for _ in range(500):
        with lock:
            pass
    time.sleep(0.001)
""")
    capture = record(python, [code], options=["--locks", "--budget", "100", "--on-full", "ring",
                                              "--max-size", "2M"])
    newest = Sync(gilscope, capture.files[-1])
    assert len(capture.files) > 3 and newest.records["SEGMENT"][-1][2] > 1, "some are deleted"
    assert {f[2] for f in newest.events(LOCKS)} == {1, 2, 4}
    assert any("_queue" in path for _, path in newest.records["MODULE"])
    assert any(r["op"] == 1 for r in newest.rows)

# SPDX-License-Identifier: MIT
"""Garbage collections in a capture, against what gc.callbacks saw of them."""
import json

import pytest

from sync_rows import Sync

one_version = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
TRUTH = """
import gc, json, os, sys, threading, time
class Truth:
    def __init__(self):
        self.counts, self.seconds, self.collected, self.began = [0, 0, 0], 0.0, 0, 0.0
        self.before = [g["collections"] for g in gc.get_stats()]
        gc.callbacks.append(self.on)
    def on(self, phase, info):
        if phase == "start":
            self.began = time.perf_counter()
            return
        self.seconds += time.perf_counter() - self.began
        self.counts[info["generation"]] += 1
    def tell(self):
        gc.disable()
        gc.callbacks.remove(self.on)
        stats = gc.get_stats()
        print(json.dumps({"counts": self.counts, "seconds": self.seconds, "all": [g["collections"] for g in stats],
                          "collected": sum(g["collected"] for g in stats), "pid": os.getpid()}), flush=True)
        time.sleep(0.3)  # a look comes every 20 ms
truth = Truth()
class Node:
    def __init__(self):
        self.me = self
"""
KNOWN = """
gc.disable()
for generation, times in ((0, 7), (1, 5), (2, 3)):
    for _ in range(times):
        Node(); gc.collect(generation)
gc.enable()
for _ in range(60000):
    Node()
truth.tell()
"""
# A thread that collects beside one that computes.
BUSY = """
gc.disable()
alive = [[[]] for _ in range(250000)]
end = time.monotonic() + 4
def compute():
    n = 0
    while time.monotonic() < end:
        n += 1
thread = threading.Thread(target=compute)
thread.start()
while time.monotonic() < end:
    gc.collect()
    time.sleep(0.02)
thread.join()
truth.tell()
"""


def told(capture):
    return [json.loads(line) for line in capture.stdout.splitlines()]


def gc_of(gilscope, capture, pid=None):
    processes = json.loads(gilscope("stats", "--json", *capture.files).stdout)["processes"]
    return next(p["gc"] for p in processes if pid in (None, p["pid"]))


def test_counts_are_those_of_the_collector(python, gilscope, record, script):
    capture = record(python, [script(TRUTH + KNOWN)])
    true, gc = told(capture)[0], gc_of(gilscope, capture)
    assert true["counts"][0] >= 7 and true["counts"][1] >= 5 and true["counts"][2] >= 3
    assert gc["collections"] == true["all"] and gc["collected"] == true["collected"]
    assert gc["interpreters"] == 1
    rows = Sync(gilscope, capture.file).records
    assert "GC" in rows and {r[2] for r in rows["GC_GENERATION"]} == {0, 1, 2}
    assert "arbage collections" in gilscope("stats", capture.file).stdout


@pytest.mark.serial
def test_time_of_collections(python, gilscope, record, script):
    """Looks come 50 times a second: of 4 s, a third or more in collections, within 5 standard deviations of what that
    gives. Where Python measures (3.15) it is what Python says, but for callbacks, which it counts, too."""
    capture = record(python, [script(TRUTH + BUSY)])
    true, gc = told(capture)[0], gc_of(gilscope, capture)
    share = gc["time_ns"] / 1e9 / true["seconds"]
    if gc["time_is_measured"]:
        assert 0.8 < share < 1.25
    else:
        assert gc["looks_that_found_one"] > 10
        assert abs(share - 1) < 5 / gc["looks_that_found_one"] ** 0.5
    names = Sync(gilscope, capture.file).records
    hits = {thread: hit for thread, hit in names["GC_THREAD"]}
    assert hits and max(hits, key=hits.get) == 0, "the main thread collects"


@one_version
def test_none_after_disable(python, gilscope, record, script):
    code = "import gc, time\ngc.disable()\nfor _ in range(50000):\n    a = []; a.append(a)\ntime.sleep(0.3)"
    capture = record(python, [script("import gc; print(gc.get_stats()[0]['collections'])\n" + code)])
    gc = gc_of(gilscope, capture)
    assert gc["collections"][0] == int(capture.stdout)
    assert Sync(gilscope, capture.file).records["GC"][-1][2] == 0, "not enabled"


@one_version
def test_freeze(python, gilscope, record, script):
    code = "alive = [[] for _ in range(100000)]\ngc.freeze()\ngc.collect()\ntruth.tell()"
    capture = record(python, [script(TRUTH + code)])
    gc = gc_of(gilscope, capture)
    assert gc["collections"] == told(capture)[0]["all"]
    assert gc["live_containers"] < 50000, "what is frozen is no more the collector's"


@pytest.mark.pythons(per_minor=True)
def test_a_child_has_its_own(python, gilscope, record, script):
    code = """
for _ in range(5):
    gc.collect()
time.sleep(0.1)
child = os.fork()
if not child:
    before = [g["collections"] for g in gc.get_stats()]
    for _ in range(3):
        gc.collect()
    time.sleep(0.2)
    after = [g["collections"] for g in gc.get_stats()]
    print(json.dumps({"pid": os.getpid(), "more": [b - a for a, b in zip(before, after)]}), flush=True)
    time.sleep(0.2)
    os._exit(0)
os.waitpid(child, 0)
truth.tell()
"""
    capture = record(python, [script(TRUTH + code)])
    child, parent = told(capture)
    assert gc_of(gilscope, capture, child["pid"])["collections"][2] == child["more"][2] == 3
    assert gc_of(gilscope, capture, parent["pid"])["collections"] == parent["all"]


@one_version
def test_sub_interpreters(python, gilscope, record, script):
    code = """
import _xxsubinterpreters as sub
i = sub.create()
sub.run_string(i, "import gc; [gc.collect() for _ in range(9)]; import time; time.sleep(0.2)")
gc.collect()
truth.tell()
"""
    capture = record(python, [script(TRUTH + code)])
    rows = Sync(gilscope, capture.file).records
    full = {r[1]: r[3] for r in rows["GC_GENERATION"] if r[2] == 2}
    assert full[0] == told(capture)[0]["all"][2] and full[1] >= 9
    assert gc_of(gilscope, capture)["interpreters"] == 2


def test_free_threaded_python_says_so(free_threaded_python, gilscope, record, script):
    capture = record(free_threaded_python, [script("import time; time.sleep(0.3)")])
    process = json.loads(gilscope("stats", "--json", capture.file).stdout)["processes"][0]
    assert process["gc"] is None
    assert any("garbage collections are not recorded" in note for note in process["notes"])

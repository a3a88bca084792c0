# SPDX-License-Identifier: MIT
"""What stats, report and export say of memory, against a second reading of the same rows: slow,
short, and from the format's text alone."""
import json
import pathlib
import sys

import pytest

from conftest import ROOT
from sums import check_memory

sys.path.insert(0, str(ROOT / "tests" / "py"))
import decode_trace  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "v1"
ENGINES = ["auto", "reference", "cpu"]
POOL_HDR_BYTES, CLASSES, POOLS = 48, 32, 64

FRAGMENTS = """
import os, time
kept = []
def fill():
    blocks = [b"%0200d" % i for i in range(150000)]
    kept.append(blocks[::500])
    return blocks
for _ in range(3):
    blocks = fill()
    time.sleep(0.15)
    del blocks
    time.sleep(0.15)
os._exit(0)
"""


class Model:
    def __init__(self, path):
        self.arenas, self.memory, self.ends, self.readings = {}, [], {}, {}
        self.allocs, self.freed, self.alloc_state = {}, {}, None
        for item in decode_trace.decode(pathlib.Path(path).read_bytes())[0]:
            for record in item.get("records", ()):
                self.take_record(record["tag"], record["fields"])
            take = {"pools": self.take_pools, "alloc": self.take_alloc, "free": self.take_free}
            for row in item.get("rows", ()):
                take.get(item["stream"], lambda row: None)(row)
        self.memory.sort(key=lambda fields: fields[0])

    def take_record(self, tag, fields):
        if tag == "ARENA":
            self.arenas.setdefault(fields[0], fields[1:])
        elif tag == "ARENA_END":
            self.ends[fields[0]] = fields[1]
        elif tag == "MEMORY":
            self.memory.append(fields)
        elif tag == "ALLOC_STATE":
            self.alloc_state = fields

    def take_pools(self, row):
        if row["quad"] < POOLS // 4:
            cells = self.readings.setdefault(row["arena"], {}).setdefault(row["t"], [0] * POOLS)
            for i in range(4):
                cells[4 * row["quad"] + i] = row["cells"] >> 16 * i & 0xFFFF

    def take_alloc(self, row):
        self.allocs.setdefault(row["id"], row)

    def take_free(self, row):
        self.freed[row["id"]] = row["t"]

    def pools_at(self, t):
        """(pool bytes, size class, blocks in use) of every pool of the arenas that live."""
        for arena, (born, address, size, pool_bytes, _) in self.arenas.items():
            if not born <= t < self.ends.get(arena, t + 1):
                continue
            first = -(-address // pool_bytes) * pool_bytes
            readings = self.readings.get(arena, {})
            last = max((when for when in readings if when <= t), default=None)
            cells = readings[last] if last is not None else [0] * POOLS
            for cell in cells[:min(POOLS, (address + size - first) // pool_bytes)]:
                size_class = cell >> 10 if cell >> 10 <= CLASSES else 0
                yield pool_bytes, size_class, cell & 0x3FF if size_class else 0

    def sums_at(self, t):
        used = free = empty = 0
        classes = {}
        for pool_bytes, size_class, blocks in self.pools_at(t):
            if not blocks:
                empty += pool_bytes
                continue
            total = (pool_bytes - POOL_HDR_BYTES) // (16 * size_class)
            blocks = min(blocks, total)
            used += 16 * size_class * blocks
            free += 16 * size_class * (total - blocks)
            n = classes.setdefault(16 * size_class, [0, 0, 0])
            classes[16 * size_class] = [n[0] + 1, n[1] + blocks, n[2] + total]
        return used, free, free + empty, classes

    def live_at(self, t):
        return [row for row in self.allocs.values()
                if row["t"] <= t and self.freed.get(row["id"], t + 1) > t]


def compare(memory, model):
    assert len(memory["samples"]) == len(model.memory)
    for sample, fields in zip(memory["samples"], model.memory):
        used, free, pinned, classes = model.sums_at(fields[0])
        assert (sample["pool_used_bytes"], sample["pool_free_bytes"],
                sample["pinned_free_bytes"]) == (used, free, pinned)
        assert (sample["rss_bytes"], sample["file_rss_bytes"], sample["arenas"],
                sample["arena_bytes"], sample["chunk_bytes"]) == (
                    fields[1], fields[2], fields[3], fields[4], fields[6])
    assert {c["size_bytes"]: [c["pools"], c["blocks_used"], c["blocks_total"]]
            for c in memory["size_classes"]} == classes
    if memory["alloc"]:
        live = model.live_at(model.memory[-1][0])
        mean = model.alloc_state[1]
        assert memory["alloc"]["live_samples"] == len(live)
        assert memory["alloc"]["live_bytes"] == mean * sum(row["points"] for row in live)


def stats_of(gilscope, engine, path):
    doc = json.loads(gilscope("stats", "--json", "--engine", engine, path).stdout)
    del doc["engine"]
    return doc


def test_golden_capture_in_every_engine(gilscope):
    path = GOLDEN / "memory.gsc"
    docs = [stats_of(gilscope, engine, path) for engine in ENGINES]
    assert docs[0] == docs[1] == docs[2]
    check_memory(docs[0])
    compare(docs[0]["processes"][0]["memory"], Model(path))
    for command in (["stats"], ["export", "collapsed", "--metric", "alloc"],
                    ["export", "speedscope", "--metric", "alloc"], ["report", "-o", "-"]):
        texts = [gilscope(*command, "--engine", engine, path).stdout for engine in ENGINES]
        if command[0] == "report":  # packed, and the engine's name is in it
            assert all("class=\"gs-data\"" in text for text in texts)
        else:  # so it is behind "Data"
            assert len({text.split("\nData\n")[0] for text in texts}) == 1 and texts[0]


@pytest.mark.pythons(per_minor=True)
def test_a_real_program(gilscope, python, script, tmp_path):
    path = tmp_path / "x.gsc"
    gilscope("run", "-q", "-o", path, "--", python, script(FRAGMENTS))
    doc = stats_of(gilscope, "auto", path)
    memory = doc["processes"][0]["memory"]
    if not memory or not memory["samples"]:
        pytest.skip("this agent does not record memory")
    check_memory(doc)
    compare(memory, Model(path))
    text = gilscope("stats", path).stdout
    assert "Python's arenas: blocks in use" in text and "free but pinned" in text


def test_live_bytes_sum_to_stats(gilscope):
    path = GOLDEN / "memory.gsc"
    alloc = stats_of(gilscope, "auto", path)["processes"][0]["memory"]["alloc"]
    lines = gilscope("export", "collapsed", "--metric", "alloc", path).stdout.splitlines()
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == alloc["live_bytes"] > 0
    doc = json.loads(gilscope("export", "speedscope", "--metric", "alloc", path).stdout)
    assert [p["unit"] for p in doc["profiles"]] == ["bytes"]
    assert doc["profiles"][0]["endValue"] == alloc["live_bytes"]


def test_without_samples_export_says_what_to_type(gilscope):
    done = gilscope("export", "collapsed", "--metric", "alloc", GOLDEN / "minimal.gsc", expect_rc=1)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "gilscope run --alloc" in done.stderr

# SPDX-License-Identifier: MIT
"""Captures that gilscope-tracegen simulated, and what it knows of them, against what the analyzer
says: to the nanosecond, also where rows were dropped and chunks damaged."""

import filecmp
import hashlib
import json
import os
import random
import re
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env
from sums import check_document, check_memory, check_process

TRACEGEN = BUILD / "bin" / "gilscope-tracegen"
DECODER = ROOT / "tests" / "py" / "decode_trace.py"
THREAD_KEYS = ("hold_ns", "wait_ns", "acquisitions", "releases", "contended", "forced_drops",
               "blamed_ns", "wait_max_ns", "cpu_ns", "runqueue_ns")
GIL_KEYS = ("hold_ns", "wait_ns", "acquisitions", "contended", "forced_drops", "unknown_holder_ns")
ENGINES = ("reference", "cpu")
HOLDER_SAMPLE = 4  # a stream of TRACE_FORMAT.md


def tracegen(*args, expect_rc=0):
    result = subprocess.run([str(TRACEGEN), *map(str, args)], capture_output=True, timeout=120,
                            env=clean_env(), check=False)
    assert result.returncode == expect_rc, result.stderr
    return result


def stats(gilscope, path, engine="cpu"):
    result = gilscope("stats", "--json", "--engine", engine, path, expect_rc=None)
    assert result.returncode in (0, 4), result.stderr  # 4: damaged
    return json.loads(result.stdout)


def made(folder, *args, out="x.gsc"):
    """(path of the capture, its truth by pid)"""
    path, truth = folder / out, folder / "truth.json"
    tracegen(*args, "-o", path, "--truth", truth)
    return path, {p["pid"]: p for p in json.loads(truth.read_text())["processes"]}


def is_used(thread):
    return any(thread[key] for key in ("acquisitions", "contended", "hold_ns", "wait_ns",
                                       "open_wait_ns"))


def check_blame(process, truth):
    """All that is beyond the first 1000 pairs is one row, and so is what the engines' limits on
    pairs of stacks leave out: then the pairs of threads lack it."""
    if "blame" not in truth:  # too many threads
        assert sum(row["ns"] for row in process["blame"]) == sum(
            t["blamed_ns"] for t in truth["threads"])
        return
    pairs = {(row["waiter"], row["holder"]): row["ns"] for row in truth["blame"]}
    limited = any(note.startswith("more threads and stacks") for note in process["notes"])
    rest = sum(pairs.values())
    for row in process["blame"]:
        if row["waiter"] >= 0:
            ns = pairs.pop((row["waiter"], row["holder"]))
            assert row["ns"] <= ns if limited else row["ns"] == ns
        rest -= row["ns"]
    assert rest == 0


def check_others(process, truth):
    """Memory and CUDA, of a capture without damage."""
    if "memory" in truth:
        memory, last = process["memory"], process["memory"]["samples"][-1]
        assert len(memory["samples"]) == min(truth["memory"]["samples"], len(memory["samples"]))
        for key in ("arenas", "arena_bytes", "pool_used_bytes"):
            assert last[key] == truth["memory"][key], key
        assert memory["peak_arena_bytes"] == truth["memory"]["peak_arena_bytes"]
        alloc = memory["alloc"] or {"samples": 0, "live_bytes": 0}
        assert alloc["samples"] == truth["memory"]["alloc_samples"]
        assert alloc["live_bytes"] == truth["memory"]["alloc_live_bytes"]
    else:
        assert process["memory"] is None
    if "cuda" in truth:
        for key, value in truth["cuda"].items():
            assert process["cuda"][key] == value, key
    else:
        assert process["cuda"] is None


def check_truth(process, truth):
    whole = truth["damaged_chunks"] == 0
    open_key = ("open_wait_ns",) if whole else ()
    for key in (*GIL_KEYS, *open_key):
        assert process["gil"][key] == truth["gil"][key], key
    threads = {t["thread"]: t for t in process["threads"] if whole or is_used(t)}
    for thread in filter(is_used, truth["threads"]):
        if not whole and not any(thread[key] for key in GIL_KEYS if key in thread):
            continue  # an open wait that may not be known
        mine = threads.pop(thread["thread"])
        for key in (*THREAD_KEYS, *open_key):
            assert mine[key] == thread[key], "thread %d, %s" % (thread["thread"], key)
    assert not any(t["hold_ns"] or t["wait_ns"] or t["acquisitions"] for t in threads.values())
    check_blame(process, truth)
    if whole:
        assert process["complete"]
        assert process["lost_events"] == truth["lost_rows"]
        assert process["duration_ns"] == truth["duration_ns"]
        check_others(process, truth)
    else:
        assert not process["complete"]


def check_all(doc, truths):
    assert {p["pid"] for p in doc["processes"]} == set(truths)
    for process in doc["processes"]:
        check_truth(process, truths[process["pid"]])
    if all(t["damaged_chunks"] + t["lost_rows"] == 0 for t in truths.values()):
        check_document(doc, processes=len(truths))
    elif all(t["damaged_chunks"] == 0 for t in truths.values()):
        for process in doc["processes"]:
            check_process(process, rows_lost=True)
        check_memory(doc)


def without_names(doc, *, files=True):
    """What must not differ between engines, and between ways to lay out chunks in files."""
    doc = dict(doc, engine="")
    if files:
        doc["capture"] = dict(doc["capture"], files=0)
    return doc


def streams_of(path):
    """Of the chunks of one process behind its file header."""
    data, at = path.read_bytes(), 64
    while at < len(data):
        yield data[at + 6]
        at += int.from_bytes(data[at + 8:at + 12], "little")


def test_without_samples_the_turns_are_the_same(gilscope, tmp_path):
    args = ["-n", "50k", "-s", 5, "--what", "gil"]
    sampled, truths = made(tmp_path, *args, out="a.gsc")
    bare, same = made(tmp_path, *args, "--no-samples", out="b.gsc")
    assert {pid: dict(t, chunks=0) for pid, t in same.items()} == {
        pid: dict(t, chunks=0) for pid, t in truths.items()}
    assert set(streams_of(sampled)) - set(streams_of(bare)) == {HOLDER_SAMPLE}
    for engine in ENGINES:
        check_all(stats(gilscope, bare, engine), truths)


# ---- the same for a seed, and whatever way it is laid out ----


def test_same_seed_same_bytes(tmp_path):
    args = ["-n", "30k", "-p", 3, "--losses", 5, "--damage", 30, "--shuffle", "--level", 1]
    a, _ = made(tmp_path, *args, "-s", 7, out="a.gsc")
    b, _ = made(tmp_path, *args, "-s", 7, out="b.gsc")
    other, _ = made(tmp_path, *args, "-s", 8, out="c.gsc")
    assert filecmp.cmp(a, b, shallow=False)
    assert not filecmp.cmp(a, other, shallow=False)
    assert tracegen(*args, "-s", 7, "-o", "-").stdout == a.read_bytes()


@pytest.mark.parametrize("options, digest", [
    ("-n 20k -t 8 -s 1", "c3c05c58cdbcd5da"),
    ("-n 20k -t 40 -p 3 -s 2 --level 1 --losses 9 --damage 90 --shuffle --clock ns", "15eb2163964f371b"),
])
def test_same_bytes_on_every_machine(options, digest):
    """Integers only: no compiler and no libm may differ. After a change of the generator or of what
    the codec chooses these are other bytes: write down what is printed. Not the minor version, and the
    CRC over it, of file headers."""
    data = tracegen(*options.split(), "-o", "-").stdout
    unversioned = re.sub(rb"(GILSCOPE..)..(.{48})....", rb"\1\2", data, flags=re.DOTALL)
    assert hashlib.sha256(unversioned).hexdigest()[:16] == digest


@pytest.mark.parametrize("damage", [0, 60])
def test_layout_means_nothing(gilscope, tmp_path, damage):
    args = ["-n", "60k", "-p", 4, "-t", 5, "-s", 3, "--damage", damage, "--losses", 2]
    mixed, truths = made(tmp_path, *args)
    shuffled, again = made(tmp_path, *args, "--shuffle", out="shuffled.gsc")
    tracegen(*args, "-o", str(tmp_path / "split") + os.sep)
    files = sorted((tmp_path / "split").glob("*.gsc"))
    merged = tmp_path / "merged.gsc"
    merged.write_bytes(b"".join(f.read_bytes() for f in reversed(files)))
    assert len(files) == 4 and truths == again
    docs = [without_names(stats(gilscope, path))
            for path in (mixed, shuffled, tmp_path / "split", merged)]
    for doc in docs:
        check_all(doc, truths)
        if damage:  # where a torn chunk ends differs: bytes between chunks, not what they say
            doc["capture"].update(damaged_chunks=0, skipped_bytes=0)
    assert all(doc == docs[0] for doc in docs)


# ---- the truth ----


def any_options(rng):
    """Options of one small capture; odd sizes are the rule."""
    size = rng.choice([1, 2, 3, 31, 33, 999, 1023, 1024, 1025, 4095, 4096, 4097, 8193])
    threads = rng.choice([1, 1, 2, 2, 3, 4, 7, 8, 13, 30, 64, 200, 1100])
    processes = rng.choice([1, 1, 1, 2, 3, 9])
    options = ["-n", size * rng.choice([1, 1, 1, 2]), "-t", threads, "-p", processes,
               "-s", rng.randrange(1 << 48), "--level", rng.choice([1, 2]),
               "--stacks", rng.choice([1, 2, 50, 400]), "--clock", rng.choice(["tsc", "ns"]),
               "--what", rng.choice(["gil", "gil,mem", "gil,cuda", "gil,mem,cuda"])]
    if rng.random() < 0.4:
        options += ["--losses", rng.choice([1, 20, 300, 1000])]
    if rng.random() < 0.4:
        options += ["--damage", rng.choice([10, 100, 500, 1000])]
    return options + (["--shuffle"] if rng.random() < 0.5 else [])


@pytest.mark.parametrize("block", range(10))
def test_truth(gilscope, tmp_path, block):
    rng = random.Random(block)
    for _ in range(22):
        options = any_options(rng)
        try:
            path, truths = made(tmp_path, *options)
            docs = [stats(gilscope, path, engine) for engine in ENGINES]
            check_all(docs[1], truths)
            assert without_names(docs[0]) == without_names(docs[1])
        except BaseException:
            print("gilscope-tracegen", *options)
            raise


def test_truth_of_a_larger_one(gilscope, tmp_path):
    """Several chunks, several seconds: TOTALS written again and again, convoys, forced drops."""
    for level in (1, 2):
        path, truths = made(tmp_path, "-n", "300k", "-p", 2, "-t", 11, "--stacks", 40, "-s", level,
                            "--level", level)
        doc = stats(gilscope, path)
        check_all(doc, truths)
        for process in doc["processes"]:
            assert process["gil"]["forced_drops"] > 20
            assert 0.05 < process["gil"]["contended"] / process["gil"]["acquisitions"] < 0.95


@pytest.mark.parametrize("options", [
    ["-n", "5000", "-t", 3],
    ["-n", "3000", "-p", 3, "--level", 1, "--losses", 30, "--clock", "ns"],
    ["-n", "9000", "-p", 2, "--damage", 200, "--shuffle"],
], ids=["plain", "folded", "damaged"])
def test_two_decoders_agree(gilscope, tmp_path, options):
    path, _ = made(tmp_path, *options)
    ours = gilscope("dump", "--raw-json", path, expect_rc=None)
    theirs = subprocess.run([sys.executable, str(DECODER), str(path)], capture_output=True,
                            text=True, timeout=120, check=False)
    assert ours.stdout == theirs.stdout and ours.stdout


# ---- what is in them ----

STREAMS = {"records", "slice", "hold_sample", "holder_sample", "edge", "sched", "pools", "alloc",
           "free", "cuda"}
RECORDS = {"PROCESS", "CLOCK", "THREAD", "THREAD_END", "GIL", "CODE", "STACK", "TOTALS",
           "FOLD_HIST", "EVENT", "END", "OVERHEAD", "LOST", "ARENA", "ARENA_END", "MEMORY", "MAPS",
           "HEAP", "ALLOC_STATE", "CUDA_DRIVER", "CUDA_DEVICE", "CUDA_CONTEXT", "CUDA_CALL",
           "CUDA_LIVE", "CUDA_STATE", "CUDA_USED"}


def raw_items(gilscope, path):
    return list(map(json.loads, gilscope("dump", "--raw-json", path).stdout.splitlines()))


def test_every_stream_and_record(gilscope, tmp_path):
    path, _ = made(tmp_path, "-n", "40k", "-p", 2, "--level", 1)
    chunks = [x for x in raw_items(gilscope, path) if "stream" in x]
    assert {x["stream"] for x in chunks} == STREAMS
    assert {r["tag"] for x in chunks for r in x.get("records", ())} == RECORDS
    order = [x["process_key"] for x in chunks]
    assert order != sorted(order), "processes are not mixed"


def python_line(first_line, table, offset):
    units = sum((byte & 7) + 1 for byte in table if byte & 0x80)
    code = compile("0", "x", "exec").replace(co_code=b"\t\0" * units, co_linetable=table,
                                             co_firstlineno=first_line)
    return next(line for start, end, line in code.co_lines() if start <= offset < end)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs line tables of Python 3.11")
def test_frames_have_the_lines_that_python_gives(gilscope, tmp_path):
    path, _ = made(tmp_path, "-n", "20k", "--stacks", 60, "--what", "gil")
    records = [r for x in raw_items(gilscope, path) for r in x.get("records", ())]
    codes = {r["fields"][0]: r["fields"][1:] for r in records if r["tag"] == "CODE"}
    want = set()
    for record in records:
        for code, offset in record["fields"][2] if record["tag"] == "STACK" else ():
            name, func, first_line, kind, table = codes[code]
            assert kind == 3
            line = python_line(first_line, bytes.fromhex(table), offset)
            want.add("%s:%s:%d" % (name, func, -1 if line is None else line))
    stacks = [x["stack"] for x in stats(gilscope, path)["top_holders"]]
    seen = {frame for stack in stacks if not stack[0].startswith("(") for frame in stack}
    assert len(seen) > 50 and seen <= want


# ---- what people type ----


@pytest.mark.parametrize("args, wants", [
    ([], "--slices N is missing"),
    (["-n", "5"], "-o FILE|DIR|- is missing"),
    (["-n", "x", "-o", "-"], "--slices x"),
    (["-n", "0", "-o", "-"], "--slices 0"),
    (["-n", "99999999999999999999", "-o", "-"], "--slices 9"),
    (["-n", "5Q", "-o", "-"], "--slices 5Q"),
    (["-n", "5", "-t", "0", "-o", "-"], "--threads 0: wants a number from 1"),
    (["-n", "5", "--level", "3", "-o", "-"], "--level 3"),
    (["-n", "5", "--what", "gil,gpu", "-o", "-"], "--what gil,gpu"),
    (["-n", "5", "--clock", "hpet", "-o", "-"], "--clock hpet"),
    (["-n", "5", "--damage", "1001", "-o", "-"], "--damage 1001"),
    (["-n", "5", "-o", "-", "more"], "more"),
    (["--nonsense"], "--nonsense"),
    (["-n"], "-n"),
])
def test_bad_usage(args, wants):
    text = tracegen(*args, expect_rc=2).stderr.decode()
    assert text.startswith("gilscope-tracegen: ") and wants in text
    assert text.count("\n") == 1 and ("--help" in text or "type" in text)


def test_help():
    assert "--truth FILE" in tracegen("--help").stdout.decode()


def test_no_place_to_write(tmp_path):
    for option in ("-o", "--truth"):
        args = {"-o": tmp_path / "a.gsc", "--truth": tmp_path / "a.json"}
        args[option] = tmp_path / "none" / "x"
        text = tracegen("-n", 5, *sum(args.items(), ()), expect_rc=1).stderr.decode()
        assert text.count("\n") == 1 and option in text
    if os.path.exists("/dev/full"):
        assert b"No space left" in tracegen("-n", "5k", "-o", "/dev/full", expect_rc=1).stderr

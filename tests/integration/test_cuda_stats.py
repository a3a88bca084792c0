# SPDX-License-Identifier: MIT
"""What stats, report and export say of CUDA, against a second reading of the same rows; from every
engine, and from files split and reordered."""
import json
import random
import struct
import subprocess

import pytest

from conftest import BUILD, ROOT, clean_env, run_bounded
from cuda_rows import COPY, LAUNCH, OPS, SHOWN, SYNC, Cuda

GOLDEN = ROOT / "tests" / "golden" / "v1"
DRIVER = BUILD / "tests" / "cuda"  # one that lives in host memory
ENGINES = ["auto", "reference", "cpu"]
FILE_HDR_LEN = 64


def stats_of(gilscope, engine, *paths):
    doc = json.loads(gilscope("stats", "--json", "--engine", engine, *paths).stdout)
    del doc["engine"]
    return doc


def compare_memory(cuda, model):
    kinds = model.kinds()
    assert (cuda["live_bytes"], cuda["peak_bytes"]) == model.live_and_peak()
    assert cuda["peak_t_ns"] == model.peak_ns
    assert cuda["by_kind"] == {kind: kinds[kind][0] for kind in SHOWN}
    assert cuda["peak_by_kind"] == {kind: kinds[kind][1] for kind in SHOWN}
    for i, key in enumerate(("allocations", "frees", "failed"), 2):
        assert cuda[key] == sum(values[i] for values in kinds.values()), key
    assert sorted((s["peak_bytes"], s["live_bytes"], s["allocations"])
                  for s in cuda["stacks"]) == model.stacks()
    assert len(cuda["samples"]) == len(model.samples) <= 1000
    for sample, (t_ns, expected) in zip(cuda["samples"], model.samples):
        assert sample == {"t_ns": t_ns, **{kind: expected[kind] for kind in SHOWN[:6]}}
    assert cuda["lost_rows"] == model.lost_rows()


def compare_contexts(cuda, model):
    assert [x["context"] for x in cuda["contexts"]] == sorted(model.contexts)
    for x in cuda["contexts"]:
        assert x["device"] == model.device_of(x["context"])
        died = model.died(x["context"])
        assert x["ended_ns"] == (-1 if died == float("inf") else died - model.start)
    expected = model.device_bytes()
    for device in cuda["devices"]:
        source, size = expected.get(device["device"], ("unknown", 0))
        assert (device["source"], device["context_bytes"]) == (source, size)
        mine = [x["context_bytes"] for x in cuda["contexts"] if x["device"] == device["device"]]
        assert sum(mine) == size if source == "nvml" else sum(mine) >= size
        looks = [look for look in model.looks if look[1] == device["device"]]
        if looks:
            assert (device["used_bytes"], device["allocated_bytes"]) == looks[-1][2:]


def compare_time(cuda, model):
    calls, blamed = model.calls().values(), model.blamed()
    assert sorted((c["op"], c["calls"], c["failed"], c["ns"], c["held_calls"], c["held_ns"])
                  for c in cuda["calls"]) == sorted(
                      (OPS[c[0]] if 0 < c[0] < len(OPS) else "op %d" % c[0], *c[1:])
                      for c in calls)
    syncs = [c for c in calls if c[0] in (SYNC, COPY)]
    assert cuda["sync_ns"] == sum(c[3] for c in syncs)
    assert cuda["sync_under_gil_ns"] == sum(c[5] for c in syncs)
    assert cuda["under_gil_ns"] == sum(c[5] for c in calls)
    assert cuda["launches"] == sum(c[1] for c in calls if c[0] == LAUNCH)
    assert cuda["blamed_ns"] == sum(blamed.values())
    assert cuda["sync_blamed_ns"] == sum(
        ns for row, ns in blamed.items() if row.op in (SYNC, COPY))
    sampled = [h for h in cuda["held"] if h["stack"] != ["(not sampled)"]]
    assert [(h["blamed_ns"], h["held_ns"], h["ns"], h["count"])
            for h in sampled] == model.held()[:20]


def compare_ooms(cuda, model):
    assert cuda["oom_count"] == len(model.ooms)
    assert [(o["t_ns"], o["asked_bytes"], o["device"], o["live_bytes"]) for o in cuda["oom"]] == [
        (t, asked, -1 if device is None else device, live)
        for t, asked, device, live in model.ooms[:10]]


def compare(cuda, model):
    compare_memory(cuda, model)
    compare_contexts(cuda, model)
    compare_time(cuda, model)
    compare_ooms(cuda, model)


def generated(seed, tmp_path):
    program, path = BUILD / "tests" / "gs_make_cuda", tmp_path / ("%d.gsc" % seed)
    if not program.exists():
        pytest.skip("%s is not built" % program)
    subprocess.run([program, str(seed), path], check=True, timeout=60)
    return path


def test_golden_capture_in_every_engine(gilscope):
    path = GOLDEN / "cuda.gsc"
    docs = [stats_of(gilscope, engine, path) for engine in ENGINES]
    assert docs[0] == docs[1] == docs[2]
    compare(docs[0]["processes"][0]["cuda"], Cuda(path))
    for command in (["stats"], ["export", "collapsed", "--metric", "cuda"],
                    ["export", "speedscope", "--metric", "cuda"]):
        texts = [gilscope(*command, "--engine", engine, path).stdout for engine in ENGINES]
        assert len({text.split("\nData\n")[0] for text in texts}) == 1 and texts[0]


@pytest.mark.parametrize("seed", range(12))
def test_generated_captures(gilscope, seed, tmp_path):
    path = generated(seed, tmp_path)
    docs = [stats_of(gilscope, engine, path) for engine in ENGINES[1:]]
    assert docs[0] == docs[1]
    compare(docs[0]["processes"][0]["cuda"], Cuda(path))


@pytest.fixture
def on_fake_driver(gilscope, python, tmp_path):
    """Runs a program of tests/cuda/targets on the driver in host memory -> its capture."""
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")

    def run(name, *args, **settings):
        out = tmp_path / "x.gsc"
        env = {"LD_LIBRARY_PATH": DRIVER, "LD_PRELOAD": gilscope.agent, "GILSCOPE_OUT": out,
               "GILSCOPE_FORCE": "1", **{"FAKECUDA_" + k: v for k, v in settings.items()}}
        argv = [python.path, ROOT / "tests" / "cuda" / "targets" / name, *args]
        done = run_bounded(list(map(str, argv)), 120, clean_env(env))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return out

    return run


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
@pytest.mark.parametrize("argv", [("all_kinds.py", "proc"), ("random_ops.py", "dlsym", 8, 1, 1200)])
def test_rows_of_the_agent_say_what_its_sums_say(gilscope, on_fake_driver, argv):
    path = on_fake_driver(*argv)
    cuda = stats_of(gilscope, "auto", path)["processes"][0]["cuda"]
    model = Cuda(path)
    compare(cuda, model)
    assert cuda["lost_rows"] == 0
    assert (cuda["live_bytes"], cuda["peak_bytes"]) == (model.state.sum(), model.peak)
    assert cuda["by_kind"] == model.state.by_kind()
    assert cuda["peak_by_kind"] == model.peaks


@pytest.mark.pythons(per_minor=True)
def test_waits_with_the_gil_held_are_blamed(gilscope, on_fake_driver):
    """20 waits of 5 ms each while another thread computes."""
    path = on_fake_driver("sync_story.py", "hold", 20, 5000)
    doc = stats_of(gilscope, "auto", path)
    cuda = doc["processes"][0]["cuda"]
    compare(cuda, Cuda(path))
    assert cuda["sync_under_gil_ns"] == cuda["sync_ns"] >= 100_000_000
    rounding_ns = 40
    assert 0.8 * cuda["sync_ns"] < cuda["sync_blamed_ns"] <= cuda["sync_ns"] + rounding_ns
    assert cuda["sync_blamed_ns"] <= doc["processes"][0]["gil"]["wait_ns"]
    assert "cuda-sync-under-gil" in [f["id"] for f in doc["findings"]]
    path = on_fake_driver("sync_story.py", "release", 20, 5000)
    cuda = stats_of(gilscope, "auto", path)["processes"][0]["cuda"]
    assert cuda["sync_ns"] >= 100_000_000
    assert cuda["sync_under_gil_ns"] == cuda["sync_blamed_ns"] == 0


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_out_of_memory_tells_whose_it_is(gilscope, on_fake_driver):
    path = on_fake_driver("oom_story.py", DEVICE_BYTES=str(8 << 30))
    doc = stats_of(gilscope, "auto", path)
    cuda = doc["processes"][0]["cuda"]
    compare(cuda, Cuda(path))
    assert doc["findings"][0]["id"] == "cuda-oom"
    first = cuda["oom"][0]
    assert first["call"] == "cuMemAlloc_v2" and first["live_bytes"] == cuda["peak_bytes"]
    assert sum(top["live_bytes"] for top in first["top"]) == first["live_bytes"]


def chunks_of(data):
    at = FILE_HDR_LEN
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at:at + length]
        at += length


@pytest.mark.parametrize("seed", range(3))
def test_files_split_and_reordered(gilscope, seed, tmp_path):
    whole = generated(seed, tmp_path)
    data, rng = whole.read_bytes(), random.Random(seed)
    chunks = list(chunks_of(data))
    rng.shuffle(chunks)
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(4):
        part = data[:FILE_HDR_LEN] + b"".join(chunks[i::4] + chunks[:2])  # two in each of them
        (folder / ("%d.gsc" % i)).write_bytes(part)
    for engine in ENGINES:
        expected, got = stats_of(gilscope, engine, whole), stats_of(gilscope, engine, folder)
        assert got == expected


def test_job_totals_are_sums(gilscope, tmp_path):
    paths = [generated(seed, tmp_path) for seed in range(3)]
    doc = stats_of(gilscope, "auto", *paths)
    each = [p["cuda"] for p in doc["processes"]]
    for key in ("live_bytes", "peak_bytes", "sync_under_gil_ns", "blamed_ns"):
        assert doc["cuda"][key] == sum(c[key] for c in each), key
    assert doc["cuda"]["processes"] == sum(bool(c["contexts"]) for c in each)
    assert doc["cuda"]["contexts"] == sum(len(c["contexts"]) for c in each)
    assert doc["cuda"]["context_bytes"] == sum(d["context_bytes"] for c in each
                                               for d in c["devices"])
    assert doc["cuda"]["devices"] == len({d["bus_id"] for c in each for d in c["devices"]
                                          if d["contexts"]})


def test_exported_bytes_are_live_bytes_of_rows(gilscope, tmp_path):
    path = generated(1, tmp_path)
    lines = gilscope("export", "collapsed", "--metric", "cuda", path).stdout.splitlines()
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == Cuda(path).state.sum() > 0
    doc = json.loads(gilscope("export", "speedscope", "--metric", "cuda", path).stdout)
    assert [p["unit"] for p in doc["profiles"]] == ["bytes"]


def test_without_cuda_export_says_so(gilscope):
    done = gilscope("export", "collapsed", "--metric", "cuda", GOLDEN / "minimal.gsc", expect_rc=1)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "no call of CUDA is recorded" in done.stderr
    assert stats_of(gilscope, "auto", GOLDEN / "minimal.gsc")["processes"][0]["cuda"] is None

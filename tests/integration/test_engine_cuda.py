# SPDX-License-Identifier: MIT
"""gilscope --engine cuda from end to end, with the engine that runs in the emulator (tests/simt): the
same bytes as the CPU's, and one line where it cannot count."""
import json
import random
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env

EMULATOR = BUILD / "tests" / "libgilscope_cuda_simt.so"
TRACEGEN = BUILD / "bin" / "gilscope-tracegen"
GOLDEN = sorted((ROOT / "tests" / "golden" / "v1").glob("*.gsc"))

pytestmark = pytest.mark.skipif(not EMULATOR.exists(), reason="%s is not built" % EMULATOR)


def run(gilscope, engine, *args, expect_rc=None, **env):
    env = {"GILSCOPE_CUDA_ENGINE": str(EMULATOR), **env}
    return gilscope(*args[:1], "--engine", engine, *args[1:], env=env, expect_rc=expect_rc)


def compare(gilscope, path, is_counted=True, **env):
    """Both documents, but for the engine's name; the device must have counted."""
    got, want = (run(gilscope, engine, "stats", "--json", path, **env) for engine in ("cuda", "cpu"))
    assert (got.returncode, got.stderr) == (want.returncode, want.stderr)
    if not want.stdout:
        return
    assert json.loads(got.stdout)["engine"] == ("cuda" if is_counted else "cpu")
    assert got.stdout.replace('"engine": "cuda"', '"engine": "cpu"', 1) == want.stdout


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_captures(gilscope, path):
    compare(gilscope, path)


def test_other_commands(gilscope, tmp_path):
    path = ROOT / "tests" / "golden" / "v1" / "slice_blocks.gsc"
    for args in (["export", "collapsed", "--metric", "blame"], ["export", "speedscope"]):
        got, want = (run(gilscope, engine, *args, path, expect_rc=0) for engine in ("cuda", "cpu"))
        assert got.stdout == want.stdout and got.stderr == ""
    run(gilscope, "cuda", "report", "-o", tmp_path / "x.html", path, expect_rc=0)


def made(path, *args):
    subprocess.run([str(TRACEGEN), *map(str, args), "-o", str(path)], check=True, timeout=120,
                   env=clean_env())
    return path


@pytest.mark.parametrize("seed", range(6))
def test_simulated_captures(gilscope, tmp_path, seed):
    rng = random.Random(seed)
    options = ["-n", rng.randrange(500, 6000), "-t", rng.choice([1, 3, 30]), "-s", seed, "--what", "gil",
               "-p", 1 + seed % 2, "--level", 1 + seed // 2 % 2, "--stacks", rng.choice([1, 50, 400]),
               "--losses", 100 * (seed % 3), "--damage", 200 * (seed % 2)]
    path = made(tmp_path / "x.gsc", *options, *(["--shuffle"] if seed % 4 == 3 else []))
    compare(gilscope, path)


def test_least_memory(gilscope, tmp_path):
    """The first amount with which the device can count, is room for one of four windows."""
    path = made(tmp_path / "x.gsc", "-n", "100k", "-t", 5, "--stacks", 30, "--what", "gil")
    for mib in range(5, 64):
        result = run(gilscope, "cuda", "stats", "--json", path, GILSCOPE_SIMT_MEMORY=str(mib << 20))
        if json.loads(result.stdout)["engine"] == "cuda":
            break
        assert "out of memory" in result.stderr
    compare(gilscope, path, GILSCOPE_SIMT_MEMORY=str(mib << 20))


def test_one_line_where_it_cannot(gilscope):
    path = ROOT / "tests" / "golden" / "v1" / "slice_blocks.gsc"
    for env, word in (({"GILSCOPE_SIMT_FAIL": "cudaGetDeviceCount=100"}, "nvidia-smi"),
                      ({"GILSCOPE_SIMT_MEMORY": "1000"}, "out of memory"),
                      ({"GILSCOPE_SIMT_FAIL": "launch:9=719"}, "launch failure"),
                      ({"GILSCOPE_CUDA_ENGINE": "/nowhere.so"}, "/nowhere.so is not there")):
        result = run(gilscope, "cuda", "stats", "--json", path, expect_rc=0, **env)
        assert result.stderr.startswith("gilscope: engine cpu counted, not cuda: ")
        assert result.stderr.count("\n") == 1 and word in result.stderr
        assert json.loads(result.stdout)["engine"] == "cpu"


def test_the_cpu_goes_on_where_the_device_stops(gilscope, tmp_path):
    """Of two processes the device counts one, then none: whole GILs, never a part."""
    path = made(tmp_path / "x.gsc", "-n", 3000, "-t", 3, "-p", 2, "--what", "gil")
    want, seen = json.loads(run(gilscope, "cpu", "stats", "--json", path).stdout), set()
    for n in range(1, 500, 10):
        result = run(gilscope, "cuda", "stats", "--json", path, GILSCOPE_SIMT_FAIL="launch:%d=719" % n)
        got = json.loads(result.stdout)
        seen.add(got["engine"])
        assert ("not cuda alone" in result.stderr) == (got["engine"] == "cuda+cpu")
        assert {**got, "engine": "cpu"} == want
        if got["engine"] == "cuda":
            break
    assert seen == {"cpu", "cuda+cpu", "cuda"}


def test_several_devices(gilscope, tmp_path):
    """Who took what is said where it is asked for; the bytes are the same."""
    path = made(tmp_path / "x.gsc", "-n", 3000, "-t", 3, "-p", 5, "--what", "gil")
    want = run(gilscope, "cpu", "stats", "--json", path).stdout.replace('"cpu"', '"cuda"', 1)
    for n in (1, 2, 3):
        result = run(gilscope, "cuda", "stats", "-v", "--json", path, expect_rc=0, GILSCOPE_SIMT_DEVICES=str(n))
        lines = result.stderr.splitlines()
        assert result.stdout == want
        assert [line.split(":")[1] for line in lines] == [" device %d (emulator)" % k for k in range(n)]
        assert sum(int(line.split()[4]) for line in lines) == 5
    assert run(gilscope, "cuda", "stats", "--json", path, GILSCOPE_SIMT_DEVICES="2").stderr == ""


def test_auto_says_nothing_unless_asked(gilscope, tmp_path):
    path = ROOT / "tests" / "golden" / "v1" / "slice_blocks.gsc"
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    assert run(gilscope, "auto", "stats", path, expect_rc=0, **cache).stderr == ""
    assert "would not pay" in run(gilscope, "auto", "stats", "-v", path, expect_rc=0, **cache).stderr
    assert list(tmp_path.iterdir()) == []


def whatif(gilscope, engine, path, **env):
    """The document without the engine's name, and that."""
    result = run(gilscope, engine, "whatif", "--json", "--cores", 4, path, **env)
    name = json.loads(result.stdout)["engine"] if result.stdout else None
    return result.stdout.replace('"engine": "%s"' % name, '"engine": ""', 1), result.returncode, name, result.stderr


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_predictions_of_golden_captures(gilscope, path):
    got, want = (whatif(gilscope, engine, path) for engine in ("cuda", "cpu"))
    assert got[:2] == want[:2] and got[3] == want[3]
    assert (got[2], want[2]) in (("cuda", "cpu"), (None, None))


def test_predictions_of_a_recording(gilscope, record, python, tmp_path):
    """With all replays on the device, and with a device that fails on its way: whole, and said in a line."""
    capture = record(python, [str(ROOT / "tests" / "whatif" / "workloads.py"), "V3-simple", "3", "0.03"],
                     options=["--budget", "100", "--locks"])
    want = whatif(gilscope, "cpu", capture)
    assert json.loads(want[0])["grade"] == "B" and want[3] == ""
    assert whatif(gilscope, "cuda", capture) == (*want[:2], "cuda", "")
    for env, word in (({"GILSCOPE_SIMT_FAIL": "launch:2=719"}, "launch failure"),
                      ({"GILSCOPE_SIMT_MEMORY": "1000"}, "out of memory"),
                      ({"GILSCOPE_CUDA_ENGINE": "/nowhere.so"}, "/nowhere.so is not there")):
        got = whatif(gilscope, "cuda", capture, **env)
        assert got[:3] == (*want[:2], "cpu")
        assert got[3].startswith("gilscope: engine cpu counted, not cuda: ") and word in got[3]
        assert got[3].count("\n") == 1
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    assert whatif(gilscope, "auto", capture, **cache) == want
    result = run(gilscope, "auto", "whatif", "-v", capture, expect_rc=0, **cache)
    assert "would not pay" in result.stderr and "engine cpu\n" in result.stdout


def test_the_benchmark_of_sweeps_runs():
    """Its results are the same on the device, or it fails."""
    done = subprocess.run([str(BUILD / "tests" / "gs_sweep_ns"), "--turns", "300", "--replays", "5", "--repeat", "2"],
                          stdout=subprocess.PIPE, timeout=120, env=clean_env({"GILSCOPE_CUDA_ENGINE": str(EMULATOR)}),
                          universal_newlines=True)
    assert done.returncode == 0
    assert [len(json.loads(done.stdout)[key]) for key in ("one_core_ns", "all_cores_ns", "cuda_ns")] == [2, 2, 2]


def test_its_benchmark_runs(tmp_path):
    """What it measures is no matter of a test."""
    done = subprocess.run([str(ROOT / "tests" / "bench" / "gpu_engine"), "--quick", "--slices", "5k", "--build",
                           str(BUILD), "--json", str(tmp_path / "x.json")], stdout=subprocess.PIPE, timeout=120,
                          env=clean_env({"GILSCOPE_CUDA_ENGINE": str(EMULATOR)}), universal_newlines=True)
    assert done.returncode == 0
    assert {line.split(" | ")[0] for line in done.stdout.splitlines()} >= {"| B8", "| B9"}
    assert json.loads((tmp_path / "x.json").read_text())["dense"]["cuda"]["windows"] == 1


def on_gpu(*args, **env):
    return subprocess.run([str(ROOT / "tests" / "cuda" / "on_gpu.sh"), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, env=clean_env(env), universal_newlines=True)


def test_what_is_run_on_a_gpu(tmp_path):
    """The script's steps with the emulator, from a folder that was packed for another machine."""
    assert on_gpu("--pack", tmp_path, GILSCOPE_BUILD=str(BUILD)).returncode == 0
    env = {"GILSCOPE_BUILD": str(tmp_path), "GILSCOPE_CUDA_ENGINE": str(EMULATOR), "GILSCOPE_GPU_DRY": "1",
           "GILSCOPE_GPU_PYTHON": sys.executable, "GILSCOPE_BENCH": "--quick --slices 3k",
           "GILSCOPE_BENCH_SWEEP": "--turns 300 --replays 5"}
    done = on_gpu("--built", "--bench", "-k", "cuda or minimal or sanitizer or every_kind or replays", **env)
    words = [line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("on_gpu: ") and " in " in line]
    assert words == [[step, "passed"] for step in ("agent", "engine", "sanitizer", "bench")], done.stdout
    assert "| B9 |" in done.stdout and "one_core_ns" in done.stdout and done.returncode == 0
    done = on_gpu("--built", "--only", "engine,agent", "-k", "minimal", **{**env, "GILSCOPE_CUDA_ENGINE": "/nowhere"})
    assert "engine    failed (1)" in done.stdout and "agent     passed" in done.stdout and done.returncode == 1
    assert on_gpu("--only", "everything").returncode == 2

# SPDX-License-Identifier: MIT
"""On a machine with a GPU: gilscope --engine cuda gives the CPU's bytes, and compute-sanitizer finds nothing.
Skipped, by name, where one of them is missing; tests/cuda/on_gpu.sh runs these.

GILSCOPE_GPU_DRY=1 runs them without a GPU, with the engine that GILSCOPE_CUDA_ENGINE names (the emulator's);
it tests these tests.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "whatif"))

from conftest import BUILD, ROOT, clean_env  # noqa: E402
from test_gpu import why_no_gpu  # noqa: E402
import program as programs  # noqa: E402
import random_programs  # noqa: E402

DRY = os.environ.get("GILSCOPE_GPU_DRY") == "1"
SCALE = 1 if DRY else 500  # slices
TRACEGEN = BUILD / "bin" / "gilscope-tracegen"
GOLDEN = sorted((ROOT / "tests" / "golden" / "v1").glob("*.gsc"))
NAMED = {"GILSCOPE_CUDA_ENGINE": os.environ["GILSCOPE_CUDA_ENGINE"]} if "GILSCOPE_CUDA_ENGINE" in os.environ else {}


@pytest.fixture(autouse=True)
def gpu():
    if not DRY and why_no_gpu():
        pytest.skip(why_no_gpu())


def stats(gilscope, path, engine):
    result = gilscope("stats", "--json", "--engine", engine, path, env=NAMED, expect_rc=None, timeout=600)
    return result.returncode, result.stdout, result.stderr


def compare(gilscope, path):
    want, got = stats(gilscope, path, "cpu"), stats(gilscope, path, "cuda")
    assert got == (want[0], want[1].replace('"engine": "cpu"', '"engine": "cuda"', 1), want[2])


def made(folder, slices, *args):
    path = folder / "x.gsc"
    subprocess.run([str(TRACEGEN), "-n", str(slices), *map(str, args), "-o", str(path)], check=True, timeout=600,
                   env=clean_env())
    return path


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_captures(gilscope, path):
    compare(gilscope, path)


@pytest.mark.parametrize("args", [
    ["--level", 2, "-t", 8], ["--level", 2, "-t", 1500], ["--level", 1, "-t", 40],
    ["--level", 2, "-t", 300, "--stacks", 5000], ["--level", 2, "--losses", 300, "--damage", 50],
    ["--level", 1, "--shuffle", "-p", 3], ["--level", 2, "--stacks", 1, "--no-samples"]],
    ids=lambda args: " ".join(map(str, args)))
def test_simulated_captures(gilscope, tmp_path, args):
    compare(gilscope, made(tmp_path, 20000 * SCALE, "--what", "gil", *args))


def whatif(gilscope, path, engine):
    result = gilscope("whatif", "--json", "--cores", 8, "--engine", engine, path, env=NAMED, expect_rc=None,
                      timeout=600)
    return result.returncode, result.stdout.replace('"engine": "%s"' % engine, '"engine": ""', 1), result.stderr


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_predictions(gilscope, path):
    assert whatif(gilscope, path, "cuda") == whatif(gilscope, path, "cpu")


def replays(folder, engine, sanitizer=()):
    """What gs_replay says of random programs with locks that are barged for, wake-ups and collections."""
    paths = []
    for seed in range(20 if DRY else 300):
        paths.append(folder / ("%d.txt" % seed))
        paths[-1].write_text(programs.write(random_programs.random_program(seed)))
    result = subprocess.run([*sanitizer, str(BUILD / "tests" / "gs_replay"), "--engine", engine, "--cores", "3", "--s",
                             "1.25", "--lock", "barge", "--wake", "6000", "--gc-every", "90000", "--gc-pause", "7000",
                             *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True, env=clean_env(NAMED), timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    # Each mark's time: a sweep keeps the two that S is of.
    return [re.sub(r', "mark_ns": \{[^}]*\}', "", line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_replays(tmp_path):
    got = replays(tmp_path, "cuda")
    assert got == replays(tmp_path, "cpu") and len(got) >= 20


TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]


@pytest.mark.parametrize("tool", TOOLS)
def test_sanitizer_finds_nothing_in_replays(tmp_path, tool):
    sanitizer = os.environ.get("GILSCOPE_COMPUTE_SANITIZER") or shutil.which("compute-sanitizer")
    if not sanitizer:
        pytest.skip("no compute-sanitizer")
    assert replays(tmp_path, "cuda", (sanitizer, "--tool", tool, "--error-exitcode", "9")) == replays(tmp_path, "cpu")


@pytest.mark.parametrize("tool", TOOLS)
def test_sanitizer_finds_nothing(gilscope, tmp_path, tool):
    sanitizer = os.environ.get("GILSCOPE_COMPUTE_SANITIZER") or shutil.which("compute-sanitizer")
    if not sanitizer:
        pytest.skip("no compute-sanitizer")
    path = made(tmp_path, 150000 if not DRY else 2000, "--what", "gil", "-t", 12)
    result = subprocess.run([sanitizer, "--tool", tool, "--error-exitcode", "9", str(gilscope), "stats", "--json",
                             "--engine", "cuda", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True, env=clean_env(NAMED), timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert '"engine": "cuda"' in result.stdout
    assert json.loads(result.stdout[result.stdout.index("{\n"):result.stdout.rindex("}") + 1])

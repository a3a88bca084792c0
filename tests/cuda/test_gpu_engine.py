# SPDX-License-Identifier: MIT
"""On a machine with a GPU: gilscope --engine cuda gives the CPU's bytes, and compute-sanitizer finds nothing.
Skipped, by name, where one of them is missing; tests/cuda/on_gpu.sh runs these.

GILSCOPE_GPU_DRY=1 runs them without a GPU, with the engine that GILSCOPE_CUDA_ENGINE names (the emulator's);
it tests these tests.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from conftest import BUILD, ROOT, clean_env  # noqa: E402
from test_gpu import why_no_gpu  # noqa: E402

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


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
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

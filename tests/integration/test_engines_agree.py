# SPDX-License-Identifier: MIT
"""Simulated captures of all sorts, whole and dealt out to files from the last chunk to the first: the same
document, to the byte, from every engine, with any number of threads, from windows of any size. The
definition is the reference engine's document of the whole capture."""
import pathlib
import random
import struct
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env
from life import LONG
from test_tracegen import tracegen

sys.path.insert(0, str(ROOT / "tests" / "py"))

from decode_trace import crc32c  # noqa: E402

STATS = BUILD / "tests" / "gs_engine_ns"
CAPTURES = 1000 if LONG else 40
PARTS = 8
HEADER_BYTES, CHUNK_HEADER_BYTES = 64, 128

pytestmark = pytest.mark.skipif(not STATS.exists(), reason="gs_engine_ns is not built")


def stats(paths, engine, jobs, window_rows):
    """The document, the engine's name blotted out, and what was said of damage."""
    result = subprocess.run([str(a) for a in (STATS, "--engine", engine, "--jobs", jobs, "--window-rows", window_rows,
                                              "stats", *paths)],
                            capture_output=True, timeout=120, env=clean_env(), check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def chunks_of(data):
    """None where a frame is not good: damage side by side is one place, and must stay side by side."""
    chunks, at = [], HEADER_BYTES
    while at < len(data):
        head = data[at:at + CHUNK_HEADER_BYTES]
        length, = struct.unpack_from("<I", head + bytes(12), 8)
        chunk = data[at:at + length]
        if head[124:] != struct.pack("<I", crc32c(head[:124])) or chunk[-8:] != struct.pack("<I", length) + b"KCSG":
            return None
        chunks.append(chunk)
        at += length
    return chunks


def deal_out(path, folder, rng):
    data = path.read_bytes()
    chunks, n = chunks_of(data), rng.randint(1, 4)
    if chunks is None:
        return [path]
    folder.mkdir()
    for i in range(n):
        (folder / ("%d.gsc" % i)).write_bytes(data[:HEADER_BYTES] + b"".join(chunks[::-1][i::n]))
    return sorted(folder.iterdir())


def options(rng):
    """What gilscope-tracegen is asked for."""
    args = ["--slices", rng.choice([50, 500, 3000, 20000]), "--threads", rng.choice([1, 2, 3, 8, 40, 300]),
            "--processes", rng.choice([1, 1, 1, 2, 5]), "--stacks", rng.choice([1, 7, 100, 2000]),
            "--level", rng.choice([1, 2, 2]), "--clock", rng.choice(["tsc", "ns"]), "--what",
            rng.choice(["gil", "gil", "gil,mem,cuda"])]
    if rng.random() < 0.4:
        args += ["--losses", rng.choice([1, 30, 400])]
    if rng.random() < 0.4:
        args += ["--damage", rng.choice([3, 30, 200])]
    args += [flag for flag in ("--no-samples", "--shuffle", "--native") if rng.random() < 0.25]
    return args


def check(seed, folder):
    rng = random.Random(seed)
    args = options(rng)
    path = pathlib.Path(folder) / "x.gsc"
    tracegen(*args, "--seed", seed, "-o", path)
    expected = stats([path], "reference", 1, 0)
    for paths in [path], deal_out(path, folder / "parts", rng):
        for engine, jobs, rows in (("cpu", 1, 0), ("cpu", 2, rng.choice([1, 50, 700, 5000]))):
            how = "%s, %d jobs, windows of %d, %d files: gilscope-tracegen %s --seed %d" % (
                engine, jobs, rows, len(paths), " ".join(map(str, args)), seed)
            assert stats(paths, engine, jobs, rows) == expected, how


@pytest.mark.parametrize("part", range(PARTS))
def test_every_engine_says_the_same(part, tmp_path):
    for seed in range(part, CAPTURES, PARTS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(seed, folder)

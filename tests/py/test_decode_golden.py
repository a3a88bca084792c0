# SPDX-License-Identifier: MIT
"""The golden captures, three ways: the Python decoder gives what was reviewed, `gilscope dump
--raw-json` prints the same bytes, and the generator still makes the same files.

After a change of the format: gs_make_golden tests/golden/v1 && python3 tests/py/test_decode_golden.py
writes the expected files anew; then read the difference. *.gsc is in .gitignore: git add -f.
"""
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import decode_trace  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GILSCOPE_BUILD", ROOT / "build")).resolve()
GOLDEN = ROOT / "tests" / "golden" / "v1"
CAPTURES = sorted(GOLDEN.glob("*.gsc"))
MAX_EXPECTED = 100 << 10  # a longer text is kept as its SHA-256 only
REFUSED = {"future_major", "unknown_incompat", "not_a_capture"}


def text_of(data):
    lines, accepted = decode_trace.decode(data)
    dump = [json.dumps(x, separators=(",", ":"), ensure_ascii=True) for x in lines]
    return "".join(line + "\n" for line in dump), accepted


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest() + "\n"


def write_expected():
    for capture in CAPTURES:
        text, _ = text_of(capture.read_bytes())
        small = len(text) <= MAX_EXPECTED
        suffix = ".expected.jsonl" if small else ".expected.sha256"
        capture.with_suffix(suffix).write_text(text if small else digest(text))


if __name__ == "__main__":
    write_expected()
    sys.exit(0)

import pytest  # noqa: E402

each_capture = pytest.mark.parametrize("capture", CAPTURES, ids=lambda p: p.stem)


def test_there_are_captures():
    assert len(CAPTURES) >= 23


@each_capture
def test_python_decoder_gives_what_was_reviewed(capture):
    text, accepted = text_of(capture.read_bytes())
    expected = capture.with_suffix(".expected.jsonl")
    if expected.exists():
        assert text == expected.read_text()
    else:
        assert digest(text) == capture.with_suffix(".expected.sha256").read_text()
    assert accepted == (capture.stem not in REFUSED)


def raw_dump(path):
    program = BUILD / "bin" / "gilscope"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    return subprocess.run([program, "dump", "--raw-json", path], capture_output=True, timeout=60)


@each_capture
def test_c_decoder_prints_the_same(capture):
    result = raw_dump(capture)
    text, accepted = text_of(capture.read_bytes())
    assert result.stdout.decode() == text
    assert (result.returncode == 0) == accepted


@each_capture
def test_generator_makes_the_same_files(capture, tmp_path):
    program = BUILD / "tests" / "gs_make_golden"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    subprocess.run([program, tmp_path], check=True, timeout=60)
    assert (tmp_path / capture.name).read_bytes() == capture.read_bytes()


# ---- both decoders on damage ----


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        what = rng.randrange(4)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[max(at, 1):at + rng.randint(2, 300)]
        elif what == 2:
            data[at:at] = rng.choice([b"GSCK", b"GILSCOPE", bytes(70), b"x" * 9, data[:rng.randint(1, 400)]])
        else:
            del data[max(at, 1):]
    return bytes(data)


@pytest.mark.parametrize("name", ["minimal", "concatenated", "all_records", "corrupt_contents"])
def test_both_decoders_agree_on_damage(name, tmp_path):
    rng = random.Random(name)
    whole = (GOLDEN / f"{name}.gsc").read_bytes()
    path = tmp_path / "damaged.gsc"
    for _ in range(60):
        data = damaged(whole, rng)
        path.write_bytes(data)
        text, accepted = text_of(data)
        result = raw_dump(path)
        assert result.stdout.decode() == text
        assert (result.returncode == 0) == accepted


@pytest.mark.parametrize("name", ["minimal", "all_records", "future_minor"])
def test_no_damage_is_silent(name):
    """Each flipped byte and each cut changes the output; nothing raises."""
    whole = (GOLDEN / f"{name}.gsc").read_bytes()
    text, _ = text_of(whole)
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 0x11
        got, _ = text_of(bytes(data))
        beyond_header = name == "future_minor" and 64 <= at < 80  # not covered by a checksum
        assert beyond_header or got != text, at
    for n in range(0, len(whole), 7):
        got, _ = text_of(whole[:n])
        assert got != text

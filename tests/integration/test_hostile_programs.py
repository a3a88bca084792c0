# SPDX-License-Identifier: MIT
"""Files that pose as a Python: `doctor` and `run` say what is wrong, in time and in one plain line.
The reader of programs itself is exhausted in tests/unit/test_run_refuse.c."""

import os
import random
import shutil
import struct
import sys

import pytest
from test_hostile_names import check_plain

HEADER = 64


def python_bytes():
    with open(os.path.realpath(sys.executable), "rb") as file:
        return bytearray(file.read(1 << 20))


def with_field(offset, form, *values):
    data = python_bytes()
    struct.pack_into(form, data, offset, *values)
    return data


def garbage():
    rng = random.Random(3)
    return python_bytes()[:HEADER] + bytes(rng.randrange(256) for _ in range(20000))


PROGRAMS = {
    "empty": bytes,
    "magic-only": lambda: python_bytes()[:4],
    "half-a-header": lambda: python_bytes()[:40],
    "header-only": lambda: python_bytes()[:HEADER],
    "truncated": lambda: python_bytes()[:5000],
    "garbage-behind-the-header": garbage,
    "segments-far-away": lambda: with_field(0x20, "<Q", 2**64 - 1),
    "65535-segments": lambda: with_field(0x38, "<H", 0xffff),
    "another-machine": lambda: with_field(0x12, "<H", 0xbeef),
    "script-of-itself": lambda: b"#!{self}\n",
    "script-of-nothing": lambda: b"#!\n",
    "script-without-end": lambda: b"#!/" + b"x" * 100000,
}
# What the kernel does not look at does not keep a Python from running, nor us from recording it.
HARMLESS = {
    "sections-far-away": (0x28, "<Q", 2**63 + 5),
    "sections-over-the-end": (0x28, "<Q", 2**20 - 10),
    "65535-sections": (0x3c, "<HH", 0xffff, 0xffff),
}


@pytest.mark.parametrize("kind", sorted(PROGRAMS))
def test_what_is_no_python_is_named(gilscope, tmp_path, kind):
    program = tmp_path / "python3"
    program.write_bytes(bytes(PROGRAMS[kind]()).replace(b"{self}", bytes(program)))
    program.chmod(0o755)
    result = gilscope("doctor", "--python", program, expect_rc=1, timeout=60, cwd=tmp_path)
    check_plain(result.stdout)
    assert result.stdout.count("BAD ") == 1 and "not ready" in result.stdout
    result = gilscope("run", "-o", tmp_path / "x.gsc", "--", program, "-c", "pass",
                      expect_rc=None, timeout=60)
    check_plain(result.stderr)
    assert result.returncode != 0 and result.stdout == ""
    assert not (tmp_path / "x.gsc").exists()


@pytest.mark.parametrize("kind", sorted(HARMLESS))
def test_damage_that_nobody_needs_is_no_obstacle(gilscope, tmp_path, kind):
    offset, form, *values = HARMLESS[kind]
    program = tmp_path / "python3"
    shutil.copy(os.path.realpath(sys.executable), program)
    with open(program, "r+b") as file:
        file.seek(offset)
        file.write(struct.pack(form, *values))
    env = {"PYTHONHOME": sys.base_prefix}
    result = gilscope("run", "-q", "-o", tmp_path / "x.gsc", "--", program, "-c", "print(1)",
                      env=env, timeout=60)
    assert result.stdout == "1\n" and (tmp_path / "x.gsc").exists()

# SPDX-License-Identifier: MIT
"""A capture that becomes shorter while a command reads it."""
import os
import pathlib
import subprocess

from conftest import ROOT


def test_it_ends_with_one_line(gilscope, tmp_path):
    """The reader waits for its pipe with most of the file unread."""
    golden = ROOT / "tests" / "golden" / "v1" / "all_streams.gsc"
    big = tmp_path / "big.gsc"
    big.write_bytes(pathlib.Path(golden).read_bytes() * 200)
    process = subprocess.Popen([str(gilscope), "dump", "--raw-json", str(big)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.read(1000)
    os.truncate(big, 0)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stderr.decode() == ("gilscope: a capture became shorter while it was read; nothing came of it, "
                               "try again when nobody writes to it\n")

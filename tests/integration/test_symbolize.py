# SPDX-License-Identifier: MIT
"""gilscope symbolize: a capture that shows its native frames where the program's files are not."""
import pathlib
import shutil

import pytest

pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)


@pytest.fixture
def recorded(python, record, targets, compile_c, tmp_path):
    """(the capture of a program that waits for the GIL in a library, the library's path)"""
    library = tmp_path / "libchain.so"
    shutil.copy(str(compile_c("chain.c", "-g", "-O2", "-shared", "-fPIC", "-DLETS_GO")), str(library))
    return record(python, [targets / "waits_in_c.py", library], options=["--native"]).file, library


def stacks(gilscope, capture, view="both"):
    return gilscope("export", "collapsed", "--metric", "wait", "--stacks", view, capture).stdout


def test_names_go_with_the_capture(recorded, gilscope, tmp_path):
    capture, library = recorded
    here = stacks(gilscope, capture)
    assert "inlined (" in here and "chain.c:" in here
    said = gilscope("symbolize", capture, "-o", tmp_path / "named.gsc").stderr
    assert "named" in said and " 0 had names" in said
    library.unlink()
    assert "inlined (" not in stacks(gilscope, capture)
    assert stacks(gilscope, tmp_path / "named.gsc") == here
    assert stacks(gilscope, tmp_path / "named.gsc", "python") == stacks(gilscope, capture, "python")
    assert (tmp_path / "named.gsc").read_bytes().startswith(capture.read_bytes())


def test_the_capture_itself_and_again(recorded, gilscope, tmp_path):
    capture, library = recorded
    here = stacks(gilscope, capture)
    gilscope("symbolize", capture, "-o", capture, expect_rc=1)
    gilscope("symbolize", "-f", capture, "-o", capture)
    library.unlink()
    assert stacks(gilscope, capture) == here
    once = capture.read_bytes()
    assert "named 0 places" in gilscope("symbolize", "-f", capture, "-o", capture).stderr
    assert capture.read_bytes() == once
    gilscope("recover", capture, "-o", tmp_path / "whole.gsc")
    assert stacks(gilscope, tmp_path / "whole.gsc") == here


def test_a_damaged_one_is_named_all_the_same(recorded, gilscope, tmp_path):
    capture, library = recorded
    data = capture.read_bytes()
    torn = tmp_path / "torn.gsc"
    torn.write_bytes(data[:len(data) - 50])
    assert "damaged" in gilscope("symbolize", torn, "-o", tmp_path / "named.gsc", expect_rc=4).stderr
    library.unlink()
    shown = gilscope("export", "collapsed", "--metric", "wait", tmp_path / "named.gsc", expect_rc=4).stdout
    assert "inlined (" in shown


def test_without_native_stacks_it_says_so(python, gilscope, record, script, tmp_path):
    capture = record(python, [script("sum(range(10))")]).file
    said = gilscope("symbolize", capture, "-o", tmp_path / "x.gsc").stderr
    assert "--native" in said
    assert (tmp_path / "x.gsc").read_bytes() == capture.read_bytes()


def test_one_that_is_not_to_be_rewritten_is_not(gilscope, tmp_path):
    newer = pathlib.Path(__file__).parents[1] / "golden/v1/future_minor.gsc"
    assert "forbids" in gilscope("symbolize", newer, "-o", tmp_path / "x.gsc", expect_rc=1).stderr
    assert not (tmp_path / "x.gsc").exists()

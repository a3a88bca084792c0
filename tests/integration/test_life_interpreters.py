# SPDX-License-Identifier: MIT
"""Interpreters come and go inside one process."""

import pathlib

import pytest

from conftest import discover
from preloaded import run_preloaded
from sums import check_document, check_process
from sync_rows import Sync


@pytest.mark.pythons(min=(3, 12), per_minor=True)
def test_interpreters_with_own_gils_created_and_destroyed(python, record, stats, targets):
    """The memory of one serves the next: each is a GIL of its own all the same."""
    capture = record(python, [targets / "life_interpreters.py", 6])
    ids = list(map(int, capture.stdout.split()))
    doc = stats(capture.file)
    check_document(doc)
    gils = doc["processes"][0]["gils"]
    assert sorted(g["interpreter"] for g in gils) == [0, *ids]
    assert all(g["contended"] > 0 for g in gils if g["interpreter"])


@pytest.mark.pythons(per_minor=True)
def test_interpreters_that_share_the_gil(python, record, stats, targets):
    """They all are users of the main one's, whose memory never changes hands."""
    capture = record(python, [targets / "life_interpreters.py", 4, "legacy"])
    assert len(capture.stdout.split()) == 4
    doc = stats(capture.file)
    check_document(doc)
    (gil,) = doc["processes"][0]["gils"]
    assert gil["interpreter"] == 0
    assert gil["contended"] > 0


def shared_libraries():
    for python in discover():
        home = pathlib.Path(python.path).resolve().parent.parent
        found = sorted(home.glob("lib/libpython3.*.so.1.0"))
        if found and python.version >= (3, 9) and not python.free_threaded:
            yield pytest.param(found[0], home, id=python.name)


@pytest.mark.parametrize("library, home", list(shared_libraries()) or [
    pytest.param(None, None, marks=pytest.mark.skip(reason="no shared libpython here"))])
def test_python_finalised_and_initialised_again(
        library, home, gilscope, stats, compile_c, tmp_path):
    program = compile_c("life_embed.c", "-ldl")
    result = run_preloaded(gilscope, [program, library, 3], tmp_path / "a.gsc",
                           env={"PYTHONHOME": home})
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr
    doc = stats(tmp_path / "a.gsc")
    # Up to 3.11 the GIL may be ended while it is held: that turn's end nobody saw, and it is counted.
    assert doc["capture"]["lost_events"] <= 2
    check_process(doc["processes"][0], rows_lost=doc["capture"]["lost_events"] > 0)
    gil = doc["processes"][0]["gil"]
    assert gil["contended"] > 0
    assert gil["hold_ns"] > 0.2e9, "three times 0.1 s of fighting"


def test_the_switch_interval_is_told_when_it_is_set(python, gilscope, record, script):
    code = "import sys, time\ntime.sleep(0.3)\nsys.setswitchinterval(0.0007)\ntime.sleep(0.3)\n"
    capture = record(python, [script(code)])
    gils = Sync(gilscope, capture.file).records["GIL"]
    assert [(gil, switch_us) for gil, _interpreter, _t, switch_us in gils] == [(0, 5000), (0, 700)]

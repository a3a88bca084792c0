# SPDX-License-Identifier: MIT
"""tests/bench/overhead runs and has its structure; what it measures is no matter of a test."""

import json
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env

OVERHEAD = ROOT / "tests" / "bench" / "overhead"


def run(*args):
    return subprocess.run([sys.executable, str(OVERHEAD), "--build", str(BUILD), *args],
                          stdout=subprocess.PIPE, check=True, text=True, timeout=120,
                          env=clean_env()).stdout


@pytest.mark.pythons(min=(3, 13), per_minor=True)
def test_quick_run_measures_everything_once(python, gilscope, tmp_path):
    table = run("--quick", "--python", python.path, "--json", str(tmp_path / "x.json"))
    result = json.loads((tmp_path / "x.json").read_text())
    assert result["quick"] is True and result["pairs"] == 1
    assert [turn["threads"] for turn in result["turns"]] == ["two", "one"]
    for turn in result["turns"]:
        assert turn["stats"]["acquisitions"] >= turn["turns"]
        assert {"off_ns", "added_ns", "stamps_ns", "aa_ns"} == set(turn["wall"])
    assert len(result["programs"]) == 5
    for program in result["programs"]:
        assert program["stats"]["lost_events"] == 0
        assert {"ratio", "aa"} == set(program["wall"]) == set(program["cpu"])
        assert program["name"] in table

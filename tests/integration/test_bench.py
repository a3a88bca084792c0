# SPDX-License-Identifier: MIT
"""tests/bench/overhead and bill run and have their structure; what they measure is no matter of a test."""

import json
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env

OVERHEAD = ROOT / "tests" / "bench" / "overhead"
BILL = ROOT / "tests" / "bench" / "bill"
ALLOCATIONS = ROOT / "tests" / "bench" / "allocations"
CUDA_NS = ROOT / "tests" / "bench" / "cuda_ns"


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
    assert len(result["programs"]) == 6
    for program in result["programs"]:
        assert program["stats"]["lost_events"] == 0
        assert {"ratio", "aa"} == set(program["wall"]) == set(program["cpu"])
        assert program["name"] in table


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_quick_bill_has_every_figure_and_names_what_it_skips(python, gilscope, tmp_path):
    """Its own tools need no network: the others are skipped by name, where CI has not installed them."""
    file = tmp_path / "bill.json"
    command = [sys.executable, str(BILL), "--quick", "--build", str(BUILD), "--python", python.path,
               "--tools", "gilscope", "--own-programs", "--json", str(file)]
    table = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=240,
                           env=clean_env()).stdout
    result = json.loads(file.read_text())
    assert [t["skipped"] for t in result["tools"]] == [None] * 3 + ["not asked for"] * 5
    assert "| py-spy | skipped: not asked for |" in table
    assert {w["group"] for w in result["workloads"]} == {"cpu", "contended", "worst", "turns", "server"}
    for w in result["workloads"]:
        assert not w["failed"]
        (only,) = w["rounds"]
        assert set(only) == {"off", "again", "gilscope L0", "gilscope L1", "gilscope L2"}
        for level in range(3):
            run = only["gilscope L%d" % level]
            assert run["stats"]["level_end"] == level and run["stats"]["lost_events"] == 0
            assert run["bytes"] > 0 and run["stats"]["overhead_s"] > 0
        assert ("p99" in only["off"]) == (w["group"] == "server")
    for title in "Goals", "Memory of the agent", "What the agent says it costs":
        assert "### " + title in table
    for m in result["memory"]:
        assert all(kib["kib"] > 1000 for kib in m["rounds"][0].values())


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_quick_allocations_have_every_figure(python, gilscope, tmp_path):
    out = subprocess.run([sys.executable, str(ALLOCATIONS), "--build", str(BUILD), "--quick", "--python",
                          str(python.path), "--json", str(tmp_path / "x.json")], stdout=subprocess.PIPE,
                         check=True, text=True, timeout=300, env=clean_env()).stdout
    result = json.loads((tmp_path / "x.json").read_text())
    ran = [t["name"] for t in result["tools"] if not t["skipped"]]
    assert ran[:2] == ["gilscope default", "gilscope --alloc"]
    assert len(result["workloads"]) == 5
    for row in result["workloads"]:
        assert not row["failed"] and row["name"] in out
        for tool in ran:
            assert row["rounds"][0][tool]["cpu"] > 0 and row["rounds"][0][tool]["bytes"] > 0


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_cost_of_a_driver_call(python, gilscope):
    if not (BUILD / "tests" / "cuda" / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")
    out = subprocess.run([sys.executable, str(CUDA_NS), python.path, "3"], stdout=subprocess.PIPE, check=True,
                         text=True, timeout=120, env=clean_env({"GILSCOPE_BUILD": str(BUILD)})).stdout
    lines = out.splitlines()
    assert [line for line in lines if "wrapped" in line] == ["not wrapped", "wrapped"]
    assert sum(line.startswith("cu") for line in lines) == 6

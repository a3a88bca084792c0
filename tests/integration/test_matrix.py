# SPDX-License-Identifier: MIT
"""The interpreters themselves, without gilscope: what later tests stand on."""

import json

import pytest

from conftest import MATRIX, MATRIX_NAMES, Interpreter, matrix_skips, probe

CHILDREN = """
import json, multiprocessing, subprocess, sys

def version(_):
    return list(sys.version_info[:3])

if __name__ == "__main__":
    out = subprocess.run([sys.executable, "-c", "import sys; print(list(sys.version_info[:3]))"],
                         stdout=subprocess.PIPE, check=True).stdout
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.map(version, [0])[0]
    print(json.dumps([json.loads(out.decode()), spawned]))
"""


@pytest.mark.parametrize("name", [*MATRIX_NAMES, "3.14-uv"])
def test_matrix_interpreter_is_what_its_name_says(name):
    reasons = matrix_skips()
    if not (MATRIX / name / ".ok").exists():
        pytest.skip("%s: %s" % (name, reasons.get(name, "not set up")))
    facts = probe(MATRIX / name / "python")
    assert facts, "%s does not start" % name
    assert "%d.%d" % tuple(facts["version"][:2]) == name.split("-")[0].rstrip("t")
    assert facts["free_threaded"] == name.endswith("t")


def test_python_starts_children_of_its_own_kind(python, script):
    result = python.run(script(CHILDREN))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [list(python.version)] * 2


def test_timed_python_accounts_for_every_turn(timed_python, script, tmp_path):
    code = "import threading, time\nt = threading.Thread(target=time.sleep, args=(0.05,))\n" \
           "t.start(); t.join()\n"
    result = timed_python.run(script(code), env={"GILTIMED_OUT": tmp_path / "%p.json"})
    assert result.returncode == 0, result.stderr
    (out,) = tmp_path.glob("*.json")
    threads = json.loads(out.read_text())["threads"]
    assert len(threads) == 2
    for thread in threads:
        assert thread["acquisitions"] >= thread["releases"] > 0
        assert thread["contended"] <= thread["acquisitions"]
    assert sum(t["hold_ns"] for t in threads) > 0


def test_interpreter_names_are_unique(interpreters):
    names = [p.name for p in interpreters]
    assert len(set(names)) == len(names)
    assert all(isinstance(p, Interpreter) for p in interpreters)

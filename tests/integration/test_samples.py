# SPDX-License-Identifier: MIT
"""Every sample on every interpreter: exact sums, and the culprit that was planted is found."""

import ast
import json
import os
import pathlib
import re

import pytest

from conftest import ROOT, Capture
from sums import check_document

PROGRAMS = ROOT / "samples" / "programs"
SECONDS = "1.5"
MARKER = "# <- culprit"


def answer_of(name):
    """The trailer of a sample, with the culprit (of waits), or what pins memory, as (file, func, line)."""
    text = (PROGRAMS / name).read_text()
    answer = json.loads(re.search(r"^# answer: (.*)$", text, re.M).group(1))
    key = "culprit" if "culprit" in answer else "pins"
    file, func, marker = answer[key].split(":", 2)
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith("# " + marker)]
    assert len(lines) == 1, "one guilty line"
    answer[key] = (file, func, lines[0])
    return answer


ALL = sorted(path.name for path in PROGRAMS.glob("*.py"))
NAMES = [name for name in ALL if "culprit" in answer_of(name)]  # of the GIL; test_pins.py has the others


def innermost(stack):
    """(file name, function, line) of the innermost frame; "(no stack)" and its like have neither."""
    file, func, line = (":" + stack[-1] + ":0" if stack[-1][0] == "(" else stack[-1]).rsplit(":", 2)
    return os.path.basename(file), func, int(line)


@pytest.fixture(scope="session")
def recorded(gilscope, tmp_path_factory):
    """recorded(python, name) -> Capture; each pair runs once in a session."""
    done = {}

    def run(python, name):
        key = python.name, name
        if key not in done:
            folder = tmp_path_factory.mktemp(pathlib.Path(name).stem)
            result = gilscope(
                "run", "-o", folder / "%p.gsc", "--", python, PROGRAMS / name, SECONDS)
            done[key] = Capture(folder, result)
        return done[key]

    return run


# ---- the programs themselves ----


@pytest.mark.parametrize("name", ALL)
def test_sample_tells_its_story_and_names_its_culprit(name):
    answer = answer_of(name)
    file, func, line = answer.get("culprit") or answer["pins"]
    tree = ast.parse((PROGRAMS / name).read_text())
    assert file == name
    assert len(ast.get_docstring(tree).splitlines()) >= 5
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == func]
    assert [f for f in functions if f.lineno <= line <= f.end_lineno], "the line is not in " + func
    assert name in (PROGRAMS.parent / "README.md").read_text()


def test_there_are_at_least_six_samples():
    assert len(NAMES) >= 6


# ---- recorded ----


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_sums_are_equal_to_the_nanosecond(name, python, recorded, stats):
    capture = recorded(python, name)
    doc = stats(capture.file)
    check_document(doc)
    process = doc["processes"][0]
    assert process["python"].split("+")[0].startswith("%d.%d.%d" % python.version)
    assert process["free_threaded"] is False
    assert process["gil"]["contended"] > 0
    assert capture.stderr == "", "recording is silent"


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_planted_culprit_is_the_most_blamed_stack(name, python, recorded, stats):
    doc = stats(recorded(python, name).file)
    culprit = answer_of(name)["culprit"]
    top = max(doc["top_holders"], key=lambda row: row["blamed_ns"])
    assert top is doc["top_holders"][0], "most blamed first"
    assert innermost(top["stack"]) == culprit
    # The line has most of all blame, not just more than each other.
    wait_ns = doc["processes"][0]["gil"]["wait_ns"]
    mine = sum(r["blamed_ns"] for r in doc["top_holders"] if innermost(r["stack"]) == culprit)
    assert mine > wait_ns / 2, "only %.0f %% of the blame" % (100 * mine / wait_ns)


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_planted_culprit_is_the_first_finding(name, python, recorded, stats):
    doc = stats(recorded(python, name).file)
    file, func, line = answer_of(name)["culprit"]
    assert doc["findings"], "no finding"
    first = doc["findings"][0]
    text = json.dumps(first)
    assert "%s:%d" % (file, line) in text or "%s:%s:%d" % (file, func, line) in text, text
    assert func in text, text
    assert first["severity"] in ("high", "medium")


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_blame_falls_on_the_right_threads(name, python, recorded, stats):
    answer = answer_of(name)
    threads = stats(recorded(python, name).file)["processes"][0]["threads"]
    names = {t["name"]: t for t in threads}
    if answer["holders"] == "all":
        assert len(threads) >= 65
        return
    # Linux keeps 15 bytes of a thread's name; before 3.14 CPython tells the OS no names at all.
    for role, key in (("holders", "blamed_ns"), ("waiters", "wait_ns")):
        known = [names[n[:15]] for n in answer[role] if n[:15] in names]
        if len(known) == len(answer[role]):
            others = [t[key] for t in threads if t["name"] not in [n[:15] for n in answer[role]]]
            assert min(t[key] for t in known) > max(others, default=0), role


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_engines_agree_on_every_byte(name, python, recorded, gilscope):
    file = recorded(python, name).file
    texts = {}
    for engine in ("reference", "cpu"):
        out = gilscope("stats", "--json", "--engine", engine, file).stdout
        assert json.loads(out)["engine"] == engine
        texts[engine] = out.replace('"%s"' % engine, '"?"', 1)
    assert texts["reference"] == texts["cpu"]


@pytest.mark.serial
@pytest.mark.parametrize("name", NAMES)
def test_exports_have_the_same_sums(name, python, recorded, stats, gilscope):
    file = recorded(python, name).file
    gil = stats(file)["processes"][0]["gil"]
    for metric, key in (("hold", "hold_ns"), ("wait", "wait_ns"), ("blame", "wait_ns")):
        out = gilscope("export", "collapsed", "--metric", metric, file).stdout
        assert sum(int(line.rsplit(" ", 1)[1]) for line in out.splitlines()) == gil[key], metric
        out = json.loads(gilscope("export", "speedscope", "--metric", metric, file).stdout)
        assert sum(sum(p["weights"]) for p in out["profiles"]) == gil[key], metric


@pytest.mark.serial
@pytest.mark.pythons(per_minor=True)
def test_short_turns_are_blamed_on_what_computed(python, record, stats, targets):
    doc = stats(record(python, [targets / "short_turns.py"]).file)
    assert innermost(doc["top_holders"][0]["stack"])[1] == "compute"


@pytest.mark.serial
@pytest.mark.pythons(min=(3, 12), per_minor=True)
def test_a_job_is_the_same_in_any_order(python, recorded, stats, tmp_path):
    files = [recorded(python, name).file for name in ("cpu_threads.py", "c_call_holds.py")]
    one = stats(files)
    check_document(one, processes=2)
    assert stats(files[::-1]) == one
    joined = tmp_path / "joined.gsc"
    joined.write_bytes(b"".join(f.read_bytes() for f in files))
    assert stats(joined) == one

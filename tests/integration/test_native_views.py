# SPDX-License-Identifier: MIT
"""--stacks: what each view shows of native stacks, on simulated captures."""
import json

import pytest

from test_tracegen import tracegen

SIMULATED = ["--slices", "5k", "--threads", 6, "--stacks", 200, "--seed", 11]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("native")
    tracegen(*SIMULATED, "-o", path / "plain.gsc")
    tracegen(*SIMULATED, "--native", "-o", path / "native.gsc")
    return path


def stats(gilscope, path, *options):
    return json.loads(gilscope("stats", "--json", *options, path).stdout)


def collapsed(gilscope, path, *options):
    """{stack: weight}"""
    lines = gilscope("export", "collapsed", *options, path).stdout.splitlines()
    return {stack: int(weight) for stack, _, weight in (line.rpartition(" ") for line in lines)}


def test_python_alone_is_what_it_is_without_native_stacks(gilscope, folder):
    plain = stats(gilscope, folder / "plain.gsc")
    assert stats(gilscope, folder / "native.gsc", "--stacks", "python") == plain
    assert collapsed(gilscope, folder / "native.gsc", "--stacks", "python") == collapsed(gilscope, folder / "plain.gsc")


def test_views_share_the_same_time(gilscope, folder):
    sums = {view: sum(collapsed(gilscope, folder / "native.gsc", "--stacks", view).values())
            for view in ("python", "native", "both")}
    assert len(set(sums.values())) == 1 and sums["both"] > 0, sums


def test_native_alone_has_no_python(gilscope, folder):
    stacks = collapsed(gilscope, folder / "native.gsc", "--stacks", "native")
    assert not any(".py:" in stack for stack in stacks)
    assert any("_PyEval_EvalFrameDefault" in stack for stack in stacks)
    assert any(stack.endswith(";(no native stack)") for stack in stacks)


def test_both_is_the_default_and_tells_kinds(gilscope, folder):
    both = stats(gilscope, folder / "native.gsc")
    assert both == stats(gilscope, folder / "native.gsc", "--stacks", "both")
    kinds = [t["kinds"] for t in both["top_holders"] if "kinds" in t]
    assert kinds and all(len(t["kinds"]) == len(t["stack"]) for t in both["top_holders"] if "kinds" in t)
    assert {k for row in kinds for k in row} >= {"python", "native"}
    stacks = collapsed(gilscope, folder / "native.gsc")
    assert any(".py:" in s and "libwork.so" in s for s in stacks)


def test_findings_are_of_python_code(gilscope, folder):
    """What a thread calls to let the GIL go is the same everywhere: the line that called says more."""
    def claims(path, *options):
        return [(f["id"], f["claim"]) for f in stats(gilscope, path, *options)["findings"]]
    assert claims(folder / "native.gsc") == claims(folder / "plain.gsc")


def test_a_view_that_is_none_is_refused(gilscope, folder):
    result = gilscope("stats", "--stacks", "all", folder / "plain.gsc", expect_rc=2)
    assert "python|native|both" in result.stderr

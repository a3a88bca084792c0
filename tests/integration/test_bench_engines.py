# SPDX-License-Identifier: MIT
"""tests/bench/engines runs and has its structure; what it measures is no matter of a test. That answers are
compared is."""

import json
import stat
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, clean_env

ENGINES = ROOT / "tests" / "bench" / "engines"
IDS = ["B1", "B3", "B4", "B5", "B6", "B7", "B12", "B13"]

pytestmark = pytest.mark.skipif(not (BUILD / "tests" / "gs_engine_ns").exists(),
                                reason="the build has no tests")


def engines(*args, cache=None):
    env = clean_env({"GILSCOPE_CACHE": str(cache)} if cache else {})
    return subprocess.run([sys.executable, str(ENGINES), "--quick", "--build", str(BUILD), *map(str, args)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240, env=env)


def fake_databases(folder, answers):
    """An interpreter that knows the answers to peer.py's queries without asking anybody."""
    path = folder / "python"
    path.write_text("#!%s\nimport json, sys\nanswer = %r[sys.argv[3]]\nprint(json.dumps({'wall_ns': [10 ** 9], "
                    "'cpu_ns': [10 ** 9], 'version': 'nobody', 'answer': answer, 'zstd_bytes': 1, "
                    "'snappy_bytes': 1}))\n" % (sys.executable, answers))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_quick_run_has_every_figure(tmp_path):
    done = engines("--json", tmp_path / "x.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "x.json").read_text())
    assert result["quick"] is True and "quick: no result" in done.stdout
    assert list(dict.fromkeys(r["id"] for r in result["rows"])) == IDS
    for row in result["rows"]:
        assert row["ours"]["value"] > 0 and row["what"] in done.stdout
        if row["id"] in ("B1", "B3", "B4", "B5", "B6", "B7"):
            assert (row["peer"] and row["ratio"] > 0) or row["note"].startswith("skipped: ")
        if row["peer"] is None and row["id"] != "B13":
            assert row["verdict"] == ""
    assert [r["verdict"] for r in result["rows"] if r["id"] == "B13"] == ["met"] * 4
    stages = [(s["name"], s["jobs"], s["engine"]) for s in result["stages"]]
    names = ["read", "decode", "group", "hists", "survey", "order", "blame", "build"]
    assert stages == [(name, jobs, "cpu") for jobs in (1, 2) for name in names] + [("build", 1, "reference")]
    for s in result["stages"]:
        assert s["cpu"] > 0 and s["wall"] > 0 and s["bytes"] > 1 and 1000 < s["peak_rss_kib"] < 1 << 20


def test_without_databases_their_rows_say_so(tmp_path):
    done = engines("--only", "B4,B6", "--json", tmp_path / "x.json", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert len(rows) == 6
    for row in rows:
        assert row["note"].startswith("skipped: databases are not installed") and row["note"] in done.stdout
        assert row["verdict"] == "" and row["peer"] is None and row["ratio"] is None


def test_a_peer_that_fails_ends_the_run(tmp_path):
    done = engines("--only", "B4", "--python", fake_databases(tmp_path, {}))
    assert done.returncode == 1 and "KeyError" in done.stderr
    assert engines("--only", "B99").returncode == 2


@pytest.mark.parametrize("case, query, wrong", [
    ("B4", "duckdb:group", [[[1, 2, 3, 4]]]),
    ("B5", "duckdb:blame-number", [[[1, 2]]]),
    ("B6", "duckdb:order", {"rows": 20000, "hash": 1}),
])
def test_a_wrong_answer_ends_the_run(tmp_path, case, query, wrong):
    done = engines("--only", case, "--python", fake_databases(tmp_path, {"parquet": None, query: wrong}))
    assert done.returncode == 1
    assert done.stdout == "" and "%s, " % case in done.stderr and "the answers differ" in done.stderr

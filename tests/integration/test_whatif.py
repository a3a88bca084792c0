# SPDX-License-Identifier: MIT
"""gilscope whatif and calibrate with real recordings: what they say, and when they say nothing. Whether predictions
come true is for tests/whatif/validate."""
import base64
import gzip
import itertools
import json
import re
import sys

import pytest

from conftest import ROOT, clean_env

WORKLOADS = ROOT / "tests" / "whatif" / "workloads.py"
sys.path.insert(0, str(WORKLOADS.parent))

PRIMITIVES = ["V2-20", "V3-queue", "V3-simple", "V5-50", "V6", "V7", "V10", "V10-pool"]
# Reasons against a number that a busy machine gives: of these few milliseconds a core was away for too long.
BUSY = ["the machine was busy", "whether they computed or waited"]
CALIBRATION = "gilscope calibration 1\npython 3.13.5\ncap 1 1.9 2.7 3.4\ntarget 3.13t\ns 1.1 1.2 1.3\n"


@pytest.fixture
def recorded(record, python):
    def call(name, *options, scale="0.03", threads=3):
        argv = [str(WORKLOADS), name, str(threads), scale]
        return record(python, argv, options=["--budget", "100", *options])
    return call


@pytest.fixture
def whatif(gilscope):
    def call(*args, expect_rc=0):
        out = gilscope("whatif", "--json", *map(str, args), expect_rc=expect_rc)
        return json.loads(out.stdout) if expect_rc == 0 else out.stderr
    return call


def check_order(p):
    assert p["s_p10"] <= p["s_p50"] <= p["s_p90"] <= p["s_max"] + 0.001
    assert p["s_cond_min"] is None or p["s_cond_min"] <= p["s_p50"]


@pytest.mark.pythons(per_minor=True)
@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_range_for_each_primitive(recorded, whatif, name):
    """None of them comes to a standstill when it is replayed, and more cores are no loss."""
    for _ in range(6):
        got = whatif("--cores", 4, recorded(name, "--locks"))
        if not any(busy in got["why_not"] for busy in BUSY):
            break
    assert (got["grade"], got["why_not"], got["mode"], got["cores"]) == ("B", "", "prior", 4)
    check_order(got)
    assert got["verdict"] in ("gain", "neutral", "loss")
    assert [c["cores"] for c in got["curve"]] == [1, 2, 4]
    for c in got["curve"]:
        check_order(c)
    assert got["curve"][0]["s_p50"] <= got["curve"][2]["s_p50"] + 0.02
    assert abs(sum(got["driven_by"].values()) + got["driven_by_none"] - 1) < 0.01
    assert 1 / 3 < got["verdict_share"] <= 1 and got["measured"] == []
    migration, process = got["migration"], got["processes"][0]
    assert sum(part["became_ns"] for part in migration["parts"]) == migration["gil_wait_ns"]
    recorded = sum(part["recorded_ns"] for part in migration["parts"]) + migration["gil_wait_ns"]
    assert recorded == process["threads"] * process["wall_ns"]
    waits = [part for part in migration["parts"] if part["kind"] in ("lock", "queue", "wake")]
    assert sum(part["recorded_ns"] for part in waits) == process["blocked_ns"]


SHARED = """
import threading
lock = threading.Lock()
def loop(n):
    x = 0
    for i in range(n):
        x += i
def run():
    for _ in range(%d):
        loop(%d)
        with lock:
            loop(%d)
threads = [threading.Thread(target=run) for _ in range(%d)]
for t in threads: t.start()
for t in threads: t.join()
"""


def bare(record, python, script, *numbers):
    """Next to nothing but the threads: without site the interpreter is there at once."""
    argv = ["-I", "-S", script(SHARED % numbers)]
    return record(python, argv, options=["--budget", "100", "--locks"])


@pytest.mark.serial
@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_threads_that_share_nothing_gain_what_the_cores_give(record, script, python, whatif, tmp_path):
    """Three equal threads of computing: three times as fast on four cores, less s and less what cores lose."""
    capture = bare(record, python, script, 40, 200_000, 1, 3)
    got = whatif("--cores", 4, "--target", "3.14t", capture)
    process = got["processes"][0]
    assert process["py_ns"] / process["wall_ns"] > 0.85 and process["threads"] == 4
    assert 2.0 < got["s_p50"] < 3
    (tmp_path / "x.cal").write_text(CALIBRATION)
    got = whatif("--cores", 4, "--calibration", tmp_path / "x.cal", capture)
    assert (got["mode"], got["target"]) == ("calibrated", "3.13t") and got["grade"] in "AB"  # B: a busy machine
    alone = whatif("--cores", 1, "--calibration", tmp_path / "x.cal", capture)
    assert 0.75 < alone["s_p50"] < 0.95  # 1 / 1.2
    assert 2.3 < got["s_p50"] / alone["s_p50"] < 2.8  # cap(3) is 2.7


@pytest.mark.serial
@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_one_lock_around_everything_is_the_ceiling(record, script, python, whatif):
    """Half of the work is in one lock: twice as fast, whatever the cores."""
    got = whatif("--cores", 16, bare(record, python, script, 400, 2500, 2500, 8))
    assert 1.7 < got["s_max_if_not_faster"] < 2.7 and got["limited_by"].startswith("lock")
    assert got["s_p50"] <= got["s_max"]


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_a_floor_where_threads_share_nothing(record, script, python, whatif):
    """Threads that are joined by no lock, as from 3.13 on, have not just been heard of: their end is waited for."""
    got = whatif("--cores", 4, bare(record, python, script, 40, 50_000, 1, 2))
    check_order(got)
    assert got["s_cond_min"] is not None


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
@pytest.mark.parametrize("options, why", [
    ((), "no row; record it with gilscope run --locks"),
    (("--level", "2"), "locks was not recorded; record it with gilscope run --locks")])
def test_bounds_only(recorded, whatif, options, why):
    got = whatif(recorded("V1-call", *options))
    assert (got["grade"], got["verdict"]) == ("C", "insufficient") and why in got["why_not"]
    assert got["s_p50"] is None and got["s_p10"] is None and got["s_max"] >= 0.9
    assert all(c["s_p50"] is None for c in got["curve"])


def report_data(page):
    blocks = re.findall(r'<script type="application/octet-stream" class="gs-data">([^<]*)</script>', page.read_text())
    data = json.loads(gzip.decompress(b"".join(map(base64.b64decode, blocks))))
    data["nodes"] = {name: list(itertools.accumulate(steps)) for name, steps in data["nodes"].items()}  # load.js
    return data


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_the_report_has_the_same_numbers(recorded, whatif, gilscope, tmp_path):
    capture, page = recorded("V2-20", "--locks"), tmp_path / "x.html"
    gilscope("report", "--whatif", "--cores", "4", "--target", "3.13t", "-o", page, capture)
    data = report_data(page)
    got = whatif("--cores", 4, "--target", "3.13t", capture)["processes"]
    (saved,) = data["savings"]["processes"]
    nodes = [row.pop("node") for row in saved["migration"]["parts"] + saved["what_if"]]
    assert saved.pop("process") == 0 and [saved] == got and data["savings"]["target"] == "3.13t"
    names = [row["what"] for row in got[0]["migration"]["parts"] + got[0]["what_if"]]
    lock = nodes[next(i for i, name in enumerate(names) if "workloads.py" in name)]
    files = []
    while lock:
        files.append(data["frames"]["file"][data["nodes"]["frame"][lock]])
        lock = data["nodes"]["parent"][lock]
    assert any(name.endswith("workloads.py") for name in files)
    finding = data["findings"][0]
    said = float(re.search(r"([\d.]+) times as fast", finding["claim"])[1])
    assert finding["id"] == "savings" and abs(said - got[0]["s_p50"]) < 0.0056  # both are rounded


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_the_report_without_a_number(recorded, gilscope, tmp_path):
    page = tmp_path / "x.html"
    capture = recorded("V1-call")
    gilscope("report", "--whatif", "-o", page, capture)
    data = report_data(page)
    assert "cannot be said" in data["findings"][0]["claim"] and data["savings"]["processes"][0]["s_p50"] is None
    gilscope("report", "-f", "-o", page, capture)
    data = report_data(page)
    assert "savings" not in data and all(f["id"] != "savings" for f in data["findings"])
    for option in (("--cores", "4"), ("--target", "3.14t"), ("--calibration", "x.cal")):
        assert "--whatif" in gilscope("report", *option, "-o", page, capture, expect_rc=2).stderr


def test_free_threaded_is_no_subject(record, free_threaded_python, whatif):
    capture = record(free_threaded_python, [str(WORKLOADS), "V1-call", "2", "0.01"])
    got = whatif(capture)
    assert got["grade"] == "C" and "free-threaded already" in got["why_not"]


@pytest.mark.parametrize("text, why", [
    ("", "no calibration"), ("x", "no calibration"), (CALIBRATION.replace("cap 1 ", "cap 2 "), "'cap'"),
    (CALIBRATION.replace("1.2 1.3", "1.2 nan"), "'s'"), (CALIBRATION.replace("1.1 1.2", "1.3 1.2"), "'s'"),
    (CALIBRATION.replace("target 3.13t\n", ""), "'target'"), (CALIBRATION + "y 3\n", "no kind"),
    (CALIBRATION + "gc 3 2 4\n", "'gc'"), (CALIBRATION + "gc 1 2 nan\n", "'gc'"),
    (CALIBRATION + "gc_gil 0\n", "'gc_gil'"),
    (CALIBRATION.replace("target 3.13t\ns 1.1 1.2 1.3\n", "gc 1 2 3\n"), "'gc' without"),
    (CALIBRATION + "wake 5000 4000 9000\n", "'wake'"), (CALIBRATION + "threads 1 1 99\n", "'threads'"),
    ("gilscope calibration 1\ncap 1\nthreads 1 1 1\n", "'threads' without 's'"),
    (CALIBRATION.replace("3.13t", "4.0t"), "target"), (CALIBRATION + "\0", "no calibration")])
def test_what_is_no_calibration(whatif, tmp_path, text, why):
    (tmp_path / "x.cal").write_text(text)
    error = whatif("--calibration", tmp_path / "x.cal", tmp_path / "none.gsc", expect_rc=1)
    assert len(error.splitlines()) == 1 and why in error


def test_usage(whatif, tmp_path):
    (tmp_path / "x.cal").write_text(CALIBRATION)
    assert "no capture" in whatif(expect_rc=2)
    assert "1 to 1024" in whatif("--cores", "0", "x.gsc", expect_rc=2)
    assert "is of 3.13t, not of 3.14t" in whatif("--target", "3.14t", "--calibration", tmp_path / "x.cal", "x.gsc",
                                                 expect_rc=2)


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_calibrate_measures(gilscope, python, free_threaded_python, tmp_path):
    out = tmp_path / "x.cal"
    program = [str(WORKLOADS), "V1-call", "1", "0.1"]
    gilscope("calibrate", "--python", python.path, "--python-t", free_threaded_python.path, "-o", out, "--", *program,
             timeout=300)
    lines = dict(line.split(" ", 1) for line in out.read_text().splitlines())
    assert lines["gilscope"] == "calibration 1" and lines["target"].endswith("t")
    cap = [float(c) for c in lines["cap"].split()]
    p10, p50, p90 = map(float, lines["s"].split())
    assert cap[0] == 1 and cap == sorted(cap) and 0 < p10 <= p50 <= p90
    gc = list(map(float, lines["gc"].split()))
    assert len(gc) == 3 and 1 < gc[0] <= gc[1] <= gc[2] < 5000 and 1 < float(lines["gc_gil"]) < 5000
    wake = list(map(float, lines["wake"].split()))
    assert 100 <= wake[0] <= wake[1] <= wake[2] <= 1e7
    assert "threads" not in lines or len(lines["threads"].split()) == 3  # none: a machine without cores to spare
    assert out.stat().st_mode & 0o777 == 0o600
    base = tmp_path / "base.cal"
    known = "wake 200 300 400\ntarget %s\nthreads 1 1.5 2" % lines["target"]
    base.write_text(CALIBRATION.replace("target 3.13t", known))
    gilscope("calibrate", "--python", python.path, "--python-t", free_threaded_python.path, "--base", base, "-o",
             tmp_path / "z.cal", "--", *program, timeout=60)
    again = dict(line.split(" ", 1) for line in (tmp_path / "z.cal").read_text().splitlines())
    assert [float(v) for v in (again["cap"] + " " + again["wake"] + " " + again["threads"]).split()] == [
        1, 1.9, 2.7, 3.4, 200, 300, 400, 1, 1.5, 2]
    assert again["s"] != "1.1000 1.2000 1.3000"
    assert "exists" in gilscope("calibrate", "-o", out, expect_rc=1, timeout=300).stderr
    failed = gilscope("calibrate", "--python", python.path, "--python-t", free_threaded_python.path, "-o",
                      tmp_path / "y.cal", "--", "/nonexistent.py", expect_rc=1, timeout=300, env=clean_env())
    assert "could not measure" in failed.stderr and not (tmp_path / "y.cal").exists()

# SPDX-License-Identifier: MIT
"""One command, run with and without the agent: what it answered, how it ended, what it left behind.

An answer is a test's verdict, or a line a program printed; each has a name. With and without the agent
they must be the same, name by name. One that differs is asked for again, REPEATS times each way: it is
called flaky only when it also varies without the agent.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # where it is run as a program

from sums import check_process  # noqa: E402

REPEATS = 3

# ---- answers ----

BY_CPYTHON = "skipped for LD_PRELOAD"  # some tests look for the variable and do not run


def verdict_of(case):
    kinds = {child.tag: child for child in case}
    for tag in ("error", "failure"):
        if tag in kinds:
            return tag
    if "skipped" not in kinds:
        return "pass"
    reason = "".join(kinds["skipped"].itertext()) + kinds["skipped"].get("message", "")
    return BY_CPYTHON if "LD_PRELOAD" in reason else "skipped"


def verdicts_of(xml_file):
    """{test id: verdict}; a test with subtests or run twice has the worst of its verdicts."""
    order = ("pass", "skipped", BY_CPYTHON, "failure", "error")
    found = {}
    for case in ElementTree.parse(xml_file).getroot().iter("testcase"):
        key = case.get("name")
        if case.get("classname"):
            key = case.get("classname") + "." + key
        found[key] = max(found.get(key, "pass"), verdict_of(case), key=order.index)
    return found


def junit(folder, out, err):
    """Answers of what wrote result.xml in its folder: test runners."""
    return verdicts_of(folder / "result.xml") if (folder / "result.xml").exists() else {}


TEST_LINE = re.compile(r"^(test\w* \([\w.]+\))", re.MULTILINE)
VERDICT = re.compile(r"(?:\.\.\. |^)(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b", re.MULTILINE)


def unittest_lines(folder, out, err):
    """Answers of `unittest -v`: "test_x (module.Case.test_x) ... ok". What a test prints may come between."""
    parts = TEST_LINE.split(err.partition("\n" + "-" * 70)[0])[1:]
    found = {}
    for name, rest in zip(parts[::2], parts[1::2]):
        said = VERDICT.search(rest)
        found[name] = {"ok": "pass", "FAIL": "failure", "ERROR": "error"}.get(said[1], said[1]) if said else "none"
    return found


def printed(folder, out, err):
    """Answers of the programs beside this file: lines "answer NAME: VALUE"."""
    return dict(re.findall(r"^answer ([^:\n]+): (.*)$", out, re.MULTILINE))


# ---- what is left behind ----


def is_marked(entry, mark):
    try:
        alive = "\nState:\tZ" not in (entry / "status").read_text()
        return alive and mark.encode() in (entry / "environ").read_bytes()
    except OSError:
        return False


def processes_with(mark):
    """pids of live processes whose environment holds the mark."""
    return [int(e.name) for e in pathlib.Path("/proc").glob("[0-9]*") if is_marked(e, mark)]


def leftovers(mark, patience_s=5):
    """Command lines of what is still there after a while; it is killed."""
    end = time.monotonic() + patience_s
    while (pids := processes_with(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    names = []
    for pid in pids:
        try:
            cmdline = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
            names.append(cmdline.replace(b"\0", b" ").decode(errors="replace"))
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return names


def wrong_sums(process):
    """The invariant that one process's numbers break, or None. At level 0, where the governor goes on a
    machine with too much to do, there are totals and no rows; a worker that was killed may lack the rows of
    its last moment."""
    rows_lost = process["lost_events"] > 0 or process["level_end"] == 0 or not process["complete"]
    try:
        check_process(process, rows_lost=rows_lost)
    except AssertionError as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        return "%s: %s (%s)" % (" ".join(process["cmdline"]), line, error)
    return None


def account_of(folder, agent):
    """What the captures of one run say: how many, whether all are readable, what they lost, whose sums are wrong."""
    files = sorted(folder.glob("*.gsc*"))
    if not files:
        return {"files": 0}
    gilscope = pathlib.Path(agent).parents[1] / "bin" / "gilscope"
    read = subprocess.run([gilscope, "stats", "--json", *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    doc = json.loads(read.stdout) if read.returncode in (0, 4) else {"capture": {}, "processes": []}
    return {"files": len(files), "status": read.returncode, "lost_events": doc["capture"].get("lost_events"),
            "contended": sum(p["gil"]["contended"] for p in doc["processes"]),
            "wrong": [w for w in map(wrong_sums, doc["processes"]) if w]}


# ---- one run ----


def default_signals():
    """A test run in the background inherits SIGINT ignored; tests of interrupt_main() then never end."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def environment(agent, folder, mark):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("GILSCOPE_", "PYTHON")) and k != "LD_PRELOAD"}
    env["WILD_MARK"] = mark
    if agent:
        env.update(LD_PRELOAD=str(agent), GILSCOPE_OUT=str(folder / "%p.gsc"))
    return env


def run_bounded(argv, timeout_s, **kwargs):
    """(exit status or "timeout", stdout, stderr); its whole session is killed when late."""
    process = subprocess.Popen(argv, start_new_session=True, preexec_fn=default_signals, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **kwargs)
    try:
        out, err = process.communicate(timeout=timeout_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        status = "timeout"
    return status, out, err


def run_once(argv, agent, timeout_s, answers=junit, env=None):
    """One run of argv; "{folder}" in it is the folder it runs in. `answers` makes {name: answer} of that
    folder, stdout and stderr."""
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="wild-") as scratch, \
            tempfile.TemporaryDirectory(prefix="wild-gsc-") as captures:
        folder = pathlib.Path(scratch)
        start = time.monotonic()
        status, out, err = run_bounded([str(arg).replace("{folder}", scratch) for arg in argv], timeout_s, cwd=scratch,
                                  env={**environment(agent, pathlib.Path(captures), mark), **(env or {})})
        return {
            "verdicts": answers(folder, out, err),
            "status": status,
            "seconds": round(time.monotonic() - start, 1),
            "leftovers": leftovers(mark),
            "said": [line for line in (out + err).splitlines() if "gilscope:" in line],
            "captures": account_of(pathlib.Path(captures), agent) if agent else None,
            "tail": out[-2000:] + err[-2000:],
        }


# ---- both ways ----


def differing(plain, watched):
    """Names with unlike answers; "(end)" where the runs ended unlike."""
    a, b = plain["verdicts"], watched["verdicts"]
    names = {i for i in a.keys() | b.keys() if a.get(i) != b.get(i) != BY_CPYTHON}
    if not names and plain["status"] != watched["status"]:
        names.add("(end)")
    return sorted(names)


def check_row(row):
    """Nothing differs, nothing is left, nothing was said, and the captures are right."""
    assert row["tests"] > 0, row["tail"] or row["status"]
    assert row["said"] == []
    assert row["differs"] + row["only_sometimes_with"] == [], row["tail"]
    assert row["leftovers_with"] == [] or row["leftovers_without"] != []
    assert row["captures"]["files"] > 0 and row["captures"]["status"] in (0, 4)
    assert row["wrong_sums"] == [], row["wrong_sums"]


def merge(results, key):
    return {r["verdicts"].get(key, "absent") if key != "(end)" else str(r["status"]) for r in results}


def compare(run, agent, repeats=REPEATS):
    """run(agent or None) both ways: what it answered, what differs for good, what is flaky without the agent too."""
    plain, watched = [run(None)], [run(agent)]
    differ = differing(plain[0], watched[0])
    for _ in range(repeats if differ else 0):
        plain.append(run(None))
        watched.append(run(agent))
    differ = sorted({i for p, w in zip(plain, watched) for i in differing(p, w)})
    flaky = [i for i in differ if len(merge(plain, i)) > 1 or merge(plain, i) == merge(watched, i)]
    firm = [i for i in differ if i not in flaky]
    rarely = [i for i in firm if merge(plain, i) & merge(watched, i)]
    return {
        "tests": len(watched[0]["verdicts"]),
        "passed": sum(v == "pass" for v in watched[0]["verdicts"].values()),
        "answers": watched[0]["verdicts"],
        "runs": len(watched),
        "flaky_without": flaky,
        "only_sometimes_with": rarely,
        "differs": [i for i in firm if i not in rarely],
        "leftovers_with": sum((r["leftovers"] for r in watched), []),
        "leftovers_without": sum((r["leftovers"] for r in plain), []),
        "said": sum((r["said"] for r in watched), []),
        "captures": watched[0]["captures"],
        "wrong_sums": sum((r["captures"].get("wrong", []) for r in watched), []),
        "seconds_without": plain[0]["seconds"],
        "seconds_with": watched[0]["seconds"],
        "status": [[p["status"], w["status"]] for p, w in zip(plain, watched)],
        "tail": watched[0]["tail"],
    }

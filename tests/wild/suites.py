#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own test files, run by an unchanged interpreter with and without the agent.

Every test of a file has a verdict (pass, fail, error, skip; a file that ends otherwise has one of
its own). With and without the agent they must be the same, test by test. One that differs is run
again, REPEATS times each way: it is called flaky only when it also varies without the agent.

As a program it runs files of one interpreter and appends a line of JSON for each to --out:
    suites.py --agent build/lib/libgilscope.so --python ~/python3.12 --out results.jsonl [FILE...]
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree as ElementTree

FILES = """
    test_thread test_threading test_threadsignals test_fork1 test_queue test_gc test_signal
    test_faulthandler test_subprocess test_interpreters test_capi test_concurrent_futures
    test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver test_asyncio
""".split()
NAMES_BEFORE = {"test_interpreters": "test__xxsubinterpreters"}  # where a version has no such file
FILE_TIMEOUT_S = 900
TEST_TIMEOUT_S = 240
REPEATS = 3


def test_folder(python):
    code = "import os, test; print(os.path.dirname(test.__file__))"
    out = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return pathlib.Path(out.stdout.strip()) if out.returncode == 0 else None


def name_in(folder, name):
    """The file's name in this version, or None: some are packages, some came or went."""
    for candidate in (name, NAMES_BEFORE.get(name)):
        if candidate and ((folder / (candidate + ".py")).exists() or (folder / candidate / "__init__.py").exists()):
            return candidate
    return None


# ---- one run of one file ----


def default_signals():
    """A test run in the background inherits SIGINT ignored; tests of interrupt_main() then never end."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


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


def environment(agent, folder, mark):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("GILSCOPE_", "PYTHON")) and k != "LD_PRELOAD"}
    env["WILD_MARK"] = mark
    if agent:
        env.update(LD_PRELOAD=str(agent), GILSCOPE_OUT=str(folder / "%p.gsc"))
    return env


def run_bounded(argv, timeout_s, **kwargs):
    """(exit status or "timeout", its output as text); its whole session is killed when late."""
    process = subprocess.Popen(argv, start_new_session=True, preexec_fn=default_signals, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    try:
        out, _ = process.communicate(timeout=timeout_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        status = "timeout"
    return status, out.decode(errors="replace")


def account_of(folder, agent):
    """What the captures of one run say: how many, whether all are readable, what they lost."""
    files = sorted(folder.glob("*.gsc"))
    if not files:
        return {"files": 0}
    gilscope = pathlib.Path(agent).parents[1] / "bin" / "gilscope"
    read = subprocess.run([gilscope, "stats", "--json", *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    capture = json.loads(read.stdout)["capture"] if read.returncode in (0, 4) else {}
    return {"files": len(files), "status": read.returncode, "lost_events": capture.get("lost_events")}


def run_file(python, name, agent, timeout_s=FILE_TIMEOUT_S):
    """One run of one file: verdicts, how it ended, what it left behind, what the agent said."""
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="wild-") as scratch:
        folder = pathlib.Path(scratch)
        xml_file = folder / "result.xml"
        start = time.monotonic()
        status, out = run_bounded(
            [str(python), "-m", "test", "--junit-xml", str(xml_file), "--timeout", str(TEST_TIMEOUT_S),
             "--tempdir", scratch, name], timeout_s, env=environment(agent, folder, mark), cwd=scratch)
        return {
            "verdicts": verdicts_of(xml_file) if xml_file.exists() else {},
            "status": status,
            "seconds": round(time.monotonic() - start, 1),
            "leftovers": leftovers(mark),
            "said": [line for line in out.splitlines() if line.startswith("gilscope:")],
            "captures": account_of(folder, agent) if agent else None,
            "tail": out[-3000:],
        }


# ---- both ways ----


def differing(plain, watched):
    """Ids with unlike verdicts; "(end)" where the runs ended unlike."""
    a, b = plain["verdicts"], watched["verdicts"]
    ids = {i for i in a.keys() | b.keys() if a.get(i) != b.get(i) != BY_CPYTHON}
    if not ids and plain["status"] != watched["status"]:
        ids.add("(end)")
    return sorted(ids)


def merge(results, key):
    return {r["verdicts"].get(key, "absent") if key != "(end)" else str(r["status"]) for r in results}


def compare_file(python, name, agent, repeats=REPEATS):
    """One row of the table: what ran, what differs for good, what is flaky without the agent too."""
    plain, watched = [run_file(python, name, None)], [run_file(python, name, agent)]
    differ = differing(plain[0], watched[0])
    for _ in range(repeats if differ else 0):
        plain.append(run_file(python, name, None))
        watched.append(run_file(python, name, agent))
    differ = sorted({i for p, w in zip(plain, watched) for i in differing(p, w)})
    flaky = [i for i in differ if len(merge(plain, i)) > 1 or merge(plain, i) == merge(watched, i)]
    firm = [i for i in differ if i not in flaky]
    rarely = [i for i in firm if merge(plain, i) & merge(watched, i)]
    return {
        "file": name,
        "tests": len(watched[0]["verdicts"]),
        "passed": sum(v == "pass" for v in watched[0]["verdicts"].values()),
        "runs": len(watched),
        "skipped_for_preload": sorted(i for i, v in watched[0]["verdicts"].items() if v == BY_CPYTHON),
        "flaky_without": flaky,
        "only_sometimes_with": rarely,
        "differs": [i for i in firm if i not in rarely],
        "leftovers_with": sum((r["leftovers"] for r in watched), []),
        "leftovers_without": sum((r["leftovers"] for r in plain), []),
        "said": sum((r["said"] for r in watched), []),
        "captures": watched[0]["captures"],
        "seconds_without": plain[0]["seconds"],
        "seconds_with": watched[0]["seconds"],
        "status": [[p["status"], w["status"]] for p, w in zip(plain, watched)],
        "tail": watched[0]["tail"] if differ else "",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", type=pathlib.Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("files", nargs="*", default=FILES)
    options = parser.parse_args()
    folder = test_folder(options.python)
    if not folder:
        sys.exit("suites.py: %s has no test package; Debian's libpython3.X-testsuite is one" % options.python)
    for wanted in options.files:
        name = name_in(folder, wanted)
        row = compare_file(options.python, name, options.agent.resolve()) if name else {"file": wanted, "absent": True}
        row["python"] = options.python
        with options.out.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(json.dumps({k: v for k, v in row.items() if k != "tail"}), flush=True)


if __name__ == "__main__":
    main()

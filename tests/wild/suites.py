#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own test files, run by an unchanged interpreter with and without the agent.

Every test of a file has a verdict (pass, fail, error, skip; a file that ends otherwise has one of
its own). With and without the agent they must be the same, test by test; both_ways.py compares.

As a program it runs files of one interpreter and appends a line of JSON for each to --out:
    suites.py --agent build/lib/libgilscope.so --python ~/python3.12 --out results.jsonl [FILE...]
"""
import argparse
import json
import pathlib
import subprocess
import sys

from both_ways import BY_CPYTHON, REPEATS, compare, run_once

FILES = """
    test_thread test_threading test_threadsignals test_fork1 test_queue test_gc test_signal
    test_faulthandler test_subprocess test_interpreters test_capi test_concurrent_futures
    test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver test_asyncio
""".split()
# What looks hardest at memory, and what else may be between Python and its allocators.
MEMORY_FILES = "test_tracemalloc test_gc test_dict test_list test_sys test_capi".split()
ALLOCATORS = {"alloc": {"GILSCOPE_ALLOC": "1"}, "tracemalloc": {"GILSCOPE_ALLOC": "1", "PYTHONTRACEMALLOC": "5"},
              "debug": {"GILSCOPE_ALLOC": "1", "PYTHONMALLOC": "debug"},
              "malloc": {"GILSCOPE_ALLOC": "1", "PYTHONMALLOC": "malloc"}}
# sys._debugmallocstats() prints pymalloc's part only where nothing at all wraps its allocator.
WANT_A_BARE_ALLOCATOR = (".test_debugmallocstats",)
NAMES_BEFORE = {"test_interpreters": "test__xxsubinterpreters"}  # where a version has no such file
FILE_TIMEOUT_S = 900
TEST_TIMEOUT_S = 240


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


def run_file(python, name, agent, env=None, timeout_s=FILE_TIMEOUT_S):
    """One run of one file: verdicts, how it ended, what it left behind, what the agent said."""
    return run_once([python, "-m", "test", "--junit-xml", "{folder}/result.xml", "--timeout", TEST_TIMEOUT_S,
                     "--tempdir", "{folder}", name], agent, timeout_s, env=env)


def compare_file(python, name, agent, repeats=REPEATS, env=None):
    """One row of the table; `env` goes to both."""
    row = compare(lambda agent: run_file(python, name, agent, env), agent, repeats)
    verdicts = row.pop("answers")
    row["file"] = name
    row["skipped_for_preload"] = sorted(i for i, v in verdicts.items() if v == BY_CPYTHON)
    return row


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

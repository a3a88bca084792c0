#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Dependencies point one way, and every header stands alone.

preload/trace <- preload/pyabi <- {preload/ (agent) | analyzer/}; {analyzer/engine_cuda.h | analyzer/whatif/replay*} <-
cuda/; viz/ gives analyzer/ one header, the embedded page. Nobody includes Python.h. Quoted includes are
rooted at the repository.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = {".c", ".h", ".def", ".cpp", ".cu", ".cuh", ".S"}

# What each part may include of the others' files; its own folder is always allowed.
ALLOWED = {
    "trace": (),
    "pyabi": ("preload/trace/gs_status.h",),
    "agent": ("preload/",),
    "analyzer": ("preload/trace/", "preload/pyabi/pyabi.h", "preload/agent_config.def",
                 "preload/agent_config.h", "preload/counter_names.def", "viz/viz_bundle.h"),
    "cuda": ("analyzer/engine_cuda.h", "analyzer/whatif/replay", "preload/trace/"),
    "viz": (),
    "samples": (),
}
FOLDERS = {"trace": "preload/trace/", "pyabi": "preload/pyabi/", "agent": "preload/",
           "analyzer": "analyzer/", "cuda": "cuda/", "viz": "viz/", "samples": "samples/"}

GENERATORS = "preload/pyabi/gen/"  # compiled against CPython's headers by hand, never shipped


def part_of(path):
    for part in ("trace", "pyabi", "agent", "analyzer", "cuda", "viz", "samples"):
        if path.startswith(FOLDERS[part]):
            return part
    return None  # tests may include everything


def sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                         stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    for name in out.splitlines():
        if pathlib.PurePath(name).suffix in SUFFIXES and (ROOT / name).exists():
            yield name


def check_include(path, part, bracket, target):
    if path.startswith(GENERATORS):
        return None
    if target == "Python.h" or target.startswith(("cpython/", "internal/pycore")):
        return "%s: includes %s; CPython is known by preload/pyabi alone" % (path, target)
    if bracket == "<" or part is None:
        return None
    if not (ROOT / target).exists():
        if not ((ROOT / path).parent / target).exists():
            return None  # generated at build time; the compiler finds it or fails
        return '%s: "%s" is not rooted at the repository' % (path, target)
    if target.startswith(FOLDERS[part]) or target.startswith(ALLOWED[part]):
        return None
    return "%s: may not include %s" % (path, target)


def compile_alone(path):
    """A header must compile by itself, as the first line of a file."""
    result = subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-I", str(ROOT), "-Wall",
         "-fsyntax-only", "-x", "c", "-"],
        input='#include "%s"\n' % path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True)
    if result.returncode == 0:
        return None
    first = next((line for line in result.stdout.splitlines() if "error" in line), "?")
    return "%s: does not compile alone: %s" % (path, first)


def main():
    problems, headers, seen = [], [], {}
    for path in sources():
        part = part_of(path)
        text = (ROOT / path).read_text(errors="replace")
        for bracket, target in INCLUDE.findall(text):
            problems.append(check_include(path, part, bracket, target))
        if path.endswith(".h") and part is not None and not path.startswith(GENERATORS):
            headers.append(path)
        name = path.rsplit("/", 1)[-1]
        if name in seen and part is not None:
            problems.append("%s: the name is taken by %s" % (path, seen[name]))
        seen[name] = path
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems += pool.map(compile_alone, headers)
    problems = [p for p in problems if p]
    print("\n".join("  " + p for p in problems) + ("\n" if problems else "")
          + "%s includes: %d files, %d headers alone, %d problems"
          % ("FAIL" if problems else "PASS", len(seen), len(headers), len(problems)))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

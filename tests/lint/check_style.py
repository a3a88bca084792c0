#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules a formatter does not know: licence lines, lengths, leftovers, machine names.

No function over 100 lines, no source over 600, no line over 120 (JavaScript 160), no tab, no
trailing blank, an SPDX line at the top, nothing "to do", no path of the machine somebody worked on.
"""

import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
C_LIKE = {".c", ".h", ".def", ".cpp", ".cu", ".cuh", ".S", ".map"}
SCRIPTS = {".py", ".sh", ".cmake", ".js", ".mjs", ".css"}
MAX_FILE, MAX_FUNCTION = 600, 100
MAX_LINE = {".js": 160, ".mjs": 160, ".css": 10_000}  # markup, a rule to a line; else 120
GENERATED = re.compile(r"generated|do not edit", re.IGNORECASE)
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
DATA_LINE = "# answer: "  # JSON that the samples' tests read
CXX_SCOPE = re.compile(r"(class|struct|namespace)\b[^()]*$")  # a brace in column 0 of its own
MACHINE = re.compile(r"(?<![\w}*])/(?:root|home/\w+|work/(?:main|shared))/")


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                         stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    return [name for name in out.splitlines() if (ROOT / name).is_file()]


def is_source(name, text):
    path = pathlib.PurePath(name)
    return (path.suffix in C_LIKE | SCRIPTS or path.name == "CMakeLists.txt"
            or text.startswith("#!"))


def c_functions(lines):
    """(first line, length, name) of functions whose brace stands in column 0 (kernel style)."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = None if CXX_SCOPE.match(lines[number - 2]) else number
        elif line.startswith("}") and start is not None:
            head = next((text for text in reversed(lines[:start - 1]) if "(" in text), "?")
            name = re.search(r"(\w+)\s*\(", head)
            yield start, number - start + 1, name.group(1) if name else "?"
            start = None


def py_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1, node.name


def check_lines(name, lines):
    max_line = MAX_LINE.get(pathlib.PurePath(name).suffix, 120)
    for number, line in enumerate(lines, 1):
        where = "%s:%d: " % (name, number)
        if "\t" in line:
            yield where + "tab"
        if line != line.rstrip():
            yield where + "blank at the end of the line"
        if len(line) > max_line and not line.startswith(DATA_LINE):
            yield where + "%d columns" % len(line)
        if LEFTOVER.search(line):
            yield where + "leftover: " + LEFTOVER.search(line).group(1)
        if MACHINE.search(line):
            yield where + "names a folder of one machine"


def check_file(name, text):
    lines = text.splitlines()
    head = "\n".join(lines[:4])
    if "SPDX-License-Identifier: MIT" not in head and lines:
        yield "%s: no SPDX line at the top" % name
    if GENERATED.search("\n".join(lines[:8])) and "_rows" in name:
        return  # tables: as long as the generator makes them
    if len(lines) > MAX_FILE:
        yield "%s: %d lines" % (name, len(lines))
    yield from check_lines(name, lines)
    suffix = pathlib.PurePath(name).suffix
    try:
        functions = (c_functions(lines) if suffix in (".c", ".h", ".cpp", ".cu", ".cuh")
                     else py_functions(text) if suffix == ".py" else ())
        for line, length, function in functions:
            if length > MAX_FUNCTION:
                yield "%s:%d: %s() has %d lines" % (name, line, function, length)
    except SyntaxError as error:
        yield "%s: %s" % (name, error)


def main():
    problems, n_files = [], 0
    for name in tracked():
        if name.startswith(("tests/golden/", "tests/fuzz/corpus/")):
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if is_source(name, text):
            n_files += 1
            problems += check_file(name, text)
        elif name.endswith(".md"):
            problems += ["%s:%d: names a folder of one machine" % (name, number)
                         for number, line in enumerate(text.splitlines(), 1)
                         if MACHINE.search(line)]
    print("\n".join("  " + p for p in problems) + ("\n" if problems else "")
          + "%s style: %d files, %d problems"
          % ("FAIL" if problems else "PASS", n_files, len(problems)))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

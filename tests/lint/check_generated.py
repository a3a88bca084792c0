#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists that must agree do: the agent's variables, the options, --help, man pages, completions,
README. usage: check_generated.py [BUILD-FOLDER]"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRING = r'(?:NULL|"(?:[^"\\]|\\.)*")'


def variables():
    text = (ROOT / "preload/agent_config.def").read_text()
    return set(re.findall(r"^GS_CONFIG\((GILSCOPE_\w+)", text, re.MULTILINE))


def written_out(text):
    """options.def, with what several commands share in its place."""
    for name, body in re.findall(r"^#define (GS_\w+)\(cmd\) \\\n((?:.*\\\n)*.*\n)", text, re.MULTILINE):
        lines = re.sub(r" *\\$|^    ", "", body, flags=re.MULTILINE)
        for use, command in re.findall(r"^(%s\((\w+)\))$" % name, text, re.MULTILINE):
            text = text.replace(use + "\n", lines.replace("(cmd,", "(%s," % command))
    return text


def options():
    """(command, long name or '', letter or '', variable or '') of each option."""
    text = written_out((ROOT / "analyzer/options.def").read_text())
    pattern = re.compile(
        r"^GS_OPTION\((\w+), \w+,\s*(%s),\s*('.'|0),\s*%s,\s*(%s)," % (STRING, STRING, STRING),
        re.MULTILINE)
    for command, name, letter, variable in pattern.findall(text):
        yield (command, name.strip('"').replace("NULL", ""), letter.strip("'").replace("0", ""),
               variable.strip('"').replace("NULL", ""))


def spellings(name, letter):
    return [s for s in (name and "--" + name, letter and "-" + letter) if s]


def output_of(program, *args):
    result = subprocess.run([str(program), *args], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                            universal_newlines=True, timeout=30)
    return result.stdout if result.returncode == 0 else ""


def check_sources(known):
    for command, name, _, variable in options():
        if variable and variable not in known:
            yield "options.def: %s --%s sets %s, which the agent does not read" % (
                command, name, variable)
    used = {variable for _, _, _, variable in options()}
    for variable in sorted(known - used):
        yield "agent_config.def: %s has no option of `gilscope run`" % variable
    readme = ROOT / "README.md"
    text = readme.read_text() if readme.exists() else ""
    for variable in sorted(known):
        if variable not in text:
            yield "README.md: does not name %s" % variable


def check_program(program):
    bash = output_of(program, "completions", "bash")
    texts = {}
    for command, name, letter, _ in options():
        if command not in texts:
            texts[command] = (output_of(program, command, "--help"),
                              output_of(program, "__man", command).replace("\\-", "-"))
        for spelling in spellings(name, letter):
            for what, text in zip(("--help", "the man page"), texts[command]):
                if not re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(spelling), text):
                    yield "%s of %s lacks %s" % (what, command, spelling)
        if name and "--" + name not in bash:
            yield "the bash completion lacks --%s of %s" % (name, command)


def check_written_texts(program, folder):
    """What the build wrote is what the program would print now."""
    for page in sorted(folder.glob("gilscope-*.1")):
        command = page.stem[len("gilscope-"):]
        if page.read_text() != output_of(program, "__man", command):
            yield "%s is stale" % page.name


def main():
    build = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")
    program = build / "bin" / "gilscope"
    problems = list(check_sources(variables()))
    if program.exists():
        problems += check_program(program)
        problems += check_written_texts(program, build / "analyzer" / "texts")
    else:
        problems.append("%s is not built: its texts were not compared" % program.name)
    print("\n".join("  " + p for p in problems) + ("\n" if problems else "")
          + "%s generated: %d variables, %d options, %d problems"
          % ("FAIL" if problems else "PASS", len(variables()), len(list(options())), len(problems)))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

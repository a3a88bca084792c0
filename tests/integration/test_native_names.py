# SPDX-License-Identifier: MIT
"""Names, lines and inlined functions of native frames, from a library that waits for the GIL in a known chain."""
import re
import shutil
import subprocess

import pytest

from conftest import clean_env

pytestmark = pytest.mark.pythons(per_minor=True)


def tool(*argv, cwd):
    subprocess.run([str(a) for a in argv], cwd=str(cwd), check=True, env=clean_env(), timeout=60)


@pytest.fixture
def stacks(python, gilscope, record, targets, compile_c, tmp_path):
    """stacks(compiler, strip) -> the stacks in which the library waited for the GIL, outermost frame first"""
    def call(compiler="cc", strip=None):
        built = compile_c("chain.c", "-g", "-O2", "-shared", "-fPIC", "-DLETS_GO", compiler=compiler)
        shutil.copy(str(built), str(tmp_path / "libchain.so"))
        if strip == "apart":
            tool("objcopy", "--only-keep-debug", "libchain.so", "libchain.so.debug", cwd=tmp_path)
            tool("objcopy", "--strip-all", "--add-gnu-debuglink=libchain.so.debug", "libchain.so", cwd=tmp_path)
        elif strip:
            tool("strip", "--strip-all", "libchain.so", cwd=tmp_path)
        capture = record(python, [targets / "waits_in_c.py", tmp_path / "libchain.so"], options=["--native"])
        argv = ["export", "collapsed", "--metric", "wait", "--stacks", "both", capture.file]
        lines = gilscope(*argv).stdout.splitlines()
        found = [line.rpartition(" ")[0].split(";") for line in lines if "enters" in line or "libchain" in line]
        assert found, lines
        return [[re.sub(r" \([^()]*/", " (", frame) for frame in stack] for stack in found]
    return call


def has_chain(stack, names):
    """The names stand one behind the other, called from Python's in_c."""
    functions = [frame.split(" (")[0] for frame in stack]
    return any(functions[i:i + len(names)] == names for i in range(len(functions))) and "in_c" in functions


def test_static_and_inlined_functions_have_names_and_lines(stacks):
    found = stacks()
    assert any(has_chain(s, ["enters", "holds", "inlined"]) for s in found), found
    assert any(frame.startswith("inlined (chain.c:34)") for s in found for frame in s), found


def test_debugging_information_in_a_file_apart(stacks):
    found = stacks(strip="apart")
    assert any(has_chain(s, ["enters", "holds", "inlined"]) for s in found), found


def test_without_any_only_what_is_exported_has_a_name(stacks):
    found = stacks(strip="all")
    assert any("enters (libchain.so)" in s for s in found) and not any("holds" in f for s in found for f in s), found
    assert any(re.match(r"0x[0-9a-f]+ \(libchain.so\)", f) for s in found for f in s), found


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_names_of_cpp_are_demangled(stacks):
    found = stacks("c++")
    assert any(f.startswith("outer::Worker::work(int)") for s in found for f in s), found

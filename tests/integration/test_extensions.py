# SPDX-License-Identifier: MIT
"""Which extension modules say that they need no GIL, and the verdict where one does not."""
import json
import os
import shutil
import subprocess
import time

import pytest

from conftest import clean_env

MODULE = """
#include <Python.h>
static int exec_module(PyObject *m) { (void)m; return 0; }
%s
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "NAME", .m_slots = %s};
PyMODINIT_FUNC PyInit_NAME(void) { %s }
"""
TABLE = "%s PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)exec_module}, %s {0, NULL}};"
IN_PHASES = "return PyModuleDef_Init(&def);"
SLOT = "{Py_mod_gil, Py_MOD_GIL_NOT_USED},"
SOURCES = {
    "says": MODULE % (TABLE % ("static", SLOT), "slots", IN_PHASES),
    "says_exported": MODULE % (TABLE % ("", "{Py_mod_multiple_interpreters, (void *)2}," + SLOT), "slots", IN_PHASES),
    "needs": MODULE % (TABLE % ("static", "{Py_mod_gil, Py_MOD_GIL_USED},"), "slots", IN_PHASES),
    "silent": MODULE % (TABLE % ("static", ""), "slots", IN_PHASES),
    "cythons": MODULE % (TABLE % ("static", "") + 'char by[] = "cython_runtime";', "slots", IN_PHASES),
    "one_phase": MODULE % ("int (*const u)(PyObject *) = exec_module;", "NULL", "return PyModule_Create(&def);"),
    "made": MODULE % ("static PyModuleDef_Slot made[2];", "NULL",
                      "made[0].slot = Py_mod_exec; made[0].value = (void *)exec_module; def.m_slots = made;" +
                      IN_PHASES),
}
EXPECTED = {"says": "not needed", "says_exported": "not needed", "needs": "not said", "silent": "not said",
            "cythons": "unknown", "one_phase": "unknown", "made": "unknown"}
PROGRAM = """
import sys, threading, time
sys.path.insert(0, %r)
for name in %r:
    __import__(name)
def run():
    for _ in range(20): sum(range(2000))
threads = [threading.Thread(target=run) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
"""

# Of the interpreter's own modules: which there are, and whether free-threaded Python takes the GIL back for one.
OWN = """
import glob, importlib.machinery as m, os, sysconfig
suffix = m.EXTENSION_SUFFIXES[0]
folders = [p for p in __import__("sys").path if os.path.isdir(p)]
found = [f[:-len(suffix)] for p in folders for f in os.listdir(p) if f.endswith(suffix)]
print(*sorted(set(f for f in found if not f.startswith(("_test", "xx", "_xx")))))
"""
TAKES_IT_BACK = """
import sys
for name in sys.argv[1:]:
    try:
        __import__(name)
    except ImportError:
        continue
    if sys._is_gil_enabled():
        print(name)
        break
"""

cc = shutil.which("cc")
pytestmark = pytest.mark.pythons(min=(3, 13), per_minor=True)


@pytest.fixture
def build(python, tmp_path):
    code = "import sysconfig as s; print(s.get_path('include'), s.get_path('platinclude'))"
    include = python.run("-c", code).stdout.split()
    if cc is None or not os.path.exists(include[0] + "/Python.h"):
        pytest.skip("no compiler, or no headers of this Python")

    def call(names, suffix=".so"):
        for name in names:
            source = tmp_path / (name + ".c")
            source.write_text(SOURCES[name].replace("NAME", name))
            folders = ["-I" + folder for folder in (*include, os.path.dirname(include[0]))]
            out = str(tmp_path / (name + suffix))
            subprocess.run([cc, "-shared", "-fPIC", "-O1", *folders, str(source), "-o", out], check=True,
                           env=clean_env(), timeout=60)
        return tmp_path
    return call


@pytest.fixture
def told(build, record, python, gilscope, script, tmp_path):
    """told(names) -> the JSON of whatif; .answers: of each module"""
    def call(names, suffix=".so", change=lambda folder: None, options=("--locks", "--budget", "100")):
        folder = build(names, suffix)
        capture = record(python, [script(PROGRAM % (str(folder), list(names)))], options=options)
        change(folder)
        got = json.loads(gilscope("whatif", "--json", capture.file).stdout)
        modules = got["processes"][0]["extension_modules"]
        return got, {os.path.basename(m["path"]).split(".")[0]: m for m in modules}
    return call


def test_each_way_to_say_it(told):
    got, modules = told(list(EXPECTED))
    assert {name: m["gil"] for name, m in modules.items()} == EXPECTED
    assert all(bool(m["why"]) == (m["gil"] == "unknown") for m in modules.values())
    assert "Cython" in modules["cythons"]["why"] and "one phase" in modules["one_phase"]["why"]
    assert got["verdict"] == "blocked" and got["grade"] == "B" and got["s_p50"] > 0
    back = got["if_gil_is_back"]
    assert back["s_p10"] < back["s_p50"] < back["s_p90"] <= 1.01


def test_nothing_is_blocked_by_what_says_so_or_is_not_known(told, gilscope, tmp_path):
    got, _ = told(["says", "one_phase"])
    assert got["verdict"] in ("gain", "neutral", "loss")
    text = gilscope("whatif", tmp_path).stdout
    assert "1 say that they need no GIL" in text and "1 not known (it is set up in one phase" in text


def test_blocked_is_so_without_a_number(told):
    got, _ = told(["silent"], options=())
    assert (got["grade"], got["verdict"], got["s_p50"]) == ("C", "blocked", None)


def overwrite(folder):
    time.sleep(0.02)
    shutil.copy(folder / "says.so", folder / "silent.so")


def make_pipe(folder):
    (folder / "silent.so").unlink()
    os.mkfifo(folder / "silent.so")


def garble(folder):
    data = bytearray((folder / "silent.so").read_bytes())
    stat = os.stat(folder / "silent.so")
    (folder / "silent.so").write_bytes(data[:len(data) // 3])
    os.utime(folder / "silent.so", ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change, why", [
    (overwrite, "after the recording"), (make_pipe, "not here"), (garble, ""),
    (lambda folder: (folder / "silent.so").unlink(), "not here")])
def test_a_file_that_is_another_now_is_not_judged(told, change, why):
    got, modules = told(["says", "silent"], change=change)
    assert modules["silent"]["gil"] == "unknown" and why in modules["silent"]["why"]
    assert got["verdict"] != "blocked"


def test_a_module_for_any_python_is_not_judged(told):
    _, modules = told(["silent"], suffix=".abi3.so")
    assert modules["silent"]["gil"] == "unknown" and "abi3" in modules["silent"]["why"]


def test_what_is_said_of_pythons_own_modules_is_what_free_threaded_python_does(
        python, interpreters, record, gilscope, script):
    twin = next((p for p in interpreters if p.free_threaded and p.minor == python.minor), None)
    if twin is None:
        pytest.skip("no free-threaded Python of this version")
    names = python.run("-c", OWN).stdout.split()
    if len(names) < 10:
        pytest.skip("its modules are built in")
    program = PROGRAM.replace("__import__(name)", "try: __import__(name)\n    except ImportError: pass")
    capture = record(python, [script(program % ("", names))], options=("--locks", "--budget", "100"))
    modules = json.loads(gilscope("whatif", "--json", capture.file).stdout)["processes"][0]["extension_modules"]
    said = {os.path.basename(m["path"]).split(".")[0]: m["gil"] for m in modules}
    if not said:
        pytest.skip("an installed Python's own modules are not looked at: another comes with its own")
    assert len(said) >= 10
    taken_back = twin.run(script(TAKES_IT_BACK), *(name for name in names if said.get(name) == "not needed")).stdout
    assert not taken_back, "said to need none"
    for name in (name for name in names if said.get(name) == "not said"):
        assert twin.run(script(TAKES_IT_BACK), name).stdout, "%s is said to need it" % name

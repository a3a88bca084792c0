# SPDX-License-Identifier: MIT
"""What preload/pyabi reads from a live interpreter's memory equals what Python says of itself, on
every interpreter found: frames, lines, names, threads. The comparison is in pyabi_live_target.py.
"""

import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """pyabi_probe.c with preload/pyabi, as a library for ctypes."""
    out = tmp_path_factory.mktemp("pyabi") / "probe.so"
    sources = sorted((ROOT / "preload" / "pyabi").glob("*.c"))
    command = ["gcc", "-std=gnu11", "-O2", "-g", "-fPIC", "-shared", "-fvisibility=hidden",
               "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", ROOT, "-o", out,
               HERE / "pyabi_probe.c", *sources, "-ldl"]
    subprocess.run(list(map(str, command)), check=True)
    return out


def compare(interpreter, probe):
    out = interpreter.run(HERE / "pyabi_live_target.py", probe, timeout=300)
    text = out.stdout if isinstance(out.stdout, str) else out.stdout.decode()
    error = out.stderr if isinstance(out.stderr, str) else (out.stderr or b"").decode()
    if "No module named '_ctypes'" in error or "No module named 'ctypes'" in error:
        pytest.skip("%s has no ctypes" % interpreter.path)
    assert out.returncode == 0, text + error
    assert text.splitlines()[-1].startswith("ok "), text
    return text


def test_frames_are_what_python_says(python, probe):
    assert "free-threaded 0" in compare(python, probe)


def test_frames_of_free_threaded_builds(free_threaded_python, probe):
    assert "free-threaded 1" in compare(free_threaded_python, probe)


def test_older_pythons_are_refused(old_python, probe):
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).probe_init())"
    out = old_python.run("-c", code, probe)
    assert int(out.stdout) == -40, out  # GS_ERR_UNSUPPORTED_PYTHON

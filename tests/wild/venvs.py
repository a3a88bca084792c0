# SPDX-License-Identifier: MIT
"""Venvs of programs nobody here wrote, kept in the cache; made anew when their requirements change."""

import fcntl
import pathlib
import shutil
import subprocess

import pytest

from conftest import CACHE, clean_env

HERE = pathlib.Path(__file__).resolve().parent


def make(python, wanted, venv):
    """None, or why it could not be made."""
    shutil.rmtree(venv, ignore_errors=True)
    for argv in [python, "-m", "venv", venv], [venv / "bin" / "pip", "install", "-q", "-r", wanted]:
        run = subprocess.run(argv, env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode:
            return (run.stdout.strip().splitlines() or ["exit status %d" % run.returncode])[-1]
    return None


def venv_of(python, version, name):
    """The folder of programs of a venv with requirements-NAME.txt; skips where they cannot be installed.
    pytest's workers run beside each other: one makes it, the other waits."""
    wanted = HERE / ("requirements-%s.txt" % name)
    venv = CACHE / "wild" / ("%s-%d.%d" % (name, *version[:2]))
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open("%s.lock" % venv, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, text = venv / "requirements.txt", "# %s\n%s" % (python, wanted.read_text())
        if not done.exists() or done.read_text() != text:
            failed = make(python, wanted, venv)
            if failed:
                pytest.skip("no venv with %s: %s" % (wanted.name, failed[-200:]))
            done.write_text(text)
    return venv / "bin"

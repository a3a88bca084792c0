# SPDX-License-Identifier: MIT
"""Where commands write: a new file of one's own, 0600 from its first byte, through no link."""

import os
import stat
import sys

import pytest

from conftest import clean_env


@pytest.fixture(scope="module")
def capture(gilscope, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "job.gsc"
    gilscope("run", "-q", "-o", path, "--", sys.executable, "-c", "pass")
    return path


def writers(capture, out, *options):
    return {
        "report": ["report", *options, capture, "-o", out],
        "export": ["export", "speedscope", *options, capture, "-o", out],
        "recover": ["recover", *options, capture, "-o", out],
        "symbolize": ["symbolize", *options, capture, "-o", out],
    }


COMMANDS = sorted(writers("", ""))
one_command = pytest.mark.parametrize("command", COMMANDS)


@one_command
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_link_in_the_way_is_refused(gilscope, capture, tmp_path, command, force):
    victim, link, dangling = (tmp_path / name for name in ("victim", "link", "dangling"))
    victim.write_text("mine")
    link.symlink_to(victim)
    dangling.symlink_to(tmp_path / "nowhere")
    for out in (link, dangling):
        result = gilscope(*writers(capture, out, *force)[command], expect_rc=1)
        assert result.stderr.startswith("gilscope: %s: " % out)
        assert out.is_symlink()
    assert victim.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["dangling", "link", "victim"]


@one_command
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_mode_does_not_depend_on_the_umask(gilscope, capture, tmp_path, command, force):
    out = tmp_path / "out"
    if force:
        out.write_text("old")
        out.chmod(0o666)
    gilscope(*writers(capture, out, *force)[command], preexec_fn=lambda: os.umask(0))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["out"]


@one_command
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_the_first_byte_is_written_to_a_private_file(gilscope, capture, tmp_path, command, force):
    """The files are there before anything is written: looked at through strace."""
    import shutil
    import subprocess

    strace = shutil.which("strace") or pytest.skip("no strace")
    args = [strace, "-f", "-e", "trace=openat,open,creat,chmod,fchmod,fchmodat", "-o",
            tmp_path / "trace", gilscope.path,
            *writers(capture, tmp_path / "out", *force)[command]]
    result = subprocess.run(list(map(str, args)), env=clean_env(), capture_output=True, text=True)
    if "ptrace" in result.stderr.lower():
        pytest.skip("ptrace is not allowed here")
    trace = (tmp_path / "trace").read_text()
    made = [line for line in trace.splitlines() if "O_CREAT" in line and str(tmp_path) in line]
    assert len(made) == 1 and "O_EXCL" in made[0] and ", 0600)" in made[0], trace[-3000:]
    assert "chmod" not in trace


def test_devices_are_written_as_they_are(gilscope, capture, tmp_path):
    gilscope("export", "collapsed", capture, "-o", "/dev/null")
    gilscope("report", capture, "-o", "/dev/full", expect_rc=1)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

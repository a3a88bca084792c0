# SPDX-License-Identifier: MIT
"""The agent's own NVML (preload/nvml.c): apart from the program's, and each reason why there is no number."""
import os
import shutil
import subprocess

import pytest

from conftest import BUILD, clean_env

FOLDER = BUILD / "tests" / "cuda"
USED = str((300 << 20) + (1 << 20))  # a context and what the step "driver" allocates
NOT_LISTED = "NVML does not list this process (in a container it may know it by another id)"


@pytest.fixture
def probe(tmp_path):
    """probe(*steps, FAKENVML_X=…) -> lines; `wrap` is put before the program."""
    if not (FOLDER / "nvml_probe").exists():
        pytest.skip("nvml_probe is not built")

    def run(*steps, wrap=(), library_path=FOLDER, **env):
        shared = {"FAKECUDA_SHARED": tmp_path / "shared", "LD_LIBRARY_PATH": library_path}
        result = subprocess.run(
            [*wrap, str(FOLDER / "nvml_probe"), *steps], env=clean_env({**shared, **env}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, universal_newlines=True)
        assert result.returncode == 0, result.stdout
        return result.stdout.splitlines()

    return run


def test_it_tells_what_the_process_uses(probe):
    assert probe("driver", "ask", "ask") == ["driver 0", USED, USED]


@pytest.mark.parametrize("load", ["load", "global"])
def test_the_programs_own_came_first(probe, load):
    lines = probe(load, "query", "driver", "ask", "query", "ask", "query")
    assert lines == ["load 0", "query 0, 3 calls", "driver 0", USED, "query 0, 5 calls", USED,
                     "query 0, 7 calls"]


@pytest.mark.parametrize("load", ["load", "global"])
def test_the_programs_own_came_second(probe, load):
    assert probe("driver", "ask", load, "query", "ask", "query") == [
        "driver 0", USED, "load 0", "query 0, 3 calls", USED, "query 0, 5 calls"]


def test_the_program_sees_no_descriptor_of_ours(probe):
    lines = probe("driver", "fds", "ask", "fds")
    assert lines[1] == lines[3]


def test_closing_all_descriptors_does_not_reach_it(probe):
    assert probe("driver", "load", "ask", "close-all", "ask", "query")[3:] == [
        USED, "query 15, 2 calls"]


def test_the_next_drain_thread(probe):
    """Its first eight descriptors have the numbers that NVML's had; they are left alone."""
    lines = probe("driver", "begins", "ask", "begins", "ask", "begins", "begins", "ask", "ask")
    assert lines == ["driver 0", USED, USED, USED, USED]


def test_a_forked_child_has_another(probe, tmp_path):
    lines = probe("ask", "fork", "driver", "ask", "load", "query", "ask",
                  FAKENVML_LOG=tmp_path / "log")
    assert lines == [NOT_LISTED, "driver 0", USED, "load 0", "query 0, 3 calls", USED]
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len({(pid, instance) for pid, _, instance, *_ in rows}) == 3
    assert len({instance for _, _, instance, *_ in rows}) == 3


@pytest.mark.parametrize("setting, expected", [
    ({"FAKENVML_HIDE": "all"}, NOT_LISTED),
    ({"FAKENVML_HIDE": "pids"}, NOT_LISTED),
    ({"FAKENVML_MPS": 1}, USED),
    ({"FAKENVML_NA": 1}, "NVML lists this process without its memory"),
    ({"FAKENVML_FAIL": 4}, "NVML: no permission"),
    ({"FAKENVML_FAIL": 3}, "NVML does not tell the memory of processes on this device"),
    ({"FAKENVML_FAIL": 999}, "NVML failed"),
    ({"FAKENVML_INIT_FAIL": 9}, "NVML: the driver is not loaded"),
])
def test_why_there_is_no_number(probe, setting, expected):
    assert probe("driver", "ask", "ask", **setting)[1:] == [expected, expected]


def test_no_such_device(probe):
    assert probe("driver", "ask:0000:99:00.0", "ask")[1:] == ["NVML knows no such device", USED]


def test_no_library(probe):
    assert probe("ask", library_path="/nowhere") == [
        "there is no libnvidia-ml.so.1 where the dynamic linker looks"]


def test_a_library_of_another_kind_is_passed_over(probe, tmp_path):
    (tmp_path / "32").mkdir()
    image = bytearray((FOLDER / "libnvidia-ml.so.1").read_bytes())
    image[4] = 1  # ELFCLASS32
    (tmp_path / "32" / "libnvidia-ml.so.1").write_bytes(image)
    lines = probe("ask", library_path="%s::%s" % (tmp_path / "32", FOLDER))
    assert lines == [NOT_LISTED]


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.2])
def test_a_library_that_is_cut_short(probe, tmp_path, kept):
    """As while the driver is being updated: what is not in the file would be a SIGBUS."""
    image = (FOLDER / "libnvidia-ml.so.1").read_bytes()
    (tmp_path / "libnvidia-ml.so.1").write_bytes(image[:int(len(image) * kept)])
    assert probe("ask", library_path=tmp_path) == ["libnvidia-ml.so.1 cannot be read"]


def test_no_file_in_memory(probe):
    assert probe("driver", "refuse-memfd", "ask")[1:] == [
        "the system gives no file in memory (memfd_create)"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_proc(probe, tmp_path):
    (tmp_path / "root" / "usr" / "lib64").mkdir(parents=True)
    shutil.copy(FOLDER / "libnvidia-ml.so.1", tmp_path / "root" / "usr" / "lib64")
    (line,) = probe("chroot:%s" % (tmp_path / "root"), "ask")
    assert line.startswith("a copy of libnvidia-ml.so.1 in memory cannot be loaded")


def other_namespace():
    wrap = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*wrap, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no other namespace of process ids can be made")
    return wrap


@pytest.mark.parametrize("hide, expected", [("", USED), ("mixed", NOT_LISTED)])
def test_process_ids_of_another_namespace(probe, hide, expected):
    lines = probe("driver", "ask", wrap=other_namespace(), FAKENVML_HIDE=hide)
    assert lines == ["driver 0", expected]

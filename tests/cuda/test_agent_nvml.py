# SPDX-License-Identifier: MIT
"""The agent asks NVML what each process uses of a device; a program that does so itself notices nothing."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cuda_rows_of as of  # noqa: E402
from conftest import BUILD  # noqa: E402
from preloaded import run_plain, run_preloaded  # noqa: E402

DRIVER = BUILD / "tests" / "cuda"
pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)


@pytest.fixture
def env(tmp_path):
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")
    return {"LD_LIBRARY_PATH": DRIVER, "FAKECUDA_SHARED": tmp_path / "shared"}


def cuda_of(gilscope, path):
    return of.Cuda(gilscope("dump", "--raw-json", path).stdout.splitlines())


def test_each_process_of_a_job(python, gilscope, env, tmp_path):
    argv = [python, HERE / "targets" / "job.py", 3, 2]
    result = run_preloaded(gilscope, argv, tmp_path / "%p.gsc", env=env)
    assert (result.returncode, result.stderr) == (0, "")
    truth = {int(pid): int(used) for pid, _, used in map(str.split, result.stdout.splitlines())}
    assert len(truth) == 3
    for pid, used in truth.items():
        cuda = cuda_of(gilscope, tmp_path / ("%d.gsc" % pid))
        assert cuda.used and cuda.used[-1][1:] == [0, used] and not cuda.events


def test_a_program_that_asks_too(python, gilscope, env, tmp_path):
    argv = [python, HERE / "targets" / "own_nvml.py"]
    plain = run_plain(argv, env=env)
    watched = run_preloaded(gilscope, argv, tmp_path / "%p.gsc", env=env)
    assert (watched.stdout, watched.stderr) == (plain.stdout, plain.stderr)
    used = int(plain.stdout.split()[-1])
    mine = [c for c in (cuda_of(gilscope, f) for f in tmp_path.glob("*.gsc")) if c.used]
    assert len(mine) == 1 and mine[0].used[-1][2] == used


@pytest.mark.parametrize("setting, expected", [
    ({"FAKENVML_HIDE": "all"}, "NVML does not list this process"),
    ({"FAKENVML_INIT_FAIL": 9}, "NVML: the driver is not loaded"),
    ({"FAKENVML_NA": 1}, "NVML lists this process without its memory"),
])
def test_why_it_is_not_known_is_told_once(python, gilscope, env, tmp_path, setting, expected):
    argv = [python, HERE / "targets" / "job.py", 1, 1]
    result = run_preloaded(gilscope, argv, tmp_path / "%p.gsc", env={**env, **setting})
    assert (result.returncode, result.stderr) == (0, "")
    (pid, _, _), = map(str.split, result.stdout.splitlines())
    cuda = cuda_of(gilscope, tmp_path / (pid + ".gsc"))
    assert not cuda.used
    assert [text.startswith(expected) for text in cuda.events] == [True]

# SPDX-License-Identifier: MIT
"""Looking up the driver's functions with the agent and without: the same are there, in a driver of 11.4
and in one of 13.0, by dlsym() and by cuGetProcAddress() for each version and kind of stream."""
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cuda_rows_of as of  # noqa: E402
from conftest import BUILD  # noqa: E402
from preloaded import run_plain, run_preloaded  # noqa: E402

IPC = 9
NEW = BUILD / "tests" / "cuda"
pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)

CODE = """
import ctypes, sys
lib = ctypes.CDLL("libcuda.so.1")
versions = 3020, 6050, 7000, 11000, 11020, 11040, 12000, 12050, 13000, 14000
def by_proc(name, version, flags):
    p, status = ctypes.c_void_p(), ctypes.c_int(-1)
    args = name.encode(), ctypes.byref(p), version, ctypes.c_uint64(flags)
    if sys.argv[1] == "proc":
        rc = lib.cuGetProcAddress_v2(*args, ctypes.byref(status))
    else:
        rc = lib.cuGetProcAddress(*args)
    return rc, bool(p.value), status.value
for name, base in (word.split("=") for word in sys.argv[2:]):
    print(name, hasattr(lib, name))
    for asked in base, name, base + "_nonsense":
        print(asked, [by_proc(asked, v, flags) for v in versions for flags in (0, 1, 2, 3)])
"""


def names():
    """SYMBOL=BASE of all that the agent wraps and all that this driver has."""
    tables = ((HERE / "driver_calls.def").read_text()
              + (HERE.parents[1] / "preload" / "cuda_calls.def").read_text())
    found = re.findall(r"^(?:FAKE_CALL|GS_CUDA_CALL|GS_CUDA_TIMED)\((\w+), (\w+), ", tables, re.M)
    return sorted({"%s=%s" % pair for pair in found if pair[0] != "symbol"})


@pytest.mark.parametrize("folder, version, how", [
    (NEW / "11.4", 11040, "proc1"), (NEW, 12040, "proc"), (NEW, 13000, "proc"),
    (NEW, 13000, "proc1")])
def test_the_same_functions_are_there(python, gilscope, tmp_path, folder, version, how):
    if not (folder / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")
    env = {"LD_LIBRARY_PATH": folder, "FAKECUDA_VERSION": version}
    argv = [python, "-c", CODE, how, *names()]
    plain = run_plain(argv, env=env)
    watched = run_preloaded(gilscope, argv, tmp_path / "x.gsc", env=env)
    assert (watched.stdout, watched.stderr) == (plain.stdout, plain.stderr)
    assert "cuGetProcAddress_v2 %s\n" % (folder == NEW) in plain.stdout
    assert "cuMemAlloc_v2 True\n" in plain.stdout and plain.returncode == 0


def test_a_driver_of_11_4_is_recorded(python, gilscope, tmp_path):
    env = {"LD_LIBRARY_PATH": NEW / "11.4", "FAKECUDA_VERSION": 11040}
    result = run_preloaded(gilscope, [python, HERE / "targets" / "all_kinds.py", "proc1"],
                           tmp_path / "x.gsc", env=env)
    assert (result.returncode, result.stderr) == (0, "")
    assert '"CUDA_DRIVER","fields":' in gilscope("dump", "--raw-json", tmp_path / "x.gsc").stdout


@pytest.mark.parametrize("how", ["dlsym", "proc"])
def test_a_handle_goes_through_by_value(python, gilscope, tmp_path, how):
    """64 bytes of another process's memory, on the stack; counted as such and as nobody's device."""
    result = run_preloaded(gilscope, [python, HERE / "targets" / "ipc.py", how],
                           tmp_path / "%p.gsc", env={"LD_LIBRARY_PATH": NEW})
    assert (result.returncode, result.stderr) == (0, "")
    pid, live = map(int, result.stdout.split())
    lines = gilscope("dump", "--raw-json", tmp_path / ("%d.gsc" % pid)).stdout.splitlines()
    cuda = of.Cuda(lines)
    assert live == 1 << 20 and cuda.of_kind(IPC)[0] == 1 and cuda.state["live"] == 0

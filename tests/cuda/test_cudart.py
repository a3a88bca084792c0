# SPDX-License-Identifier: MIT
"""NVIDIA's own runtime library on the driver on host memory, as far as it comes."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fake_book as book  # noqa: E402
from conftest import BUILD  # noqa: E402
from cuda_runtimes import runtimes  # noqa: E402
from preloaded import run_plain, run_preloaded  # noqa: E402

DRIVER = BUILD / "tests" / "cuda"
CODE = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).cudaFree(None))"


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_it_is_answered_as_without_the_agent(python, gilscope, tmp_path):
    """It asks for some 400 functions, by dlsym() and then cuGetProcAddress(), and gives up on a driver
    that lacks half of them."""
    found = runtimes(python, "libcudart.so")
    if not found:
        pytest.skip("no libcudart.so (GILSCOPE_CUDART names its folder)")
    for i, file in enumerate(found):
        asked = []
        for name in ("plain", "watched"):
            env = {"LD_LIBRARY_PATH": DRIVER, "FAKECUDA_LOG": tmp_path / ("%s-%d" % (name, i))}
            argv = [python, "-c", CODE, file]
            result = (run_plain(argv, env=env) if name == "plain" else
                      run_preloaded(gilscope, argv, tmp_path / ("%d.gsc" % i), env=env))
            calls = book.read(env["FAKECUDA_LOG"])
            asked.append((result.stdout, [(c.name, c.result, c.args) for c in calls
                                          if "GetProcAddress" in c.name or c.effect]))
        assert asked[0] == asked[1] and len(asked[0][1]) > 300, file

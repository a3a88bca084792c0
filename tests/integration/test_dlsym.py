# SPDX-License-Identifier: MIT
"""dlsym() with the agent in front of it answers as it does without, whoever else wraps it, and whoever
asks. The programs are no Python: the agent records nothing, and its dlsym() is there all the same."""
import itertools

import pytest
from conftest import BUILD, clean_env, run_bounded

DRIVER = BUILD / "tests" / "cuda"
AGENT = "agent"


def linked_to_driver():
    return "-Wl,--no-as-needed", DRIVER / "libcuda.so.1", "-Wl,-rpath,%s" % DRIVER


@pytest.fixture
def program(compile_c):
    return compile_c("dlsym_asks.c", "-ldl")


@pytest.fixture
def linked(compile_c):
    if not (DRIVER / "libcuda.so.1").exists():
        pytest.skip("the driver on host memory is not built")
    return compile_c("dlsym_asks.c", "-DLINKED", *linked_to_driver(), "-ldl")


@pytest.fixture
def say(gilscope):
    """say(argv, preloads) -> stdout of it, with AGENT among the preloads being the agent"""

    def run(argv, preloads=()):
        paths = [str(gilscope.agent if p == AGENT else p) for p in preloads]
        result = run_bounded(list(map(str, argv)), 60, clean_env({"LD_PRELOAD": ":".join(paths)}))
        assert (result.returncode, result.stderr) == (0, ""), (preloads, result.stderr)
        return result.stdout

    return run


def test_every_way_of_asking(say, program):
    """The same names are found and not found, and dlerror() speaks where it did."""
    plain = say([program])
    assert plain.count("none: undefined symbol") > 30 and "told twice" not in plain
    assert say([program], [AGENT]) == plain


def test_every_way_of_asking_with_a_driver(say, linked):
    plain = say([linked])
    assert "default cuMemAlloc_v2 found\n" in plain and "next cuMemAlloc_v2 found\n" in plain
    assert say([linked], [AGENT]) == plain


def test_a_module_with_a_driver_of_its_own(say, program, compile_c, linked):
    """Opened RTLD_LOCAL: it finds the driver by RTLD_DEFAULT, and its program does not."""
    module = compile_c("dlsym_local.c", "-shared", "-fPIC", *linked_to_driver())
    plain = say([program, module])
    assert "local: 3 3\n" in plain and "module cuMemAlloc_v2 found\n" in plain
    assert say([program, module], [AGENT]) == plain


@pytest.mark.parametrize("order", list(itertools.permutations("abc")), ids="".join)
def test_three_libraries_that_ask_for_the_next(say, linked, compile_c, order):
    """Each comes once, in the order of loading, wherever the agent stands."""
    chain = [compile_c("dlsym_chain.c", "-shared", "-fPIC", "-DNAME=\"%s\"" % name, "-ldl")
             for name in order]
    plain = say([linked], chain)
    assert plain.count(" ".join(order)) == 2
    for place in range(4):
        assert say([linked], [*chain[:place], AGENT, *chain[place:]]) == plain


def test_another_wrapper_of_dlsym(say, program, linked, compile_c):
    """Before us, behind us, on both sides: what it makes of RTLD_NEXT it makes without us, too. (One
    before us may go by us to libc with dlvsym(): where there is no driver it then finds our exports.)"""
    other = compile_c("dlsym_wrap.c", "-shared", "-fPIC", "-ldl")
    twin = compile_c("dlsym_wrap.c", "-shared", "-fPIC", "-DTWIN", "-ldl")
    plain = say([linked], [other])
    assert say([linked], [other, AGENT]) == plain
    assert say([linked], [AGENT, other]) == plain
    assert say([linked], [other, AGENT, twin]) == say([linked], [other, twin])
    assert say([program], [AGENT, other]) == say([program], [other])


def test_weak_references_and_no_driver(say, compile_c):
    """cuInit() is not ours, so there is none; what we export refuses, and writes nothing."""
    program = compile_c("dlsym_weak.c")
    assert say([program]) == "none refused 7\n"
    assert say([program], [AGENT]) == "none refused 7\n"

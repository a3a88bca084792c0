# SPDX-License-Identifier: MIT
"""The agent's law where a program cannot see it: what hooks may not do, what the agent falls back
to, and what the governor sheds."""

import os
import re
import shutil
import subprocess

import pytest

from preloaded import run_preloaded
from sums import check_document

pytestmark = pytest.mark.pythons(per_minor=True)

# All that the agent may take from the process it lives in. Nothing here allocates or locks inside a
# hook: dlvsym serves the constructor, pthread_* the start and end of the drain thread,
# dlopen that thread alone, for its own NVML.
IMPORTS = set("""
    __errno_location __register_atfork _r_debug dl_iterate_phdr dlopen dlvsym environ
    gnu_get_libc_version pthread_create pthread_sigmask pthread_tryjoin_np sem_getvalue sigfillset
    strchr strcmp strcpy strcspn strlen strncmp strnlen strrchr strstr
""".split())


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_agent_imports_nothing_else(gilscope):
    nm = shutil.which("nm") or pytest.skip("no nm")
    out = subprocess.run([nm, "-D", "--undefined-only", gilscope.agent], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    assert {line.split()[-1].split("@")[0] for line in out.splitlines()} <= IMPORTS


def test_no_allocation_in_a_hook(python, gilscope, targets, compile_c, tmp_path):
    counter = compile_c("count_mallocs.c", "-shared", "-fPIC")

    def allocations(preload, turns, level):
        read, write = os.pipe()
        env = {"LD_PRELOAD": "%s %s" % (counter, preload), "COUNT_FD": str(write),
               "GILSCOPE_LEVEL": level}
        result = run_preloaded(
            gilscope, [python, "-S", targets / "uncontended.py", turns],
            tmp_path / ("%s-%s.gsc" % (turns, level)), env=env, pass_fds=[write])
        os.close(write)
        assert result.returncode == 0, result.stderr
        with os.fdopen(read) as f:
            return int(f.read())

    few, many = "100", "20000"
    plain = allocations("", many, "1") - allocations("", few, "1")
    for level in "0", "1", "2":
        watched = (allocations(gilscope.agent, many, level) -
                   allocations(gilscope.agent, few, level))
        assert abs(watched - plain) <= 3, "19900 turns more"


def test_hooks_do_not_wait_for_the_dynamic_linker(python, gilscope, targets, compile_c, tmp_path):
    lib = compile_c("slow_load.c", "-shared", "-fPIC", "-pthread", "-ldl")
    slow = tmp_path / "slow.so"
    shutil.copy(lib, slow)
    code = "import ctypes"
    if run_preloaded(gilscope, [python, "-c", code], tmp_path / "a.gsc").returncode != 0:
        pytest.skip("no ctypes")
    result = run_preloaded(
        gilscope, [python, targets / "turns_while_loading.py", lib, slow], tmp_path / "x.gsc")
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 400


@pytest.mark.parametrize("function", ["execve", "execv"])
def test_exec_of_a_bad_pointer_is_the_kernels_to_refuse(function, python, gilscope, tmp_path):
    code = """
try:
    import ctypes
except ImportError:
    raise SystemExit(77)
libc = ctypes.CDLL(None, use_errno=True)
libc.%s.argtypes = [ctypes.c_void_p] * 3
for pointer in 8, 0, (1 << 47) - 8:
    print(libc.%s(pointer, None, None), ctypes.get_errno())
""" % (function, function)
    result = run_preloaded(gilscope, [python, "-c", code], tmp_path / "x.gsc")
    if result.returncode == 77:
        pytest.skip("no ctypes")
    assert (result.returncode, result.stdout, result.stderr) == (0, "-1 14\n" * 3, "")


SYSCALLS = {"process_vm_readv": 310, "close_range": 436}


@pytest.mark.parametrize("refused", [
    ["process_vm_readv"], ["close_range"], ["process_vm_readv", "close_range"]])
def test_refused_system_calls_cost_detail_not_the_recording(
        refused, python, gilscope, targets, stats, compile_c, tmp_path):
    refuse = compile_c("refuse.c")
    numbers = ",".join(str(SYSCALLS[name]) for name in refused)
    result = run_preloaded(
        gilscope, [refuse, numbers, python, targets / "turns.py", "0.5"], tmp_path / "x.gsc")
    if result.returncode == 77:
        pytest.skip("no seccomp: " + result.stderr)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")
    doc = stats(tmp_path / "x.gsc")
    check_document(doc)
    settings = doc["capture"]["settings"]
    assert settings["holder_samples"] == ("0" if "process_vm_readv" in refused else "1")
    assert settings["private_fds"] == ("0" if "close_range" in refused else "1")
    assert doc["processes"][0]["gil"]["acquisitions"] > 1000


@pytest.mark.serial
def test_a_lock_that_is_free_is_no_wait(python, gilscope, tmp_path):
    """One thread never blocks on a lock; taking a stack at each it takes tripled the cost of a start."""
    blocked = ("import threading, time; lock = threading.Lock(); lock.acquire(); "
               "t = threading.Thread(target=lock.acquire); t.start(); time.sleep(0.1); "
               "lock.release(); t.join()")
    for code, waits in ("import json", False), (blocked, True):
        result = run_preloaded(gilscope, [python, "-S", "-c", code], tmp_path / "x.gsc",
                               env={"GILSCOPE_FORCE": "1"})
        assert result.returncode == 0
        text = gilscope("dump", tmp_path / "x.gsc").stdout
        assert bool(re.search(r"^chunk at \d+: edge", text, re.M)) == waits


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_level_0_takes_no_stacks(python, gilscope, targets, tmp_path):
    """Totals alone: not one code object is looked at, and no time goes into stacks."""
    for level, has_stacks in ("0", False), ("1", True):
        result = run_preloaded(gilscope, [python, targets / "turns.py", "1"], tmp_path / "x.gsc",
                               env={"GILSCOPE_LEVEL": level, "GILSCOPE_FORCE": "1"})
        assert result.returncode == 0
        text = gilscope("dump", tmp_path / "x.gsc").stdout
        spent = [int(ns) for ns in re.findall(r"stack_ns=(\d+)", text)]
        assert spent and any(spent) == has_stacks
        assert bool(re.search(r"^  CODE ", text, re.M)) == has_stacks


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_own_cost_has_the_start_in_it_and_grows_with_the_turns(python, gilscope, targets, tmp_path):
    costs = []
    for turns in "100", "100000":
        result = run_preloaded(gilscope, [python, "-S", targets / "uncontended.py", turns],
                               tmp_path / "x.gsc", env={"GILSCOPE_FORCE": "1"})
        assert result.returncode == 0
        text = gilscope("dump", tmp_path / "x.gsc").stdout
        costs.append(int(re.findall(r"hook_ns=(\d+)", text)[-1]))
    assert costs[0] > 50000, "the constructor times its clock and a hook for that long"
    a_turn = (costs[1] - costs[0]) / 99900
    assert 10 < a_turn < 2000, "ns, two stamps and more"


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_governor_sheds_detail_when_over_budget(python, gilscope, targets, stats, tmp_path):
    result = run_preloaded(gilscope, [python, targets / "turns.py", "17.5"], tmp_path / "x.gsc",
                           env={"GILSCOPE_BUDGET": "0.1", "GILSCOPE_LEVEL": "2"})
    assert result.returncode == 0
    doc = stats(tmp_path / "x.gsc")
    process = doc["processes"][0]
    assert process["level"] == 2 and process["level_end"] < 2
    assert any("over budget" in note for note in process["notes"])


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_detail_stays_where_less_would_save_nothing(python, gilscope, targets, stats, tmp_path):
    """A fifth of a core, and memory to look at: what the drain thread takes does not depend on the detail."""
    result = run_preloaded(gilscope, [python, targets / "small_share.py", "7.5"], tmp_path / "x.gsc")
    assert result.returncode == 0
    (process,) = stats(tmp_path / "x.gsc")["processes"]
    assert not any("over budget" in note for note in process["notes"])
    assert process["level_end"] == 1


@pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True)
def test_musl_child_lives_under_the_inherited_preload(gilscope, compile_c, tmp_path):
    musl = shutil.which("musl-gcc") or pytest.skip("no musl-gcc (Debian: musl-tools)")
    child = compile_c("musl_child.c", compiler=musl)
    result = run_preloaded(gilscope, [child], tmp_path / "x.gsc")
    assert (result.returncode, result.stdout, result.stderr) == (3, "musl\n", "")
    assert not (tmp_path / "x.gsc").exists()

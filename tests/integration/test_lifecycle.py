# SPDX-License-Identifier: MIT
"""Processes begin, fork, exec and end in many ways: each has a capture of its own, and whole."""

import os
import signal

import pytest

from sums import check_document, check_process, total

pytestmark = pytest.mark.pythons(per_minor=True)


def by_pid(doc):
    return {p["pid"]: p for p in doc["processes"]}


def busy_ns(process):
    """Time in which somebody held the GIL or was about to let it go."""
    return process["gil"]["hold_ns"] + process["gil"]["open_hold_ns"]


# ---- fork ----


@pytest.mark.parametrize("how", ["exit", "_exit"])
def test_forked_child_has_its_own_capture(how, python, record, stats, targets):
    capture = record(python, [targets / "fork_child.py", how])
    assert len(capture.files) == 2, capture.stderr
    doc = stats(capture)
    check_document(doc, processes=2)
    child, status = map(int, capture.stdout.split())
    assert status == 5
    processes = by_pid(doc)
    (parent,) = set(processes) - {child}
    assert processes[child]["ppid"] == parent
    assert all(p["gil"]["contended"] > 0 for p in processes.values())
    # The child begins anew: nothing of the parent's threads or turns is counted twice.
    assert len(processes[child]["threads"]) <= 3


def test_forked_grandchild_has_its_own_capture(python, record, stats, targets):
    capture = record(python, [targets / "fork_child.py", "grandchild"])
    assert len(capture.files) == 3, capture.stderr
    check_document(stats(capture), processes=3)


def test_fork_from_a_thread_under_contention(python, record, stats, targets):
    capture = record(python, ["-W", "ignore", targets / "fork_in_thread.py"])
    assert capture.stdout == "[0, 0, 0]\n"
    assert len(capture.files) == 4, capture.stderr
    check_document(stats(capture), processes=4)


@pytest.mark.serial
def test_fork_shows_no_warning_about_threads(python, record, stats, targets):
    """20 forks a run. The drain thread is waited for 2 ms on either side of a fork, 50 ms where it only
    lacks a core: should it come too late all the same, one run of three may warn."""
    warnings = []
    while len(warnings) < 2:
        capture = record(
            python, ["-W", "always::DeprecationWarning", targets / "fork_often.py"])
        assert capture.stdout == "done\n"
        check_document(stats(capture), processes=len(capture.files))
        if not capture.stderr:
            return
        warnings.append(capture.stderr)
    pytest.fail("two runs warned: " + "\n".join(warnings))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, python, record, stats, targets):
    capture = record(python, ["-W", "ignore", targets / "pool.py", method])
    doc = stats(capture)
    check_document(doc, processes=len(capture.files))
    workers = set(map(int, capture.stdout.split()))
    assert workers <= set(by_pid(doc)), "each worker has a capture"
    assert all(by_pid(doc)[pid]["gil"]["contended"] > 0 for pid in workers)


def test_children_by_subprocess_spawn_and_shell(python, record, stats, targets):
    capture = record(python, [targets / "run_child.py"])
    assert len(capture.files) == 4, "the shell has none: %s" % capture.stderr
    check_document(stats(capture), processes=4)
    assert capture.stderr == ""


def test_children_none_records_the_first_process_only(python, record, stats, targets):
    capture = record(python, [targets / "run_child.py"], options=["--children", "none"])
    check_document(stats(capture.file))
    capture = record(python, [targets / "fork_child.py", "exit"], options=["--children", "none"])
    check_document(stats(capture.file))


def test_child_whose_exec_fails_does_not_end_the_parents_capture(python, record, stats, targets):
    capture = record(python, [targets / "vfork_exit.py"])
    assert (capture.stdout, capture.stderr) == ("done\n", "")
    pid = int(capture.files[0].name.split(".")[0].split("-")[0])
    doc = stats(capture)
    check_document(doc, processes=len(capture.files))
    parent = max(doc["processes"], key=busy_ns)
    assert len(capture.files) == 1 or parent["pid"] == min(pid, parent["pid"])
    assert busy_ns(parent) > 0.5e9, "0.2 s before the children, 0.5 s after"


# ---- exec ----


@pytest.mark.parametrize("how", ["execv", "execve", "execvp", "fexecve"])
def test_exec_makes_a_second_process_of_the_same_pid(how, python, record, stats, targets):
    capture = record(python, [targets / "exec_other.py", how])
    assert len(capture.files) == 2, capture.stderr
    doc = stats(capture)
    check_document(doc, processes=2)
    first, second = sorted(doc["processes"], key=lambda p: p["start_unix_ns"])
    assert first["pid"] == second["pid"]
    assert first["start_unix_ns"] < second["start_unix_ns"]
    assert {f.name for f in capture.files} == {"%d.gsc" % first["pid"], "%d-1.gsc" % first["pid"]}


def test_exec_of_another_program_ends_the_capture(python, record, stats, targets):
    capture = record(python, [targets / "exec_other.py", "other"])
    check_document(stats(capture.file))


def test_exec_that_fails_changes_nothing(python, record, stats, targets):
    capture = record(python, [targets / "exec_other.py", "fails"])
    assert capture.stdout == "2\n"
    doc = stats(capture.file)
    check_document(doc)
    assert busy_ns(doc["processes"][0]) > 0.6e9, "0.3 s before, 0.5 s after"


# ---- the end ----


@pytest.mark.parametrize("how, status", [
    ("return", 0), ("exit", 7), ("_exit", 8), ("_exit-in-thread", 9), ("error", 1), ("daemon", 0)])
def test_exit_status_and_a_complete_capture(how, status, python, record, stats, targets):
    capture = record(python, [targets / "end.py", how], expect_rc=None)
    if how == "daemon" and python.minor == (3, 10) and capture.returncode == -signal.SIGSEGV:
        # On a busy machine 3.10 itself dies so now and then: 2 of 240 without us, as with us.
        capture = record(python, [targets / "end.py", how], expect_rc=None)
    assert capture.returncode == status
    assert capture.stdout == "at the end\n"
    assert "gilscope" not in capture.stderr
    doc = stats(capture.file)
    check_document(doc)
    assert doc["processes"][0]["gil"]["contended"] > 0


def test_drain_thread_keeps_no_process_alive(python, record, stats, targets):
    capture = record(python, [targets / "main_leaves.py"], timeout=20)
    assert (capture.stdout, capture.stderr) == ("last\n", "")
    check_document(stats(capture.file))


@pytest.mark.parametrize("how, signum", [
    ("kill", signal.SIGKILL), ("term", signal.SIGTERM), ("abort", signal.SIGABRT)])
def test_after_a_deadly_signal_the_capture_is_readable(how, signum, python, record, stats, targets):
    capture = record(python, [targets / "end.py", how], expect_rc=-signum)
    assert capture.stdout == "at the end\n"
    doc = stats(capture.file)
    assert doc["capture"]["complete"] is False
    process = doc["processes"][0]
    # 0.6 s of fighting (0.3 s before abort): at most the last 100 ms may be missing.
    expected = 0.3e9 if how == "abort" else 0.6e9
    assert busy_ns(process) > expected - 0.1e9 - 0.05e9, doc["capture"]
    assert process["gil"]["contended"] > 0


def test_what_a_killed_capture_may_lack_is_stated(python, record, gilscope, targets):
    capture = record(python, [targets / "end.py", "kill"], expect_rc=-signal.SIGKILL)
    text = gilscope("stats", capture.file).stdout
    assert "last 0.1 s may be missing" in " ".join(text.split()), text


# ---- threads and interpreters ----


def test_five_thousand_short_threads(python, record, stats, targets):
    capture = record(python, [targets / "churn.py", "5000"])
    assert capture.stdout == "done\n"
    doc = stats(capture.file)
    check_document(doc)
    threads = doc["processes"][0]["threads"]
    assert len(threads) == 5001
    assert total(threads, "acquisitions") >= 10000


@pytest.mark.pythons(min=(3, 12), per_minor=True)
def test_sub_interpreter_with_its_own_gil(python, record, stats, targets):
    capture = record(python, [targets / "subinterpreter.py"])
    assert capture.stdout == "done\n"
    doc = stats(capture.file)
    check_document(doc)
    gils = doc["processes"][0]["gils"]
    assert len(gils) == 2
    assert len({g["interpreter"] for g in gils}) == 2
    assert all(g["contended"] > 0 for g in gils)
    # Two GILs were held at once: together they held longer than the program ran.
    assert all(g["hold_ns"] + g["open_hold_ns"] > 0.3e9 for g in gils)


def test_duration_stops_the_recording_not_the_program(python, record, stats, targets):
    capture = record(python, [targets / "busy.py", "1.0"], options=["-d", "0.3"])
    doc = stats(capture.file)
    process = doc["processes"][0]
    check_process(process)
    assert 0.2e9 < busy_ns(process) < 0.7e9


@pytest.mark.parametrize("level", [0, 1, 2])
def test_levels_count_the_same_things(level, python, record, stats, targets):
    capture = record(python, [targets / "end.py", "return"], level=level)
    doc = stats(capture.file)
    assert doc["capture"]["lost_events"] == 0
    gil = doc["processes"][0]["gil"]
    assert gil["acquisitions"] > 0 and gil["contended"] > 0 and gil["wait_ns"] > 0.02e9
    if level:
        check_document(doc)


def test_job_of_a_folder_and_the_environment_alone(python, gilscope, stats, targets, tmp_path):
    from preloaded import run_preloaded
    result = run_preloaded(gilscope, [python, targets / "run_child.py"], None, cwd=tmp_path,
                           env={"RANK": 3})
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    files = sorted(os.listdir(tmp_path))
    assert len(files) == 4
    assert all(f.startswith("gilscope-3-") and f.endswith(".gsc") for f in files)
    check_document(stats(tmp_path), processes=4)


# ---- a thread that gets no core ----


@pytest.mark.parametrize("late_ms", [450, 60000])
@pytest.mark.parametrize("program, how, status, files", [
    ("end", "exit", 7, 1), ("end", "_exit", 8, 1), ("end", "daemon", 0, 1),
    ("exec_other", "execv", 0, 2), ("exec_other", "fails", 0, 1), ("fork_child", "exit", 0, 2)])
def test_a_drain_thread_that_comes_late_or_never(program, how, status, files, late_ms, python, record,
                                                 stats, targets, compile_c):
    """Who ends the process, or replaces it, writes in its place; a thread that comes after that goes
    on, or ends."""
    late = compile_c("late_thread.c", "-shared", "-fPIC", "-DLATE_MS=%du" % late_ms)
    capture = record(python, ["-W", "ignore", targets / (program + ".py"), how], expect_rc=status,
                     env={"LD_PRELOAD": late})
    assert len(capture.files) == files, capture.stderr
    doc = stats(capture)
    check_document(doc, processes=files)
    assert all(p["gil"]["contended"] > 0 for p in doc["processes"])

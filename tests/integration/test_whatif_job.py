# SPDX-License-Identifier: MIT
"""gilscope whatif with several processes as one job: programs that use multiprocessing, with known answers."""
import json
import math

import pytest

pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 13), per_minor=True)


@pytest.fixture
def job(record, gilscope, script):
    """What whatif says of the processes of a program; what the program printed."""
    def ask(whatif):
        answer = gilscope("whatif", "--json", *map(str, whatif), call.capture)
        assert gilscope("whatif", *map(str, whatif), call.capture).stdout.startswith("Free-threaded Python")
        return json.loads(answer.stdout)

    def call(python, source, *args, options=("--locks", "--budget", "100"), whatif=()):
        call.capture = record(python, [script(source), *args], options=options)
        return ask(whatif), call.capture.stdout
    call.again = ask
    return call


PICKLES = """
import multiprocessing as mp, sys, time
def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
class Slow:
    def __getstate__(self):
        work(0.06)
        return {"x": 1}
def child(conn):
    for _ in range(20):
        work(0.14)
        conn.send(Slow())
if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    here, there = mp.Pipe()
    p = mp.Process(target=child, args=(there,))
    p.start()
    for _ in range(20):
        here.recv_bytes()
    p.join()
    print(p.pid)
"""


@pytest.mark.serial
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pickling_is_what_it_is(job, python, method):
    """30 % of the child's time. In each of 20 turns the samples, up to 30 ms apart, say where pickling began: an error
    of 30 ms / sqrt(12) in each, at the most five times that of all."""
    got, out = job(python, PICKLES, method)
    tax = got["multiprocess_tax"]
    (child,) = [p for p in tax["processes"] if p["pid"] == int(out)]
    assert child["why_not"] == ""
    unsampled = child["unseen_ns"]  # of a forked child the beginning: nobody looked yet
    assert abs(child["pickle_ns"] - 20 * 60e6) < 5 * 30e6 / math.sqrt(12) * math.sqrt(20) + unsampled
    assert child["ipc_ns"] < 100e6 and unsampled < 500e6
    assert tax["pickle_ns"] >= child["pickle_ns"] and 0.15 < tax["share"] < 0.55
    assert 0 < tax["duplicated_bytes"] < 100 << 20  # two small processes: job_memory.h says what it is
    if method == "spawn":
        assert child["start_ns"] > 5e6


def test_one_process_pays_no_tax(job, python):
    got, _ = job(python, "pass")
    assert got["multiprocess_tax"] is None


FORK_JOIN = """
import multiprocessing as mp, sys
def work():
    x = 0
    for i in range(8_000_000):
        x += i
if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    children = [mp.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""


def as_threads(got, processes):
    job = got["job"]
    assert (job["processes"], job["other_processes"]) == (processes, 0)
    assert (job["grade"] == "C") == bool(job["why_not"]) == (job["s_p50"] is None)
    return job


@pytest.mark.serial
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_side_by_side_stay_so(job, python, method, tmp_path):
    """Two children that compute side by side take as long as two threads that do, where s is 1; what it takes to make
    them is saved."""
    (tmp_path / "x.cal").write_text(CALIBRATION)
    got, _ = job(python, FORK_JOIN, method, whatif=("--cores", 2, "--calibration", tmp_path / "x.cal"))
    found = as_threads(got, 3)
    assert found["why_not"] == "" and found["grade"] == "B" and found["unmatched_wait_ns"] < 0.02 * found["wall_ns"]
    assert 0.85 < found["s_p50"] < (1.25 if method == "fork" else 1.6)
    alone = as_threads(job.again(("--cores", 1, "--calibration", tmp_path / "x.cal")), 3)
    assert 1.4 < alone["replayed_ns"] / found["replayed_ns"] < 2.1


CALIBRATION = "gilscope calibration 1\npython 3.13.5\ncap 1 2 3 4\ntarget 3.14t\ns 1.0 1.0 1.0\n"

QUEUES = """
import multiprocessing as mp, sys
def work(n):
    x = 0
    for i in range(n):
        x += i
    return x
def child(tasks, results):
    for n in iter(tasks.get, None):
        results.put(work(n))
if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    tasks, results = mp.Queue(), mp.Queue()
    children = [mp.Process(target=child, args=(tasks, results)) for _ in range(2)]
    for c in children:
        c.start()
    for i in range(24):
        tasks.put(1_000_000)
    for c in children:
        tasks.put(None)
    for i in range(24):
        results.get()
    for c in children:
        c.join()
"""

POOL = """
import multiprocessing as mp, sys
def work(n):
    x = 0
    for i in range(n):
        x += i
    return x
if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    with mp.Pool(2) as pool:
        pool.map(work, [1_000_000] * 24, chunksize=1)
        pool.close()
        pool.join()
"""


@pytest.mark.serial
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("source, messages", [(QUEUES, 26 + 24), (POOL, 24 + 2 + 24 + 1)])
def test_who_told_whom_is_known(job, python, method, source, messages):
    """Each task, each result, and what ends the workers."""
    got, _ = job(python, source, method, whatif=("--cores", 2, "--target", "3.14t"))
    found = as_threads(got, 3)
    assert found["matched_messages"] == messages
    assert found["why_not"] == "" and found["grade"] == "B"
    assert 0.7 < found["s_p50"] < 1.6 and found["s_p50"] <= found["s_max"]


def test_what_is_missing_is_said(job, python):
    got, _ = job(python, FORK_JOIN, "fork", options=())
    found = as_threads(got, 3)
    assert found["grade"] == "C" and found["why_not"].startswith("process ") and "--locks" in found["why_not"]
    got, _ = job(python, "pass")
    assert got["job"] is None

# SPDX-License-Identifier: MIT
"""gilscope whatif with several processes as one job: programs that use multiprocessing, with known answers."""
import json
import math

import pytest

pytestmark = pytest.mark.pythons(min=(3, 12), max=(3, 13), per_minor=True)


@pytest.fixture
def job(record, gilscope, script):
    """What whatif says of the processes of a program; what the program printed."""
    def call(python, source, *args, options=("--locks", "--budget", "100"), whatif=()):
        capture = record(python, [script(source), *args], options=options)
        answer = gilscope("whatif", "--json", *map(str, whatif), capture)
        assert gilscope("whatif", *map(str, whatif), capture).stdout.startswith("Free-threaded Python")
        return json.loads(answer.stdout), capture.result.stdout
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
    assert tax["duplicated_bytes"] is None
    if method == "spawn":
        assert child["start_ns"] > 5e6


def test_one_process_pays_no_tax(job, python):
    got, _ = job(python, "pass")
    assert got["multiprocess_tax"] is None

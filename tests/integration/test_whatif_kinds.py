# SPDX-License-Identifier: MIT
"""Kinds of programs, as gilscope whatif tells them from real recordings: a server under load, a loop that goes on
after the recording, and how near the replay with a GIL comes to what was recorded."""
import json
import os
import socket
import threading
import time

import pytest

from conftest import ROOT

WORKLOADS = ROOT / "tests" / "whatif" / "workloads.py"
OPTIONS = ["--budget", "100", "--locks"]
N_REQUESTS, PER_S, N_WORKERS = 120, 80, 3

WORK = """
def loop(n):
    x = 0
    for i in range(n):
        x += i * i & 255
"""

SERVER = WORK + """
import queue, socket, sys, threading

todo = queue.Queue()

def answer():
    while True:
        conn = todo.get()
        if conn is None:
            return
        with conn:
            conn.recv(16)
            loop(20000)
            conn.sendall(b"answered")

workers = [threading.Thread(target=answer) for _ in range(%d)]
for w in workers: w.start()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=256)
for _ in range(%d):
    todo.put(listener.accept()[0])
for w in workers: todo.put(None)
for w in workers: w.join()
""" % (N_WORKERS, N_REQUESTS)

LOOP = WORK + """
import queue, threading, time

todo, until = queue.SimpleQueue(), time.monotonic() + 3

def work():
    while todo.get():
        loop(3000)

threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
while time.monotonic() < until:
    todo.put(1)
    time.sleep(0.002)
for _ in threads: todo.put(0)
for t in threads: t.join()
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def connect(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError("nobody listens")


def request(port, answers):
    with connect(port) as s:
        s.sendall(b"x" * 16)
        answers.append(s.recv(16))


def send_requests(port, answers):
    """At a rate of their own, whatever becomes of those before."""
    request(port, answers)
    begin, threads = time.monotonic(), []
    for i in range(N_REQUESTS - 1):
        time.sleep(max(0.0, begin + i / PER_S - time.monotonic()))
        threads.append(threading.Thread(target=request, args=(port, answers)))
        threads[-1].start()
    for t in threads:
        t.join()


def predict(gilscope, capture, *args):
    return json.loads(gilscope("whatif", "--json", "--cores", "4", *args, str(capture)).stdout)


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_a_server_under_load(record, script, python, gilscope):
    port, answers = free_port(), []
    client = threading.Thread(target=send_requests, args=(port, answers))
    client.start()
    capture = record(python, [script(SERVER), str(port)], options=OPTIONS)
    client.join()
    assert answers == [b"answered"] * N_REQUESTS
    got = predict(gilscope, capture)
    assert (got["kind"], got["why_not"], got["grade"]) == ("arrivals", "", "B")
    progress, latency = got["progress"], got["latency_ms"]
    assert progress["what"].startswith("items of queue at ")
    assert progress["marks"] == N_REQUESTS + N_WORKERS  # the last items end the workers
    assert progress["most_per_s_with_gil"] > progress["recorded_per_s"] > 0
    for run in latency.values():
        assert 0 < run["p50"] <= run["p90"] <= run["p99"]
    assert latency["with_gil"]["p50"] >= 0.8 * latency["without"]["p50"]  # three of four: no worse without
    assert got["s_p10"] <= got["s_p50"] <= got["s_p90"] and got["s_p50"] > 1
    named = predict(gilscope, capture, "--progress", "answer", "--outside", "answer")
    assert named["progress"]["marks"] == progress["marks"] and named["kind"] == "arrivals"
    batch = predict(gilscope, capture, "--kind", "batch")
    assert batch["s_p50"] < got["s_p50"]  # most of the time it waits for requests
    text = gilscope("whatif", str(capture)).stdout
    assert "open arrivals" in text and "with the GIL" in text and "99 of 100 within" in text


@pytest.mark.pythons(min=(3, 13), max=(3, 13))
def test_a_loop_that_goes_on(record, script, python, gilscope):
    capture = record(python, [script(LOOP)], options=[*OPTIONS, "-d", "1.5"])
    got = predict(gilscope, capture)
    assert (got["kind"], got["why_not"], got["latency_ms"]) == ("loop", "", None)
    assert got["progress"]["what"].startswith("items of queue at ") and got["progress"]["marks"] >= 16
    assert 0.7 < got["s_p50"] < 1.3  # who feeds it sets the pace
    assert predict(gilscope, capture, "--kind", "batch")["kind"] == "batch"
    named = predict(gilscope, capture, "--progress", "no_such_function")
    assert named["grade"] == "C" and "--progress" in named["why_not"] and named["s_p50"] is None


@pytest.mark.serial
@pytest.mark.pythons(min=(3, 13), max=(3, 13))
@pytest.mark.parametrize("name", ["V1-call", "V2-20", "V3-queue", "V3-simple", "V5-50", "V6", "V7", "V10-pool"])
def test_replayed_with_a_gil_it_takes_what_it_took(record, python, gilscope, measured, name):
    """The whole chain: what was recorded, told as a program and run with a GIL, is as long as it was. (A wait for a
    core is in the recording, but in no program: on a busy machine it is shorter, if not than the turns.)"""
    capture = record(python, [str(WORKLOADS), name, "3", "0.1"], options=OPTIONS)
    got = predict(gilscope, capture)
    measured("whatif, replayed with the GIL: %s %+.1f %%" % (name, 100 * (got["replayed"] - 1)))
    process = got["processes"][0]
    assert 0.99 * process["py_ns"] <= got["replayed"] * process["wall_ns"] <= 1.2 * process["wall_ns"]
    assert got["replayed"] > 0.85 or os.getloadavg()[0] > os.cpu_count() / 2


def test_kinds_are_named(gilscope):
    assert "batch|loop|arrivals" in gilscope("whatif", "--kind", "other", "x.gsc", expect_rc=2).stderr

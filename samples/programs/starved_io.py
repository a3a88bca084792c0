#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A health check that times out although the machine is idle.

What the team saw: a service answers its health check in 0.1 ms. Once a day a thread of the same
process computes statistics; while it runs, the check takes 10 ms and more and the orchestrator
restarts the service. CPU use is 1 core of 16, the network is fine.

What is going on: whoever waits for a message lets the GIL go and must get it back. The
statistics thread never lets it go by itself, so each waking up costs a switch interval of 5 ms,
a question and its answer 10 ms and more: the "convoy effect".

What to do: run the statistics in a process, or let them give way now and then (`time.sleep(0)`),
or lower `sys.setswitchinterval`.
"""
import socket
import sys
import threading
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
READINGS = list(range(50000))


def variance(readings):
    total = 0
    for value in readings: total += (value - 25000) * (value - 25000)  # <- culprit
    return total // len(readings)


def statistics(deadline):
    while time.monotonic() < deadline:
        variance(READINGS)


def health_check(asked):
    while asked.recv(4):
        asked.send(b"pong")


def probe(deadline, asking, latencies):
    due = time.monotonic()
    while due < deadline:
        time.sleep(max(0, due - time.monotonic()))
        asking.send(b"ping")
        asking.recv(4)
        latencies.append(time.monotonic() - due)
        due = time.monotonic() + 0.002
    asking.close()


def main():
    latencies = []
    asking, asked = socket.socketpair()
    deadline = time.monotonic() + SECONDS
    threads = [
        threading.Thread(target=health_check, args=(asked,), name="health-check"),
        threading.Thread(target=probe, args=(deadline, asking, latencies), name="probe"),
        threading.Thread(target=statistics, args=(deadline,), name="statistics"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked.close()
    latencies.sort()
    print("health check, median: %.1f ms" % (1e3 * latencies[len(latencies) // 2]))


if __name__ == "__main__":
    main()

# answer: {"culprit": "starved_io.py:variance:<- culprit", "holders": ["statistics"], "waiters": ["health-check", "probe"]}

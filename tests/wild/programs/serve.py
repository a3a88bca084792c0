# SPDX-License-Identifier: MIT
"""A server under load: `serve.py RELOADS CLIENTS EACH COMMAND...`, in whose arguments {port} is a free port.

Each client asks EACH times over a connection of its own, a new one each time. RELOADS times on the way the
server gets SIGHUP; in the end SIGTERM. Says which answers came, whether the workers were replaced, and how
it all ended."""

import collections
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from billing.load import Connection, connect, free_port  # noqa: E402


def ask(port):
    """(worker's pid, body) of one answer."""
    connection = Connection(port)
    try:
        connection.ask()
        while connection.answered() is None:
            pass
        head, _, body = connection.received.partition(b"\r\n\r\n")
        pid = head.lower().split(b"x-worker: ")[1].split(b"\r\n")[0]
        return int(pid), head.split(b"\r\n")[0].decode() + " " + body.decode()
    finally:
        connection.sock.close()


class Load:
    def __init__(self, port):
        self.port = port
        self.bodies, self.pids, self.failed = collections.Counter(), set(), []
        self.lock = threading.Lock()

    def client(self, times):
        for _ in range(times):
            try:
                pid, body = ask(self.port)
            except Exception as error:
                with self.lock:
                    self.failed.append(repr(error))
            else:
                with self.lock:
                    self.pids.add(pid)
                    self.bodies[body] += 1

    def n_asked(self):
        with self.lock:
            return sum(self.bodies.values()) + len(self.failed)


def replaced(load, server, patience_s=30):
    """SIGHUP, and wait until all that answers is new."""
    before = set(load.pids)
    server.send_signal(signal.SIGHUP)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if all(ask(load.port)[0] not in before for _ in range(8)):
            return True
        time.sleep(0.05)
    return False


def put_under_load(server, port, reloads, clients, each):
    load = Load(port)
    threads = [threading.Thread(target=load.client, args=(each,)) for _ in range(clients)]
    for t in threads:
        t.start()
    new = 0
    for i in range(reloads):
        while load.n_asked() < clients * each * (i + 1) // (reloads + 2):
            time.sleep(0.01)
        new += replaced(load, server)
    for t in threads:
        t.join()
    return load, new


def main():
    reloads, clients, each = map(int, sys.argv[1:4])
    port = free_port()
    server = subprocess.Popen([arg.replace("{port}", str(port)) for arg in sys.argv[4:]])
    try:
        connect(port, server).sock.close()
        load, new = put_under_load(server, port, reloads, clients, each)
        server.terminate()
        status = server.wait(60)
    finally:
        server.kill()
    print("answer requests: %d" % load.n_asked())
    print("answer failed: %d %s" % (len(load.failed), load.failed[:3]))
    print("answer reloads that replaced every worker: %d" % new)
    print("answer bodies: %s" % sorted(load.bodies.items()))
    print("answer exit status: %d" % status)


main()

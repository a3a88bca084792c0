# SPDX-License-Identifier: MIT
"""A load generator for one server on loopback: a fixed number of requests over a few connections that
stay open, each sending its next request when the answer is there. No library, one thread."""

import selectors
import socket
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Connection:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def ask(self):
        self.received = b""
        self.start = time.perf_counter()
        self.sock.sendall(REQUEST)

    def answered(self):
        """Seconds the answer took, or None while it is not whole."""
        part = self.sock.recv(65536)
        if not part:
            raise ConnectionError("the server closed a connection")
        self.received += part
        head, sep, body = self.received.partition(b"\r\n\r\n")
        if not sep:
            return None
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return time.perf_counter() - self.start if len(body) >= length else None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(port, process, timeout=60):
    """The first connection, once the server listens."""
    end = time.monotonic() + timeout
    while True:
        try:
            return Connection(port)
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.02)


def drive(port, process, requests, connections):
    """(requests a second, seconds of the slowest 1 %)."""
    conns = [connect(port, process)]
    conns += [Connection(port) for _ in range(connections - 1)]
    latencies, asked = [], 0
    with selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        for c in conns:
            selector.register(c.sock, selectors.EVENT_READ, c)
            c.ask()
            asked += 1
        while len(latencies) < requests:
            ready = selector.select(timeout=30)
            if not ready:
                raise TimeoutError("the server is silent")
            for key, _ in ready:
                latency = key.data.answered()
                if latency is None:
                    continue
                latencies.append(latency)
                if asked < requests:
                    key.data.ask()
                    asked += 1
        wall = time.perf_counter() - start
    for c in conns:
        c.sock.close()
    latencies.sort()
    return requests / wall, latencies[int(len(latencies) * 0.99)]

# SPDX-License-Identifier: MIT
"""Programs whose speed under free threading is predicted, then measured (validate).

usage: workloads.py NAME THREADS [SCALE]     SCALE: of the work, 1 is about a second with the GIL and two threads

Only what a workload needs is imported: that is no part of what is to be predicted.
"""
import os
import queue
import sys
import threading
import time


def spawn(n, target, *args):
    threads = [threading.Thread(target=target, args=(i, *args)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# ---- V1: nothing shared ----

def loop(n):
    x = 0
    for i in range(n):
        x += i * i & 255
    return x


def call(n):
    def f(a):
        return a
    for i in range(n):
        f(i)


class Point:
    __slots__ = ("x",)

    def __init__(self):
        self.x = 0

    def step(self):
        self.x += 1


def method(n):
    p = Point()
    for _ in range(n):
        p.step()


def alloc(n):
    for i in range(n):
        [None] * 10, (i, i), {"a": i}


def v1(n, scale, work, count):
    spawn(n, lambda _: work(int(count * scale)))


# ---- V2: a counter under a lock ----

def v2(n, scale, inside, outside, rounds):
    lock, total = threading.Lock(), [0]

    def run(_):
        for _ in range(int(rounds * scale)):
            loop(outside)
            with lock:
                total[0] += 1
                loop(inside)
    spawn(n, run)


# ---- V3: a producer, consumers ----

def v3(n, scale, make, produce, consume, items):
    q, count = make(), int(items * scale)

    def consumer(_):
        while q.get() is not None:
            loop(consume)

    def producer():
        for i in range(count):
            loop(produce)
            q.put(i + 1)
        for _ in range(n):
            q.put(None)
    p = threading.Thread(target=producer)
    p.start()
    spawn(n, consumer)
    p.join()


# ---- V4: answers of another process, and computing ----

PEER = """
import socket, sys, threading, time
def serve(s):
    while s.recv(1):
        time.sleep(float(sys.argv[1]))
        s.send(b'x')
for fd in map(int, sys.argv[2:]):
    threading.Thread(target=serve, args=(socket.socket(fileno=fd),)).start()
"""


def v4(n, scale, rounds, work):
    import socket
    import subprocess
    pairs = [socket.socketpair() for _ in range(2 * n)]
    fds = [b.fileno() for _, b in pairs]
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("GILSCOPE")}
    python = os.environ.get("WHATIF_PEER", sys.executable)  # one and the same beside both Pythons
    peer = subprocess.Popen([python, "-c", PEER, "0.002", *map(str, fds)], pass_fds=fds, env=env)
    for _, b in pairs:
        b.close()

    def run(i):
        s = pairs[i][0]
        for _ in range(int(rounds * scale)):
            s.send(b"x")
            s.recv(1)
            loop(work)
        s.close()
    spawn(2 * n, run)
    peer.wait()


# ---- V5: native code off the GIL ----

def v5(n, scale, rounds, kilobytes, work):
    import hashlib
    data = os.urandom(kilobytes << 10)

    def run(_):
        for _ in range(int(rounds * scale)):
            hashlib.sha256(data).digest()
            loop(work)
    spawn(n, run)


# ---- V6: as a loader of training data ----

def v6(n, scale, batches):
    import zlib
    todo, done = queue.Queue(), queue.Queue(2 * n)
    packed, count = zlib.compress(os.urandom(60000) + bytes(60000), 1), int(batches * scale)

    def worker(_):
        while True:
            k = todo.get()
            if k is None:
                return
            time.sleep(0.001)
            data = zlib.decompress(packed)
            loop(12000)
            done.put((k, len(data)))

    def consume():
        waiting, next_k = {}, 0
        for k in range(min(2 * n, count)):
            todo.put(k)
        sent = min(2 * n, count)
        while next_k < count:
            while next_k not in waiting:
                k, data = done.get()
                waiting[k] = data
            del waiting[next_k]
            next_k += 1
            if sent < count:
                todo.put(sent)
                sent += 1
            time.sleep(0.0005)
        for _ in range(n):
            todo.put(None)
    consumer = threading.Thread(target=consume)
    consumer.start()
    spawn(n, worker)
    consumer.join()


# ---- V7: an event loop and a pool ----

def v7(n, scale, jobs):
    import asyncio
    import concurrent.futures
    async def one(pool, k):
        await asyncio.get_running_loop().run_in_executor(pool, loop, 4000 + k % 7 * 500)
        loop(600)

    async def main():
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            for first in range(0, int(jobs * scale), 40):
                await asyncio.gather(*(one(pool, k) for k in range(first, first + 40)))
    asyncio.run(main())


# ---- V9: collections ----

class Node:
    def __init__(self):
        self.me = self


def v9(n, scale, live, rounds):
    kept = [[i] for i in range(live)]

    def run(_):
        for _ in range(int(rounds * scale)):
            for _ in range(100):
                Node()
            loop(500)
    spawn(n, run)
    return kept


# ---- V10: uneven work in phases ----

def v10(n, scale, phases):
    barrier = threading.Barrier(n)

    def run(i):
        for k in range(int(phases * scale)):
            loop(6000 + 14000 * ((i + k) % n == 0))
            barrier.wait()
    spawn(n, run)


def v10_pool(n, scale, tasks):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        for _ in pool.map(loop, [3000 + 30000 * (k % 11 == 0) for k in range(int(tasks * scale))]):
            pass


WORKLOADS = {
    "V1-loop": (v1, loop, 8_000_000),
    "V1-call": (v1, call, 9_000_000),
    "V1-method": (v1, method, 11_000_000),
    "V1-alloc": (v1, alloc, 2_400_000),
    "V2-05": (v2, 10, 190, 45_000),
    "V2-20": (v2, 40, 160, 45_000),
    "V2-50": (v2, 100, 100, 45_000),
    "V3-queue": (v3, lambda: queue.Queue(16), 600, 900, 9_000),
    "V3-simple": (v3, queue.SimpleQueue, 600, 900, 9_000),
    "V4": (v4, 130, 20_000),
    "V5-10": (v5, 300, 60, 30_000),
    "V5-50": (v5, 300, 600, 18_000),
    "V5-90": (v5, 300, 1100, 3_000),
    "V6": (v6, 500),
    "V7": (v7, 2_400),
    "V9": (v9, 300_000, 5_000),
    "V10": (v10, 700),
    "V10-pool": (v10_pool, 2_400),
}


def main(name, threads, scale="1"):
    function, *args = WORKLOADS[name]
    function(int(threads), float(scale), *args)


if __name__ == "__main__":
    main(*sys.argv[1:])

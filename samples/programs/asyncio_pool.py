#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The event loop is slow although nothing blocks it.

What the team saw: an asyncio server keeps its loop clean: everything heavy goes through
`run_in_executor` to a thread pool, as the documentation says. Still, requests that touch no
executor take 5 ms and more instead of 0.2 ms as soon as thumbnails are made.

What is going on: the pool's threads are threads of the same process. `thumbnail` is pure Python
and holds the GIL; after every `epoll_wait` the event loop waits for it, 5 ms and more.

What to do: use a `ProcessPoolExecutor` for CPU work; keep the thread pool for what releases the GIL.
"""
import asyncio
import concurrent.futures
import sys
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
WORKERS = 2
IMAGE = list(range(300000))


def thumbnail(image):
    shade = 0
    for pixel in image: shade = (shade * 3 + pixel) & 0xFFFF  # <- culprit
    return shade


async def serve(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        writer.write(line)
        await writer.drain()
    writer.close()


async def client(path, deadline, latencies):
    reader, writer = path
    due = time.monotonic()
    while due < deadline:
        await asyncio.sleep(max(0, due - time.monotonic()))
        writer.write(b"GET /ping\n")
        await writer.drain()
        await reader.readline()
        latencies.append(time.monotonic() - due)
        due = time.monotonic() + 0.001
    writer.close()


async def thumbnails(pool, deadline):
    loop = asyncio.get_running_loop()
    while time.monotonic() < deadline:
        await loop.run_in_executor(pool, thumbnail, IMAGE)


async def main():
    latencies = []
    deadline = time.monotonic() + SECONDS
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    path = await asyncio.open_connection("127.0.0.1", port)
    with concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="pool") as pool:
        jobs = [thumbnails(pool, deadline) for _ in range(WORKERS)]
        await asyncio.gather(client(path, deadline, latencies), *jobs)
    server.close()
    latencies.sort()
    print("ping, median: %.1f ms" % (1e3 * latencies[len(latencies) // 2]))


if __name__ == "__main__":
    asyncio.run(main())

# answer: {"culprit": "asyncio_pool.py:thumbnail:<- culprit", "holders": ["pool_0", "pool_1"], "waiters": ["MainThread"]}

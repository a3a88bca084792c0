# SPDX-License-Identifier: MIT
"""A Redis of one's own, for the programs beside this file."""

import contextlib
import pathlib
import subprocess
import sys
import time

import redis

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from billing.load import free_port  # noqa: E402


@contextlib.contextmanager
def redis_url(patience_s=30):
    port = free_port()
    server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                               "--daemonize", "no"], stdout=subprocess.DEVNULL)
    try:
        url, end = "redis://127.0.0.1:%d/0" % port, time.monotonic() + patience_s
        while True:
            try:
                redis.Redis.from_url(url).ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait()

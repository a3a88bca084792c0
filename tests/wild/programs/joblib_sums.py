# SPDX-License-Identifier: MIT
"""joblib's three backends, an array shared by memory map, and loky's own pool with a worker that dies:
`joblib_sums.py ROUNDS`."""

import os
import sys

import numpy
from joblib import Parallel, delayed
from loky import get_reusable_executor
from loky.process_executor import TerminatedWorkerError


def rows(a, i):
    return float(a[i].sum()) + sum(range(i * 20))


def backends(rounds):
    a = numpy.arange(400000.0).reshape(200, 2000)
    for backend in ("loky", "multiprocessing", "threading"):
        for _ in range(rounds):
            found = Parallel(n_jobs=2, backend=backend)(delayed(rows)(a, i) for i in range(200))
        print("answer %s: %r" % (backend, sum(found)))


def worker_dies():
    try:
        get_reusable_executor(max_workers=2).submit(os._exit, 3).result(60)
    except TerminatedWorkerError as error:
        print("answer a dead worker: %s" % type(error).__name__)
    with get_reusable_executor(max_workers=2, reuse=False) as pool:
        print("answer a new pool: %s" % sum(pool.map(abs, range(-50, 0))))


if __name__ == "__main__":
    backends(int(sys.argv[1]))
    worker_dies()

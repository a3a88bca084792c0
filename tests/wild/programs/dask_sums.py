# SPDX-License-Identifier: MIT
"""dask.distributed on one machine, workers as processes and as threads: `dask_sums.py ROUNDS`."""

import sys

import dask.array as da
from dask import delayed
from dask.distributed import Client, LocalCluster, wait


def square(i):
    return sum(range(i)) % 1000


def work(client, rounds):
    for _ in range(rounds):
        futures = client.map(square, range(200), pure=False)
        wait(futures)
        tree = delayed(sum)([delayed(square)(i) for i in range(50)])
        a = da.arange(200000, chunks=10000).reshape(400, 500, merge_chunks=False)
        yield sum(client.gather(futures)), tree.compute(), int((a @ a.T).trace().compute())


def main():
    for processes in (True, False):
        cluster = LocalCluster(n_workers=2, threads_per_worker=2, processes=processes, dashboard_address=None)
        with cluster, Client(cluster) as client:
            print("answer processes %s: %s" % (processes, sorted(set(work(client, int(sys.argv[1]))))))


if __name__ == "__main__":
    main()

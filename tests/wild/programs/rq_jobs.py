# SPDX-License-Identifier: MIT
"""rq with a real Redis; its worker forks once for each job: `rq_jobs.py JOBS`. One job in ten fails."""

import collections
import os
import pathlib
import subprocess
import sys

from rq import Queue
from redis import Redis

from redis_here import redis_url


def work(i):
    if i % 10 == 3:
        raise ValueError(i)
    return os.getpid(), sum(range(i * 100))


def main():
    n = int(sys.argv[1])
    with redis_url() as url:
        import rq_jobs  # the module a worker will find this function in

        queue = Queue(connection=Redis.from_url(url))
        jobs = [queue.enqueue(rq_jobs.work, i) for i in range(n)]
        worker = subprocess.run([pathlib.Path(sys.executable).with_name("rq"), "worker", "--burst", "--quiet",
                                 "--url", url, "--path", pathlib.Path(__file__).parent])
        values = [job.return_value() for job in jobs if job.is_finished]
        print("answer ends: %s" % sorted(collections.Counter(str(job.get_status()) for job in jobs).items()))
        print("answer sum: %d" % sum(value for _, value in values))
        print("answer a process for each: %s" % (len({pid for pid, _ in values}) == len(values)))
        print("answer exit status: %d" % worker.returncode)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""celery with a real Redis, prefork, a child for ten jobs, and a warm shutdown: `celery_jobs.py JOBS POOL`."""

import os
import pathlib
import subprocess
import sys

from redis_here import redis_url

HERE = pathlib.Path(__file__).parent


def main():
    with redis_url() as url:
        os.environ["REDIS_URL"] = url
        os.environ["PYTHONWARNINGS"] = "ignore"  # of it running as root
        import celery_tasks

        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "--workdir", HERE, "--quiet", "worker", "-c",
                   "2", "-P", sys.argv[2], "-l", "error", "--without-gossip", "--without-mingle"]
        if sys.argv[2] == "prefork":
            command += ["--max-tasks-per-child", "10"]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            results = [celery_tasks.work.delay(i) for i in range(int(sys.argv[1]))]
            values = [result.get(timeout=120) for result in results]
            worker.terminate()
            status = worker.wait(60)
        finally:
            worker.kill()
    print("answer sum: %d" % sum(value for _, value in values))
    print("answer more than two processes: %s" % (len({pid for pid, _ in values}) > 2))
    print("answer exit status: %d" % status)


if __name__ == "__main__":
    main()

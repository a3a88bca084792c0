# SPDX-License-Identifier: MIT
"""The tasks of celery_jobs.py."""

import os
import time

from celery import Celery

app = Celery("celery_tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True


@app.task
def work(i):
    time.sleep(0.001)
    return os.getpid(), sum(range(i * 100))

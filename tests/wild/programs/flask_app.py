# SPDX-License-Identifier: MIT
"""Flask for gunicorn; each answer takes the GIL and gives it away, as a handler with a database does."""

import os
import time

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def root():
    rows = [{"id": i, "square": i * i} for i in range(60)]
    time.sleep(0.002)
    answer = jsonify(total=sum(row["square"] for row in rows))
    answer.headers["X-Worker"] = str(os.getpid())
    return answer

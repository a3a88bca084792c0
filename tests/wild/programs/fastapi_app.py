# SPDX-License-Identifier: MIT
"""FastAPI for uvicorn: a coroutine that asks a thread of the pool, where plain functions run."""

import os

import anyio
from fastapi import FastAPI, Response

app = FastAPI()


def work():
    return sum(i * i for i in range(3000))


@app.get("/")
async def root(response: Response):
    response.headers["X-Worker"] = str(os.getpid())
    return {"total": await anyio.to_thread.run_sync(work)}

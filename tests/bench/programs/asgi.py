# SPDX-License-Identifier: MIT
"""uvicorn with a small application, one thread: `asgi.py PORT REQUESTS`; ends after that many."""

import json
import sys

import uvicorn


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = json.dumps([{"id": i, "square": i * i} for i in range(60)]).encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), limit_max_requests=int(sys.argv[2]),
            log_level="error", access_log=False, lifespan="off")

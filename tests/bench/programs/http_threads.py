# SPDX-License-Identifier: MIT
"""A server of the standard library, one thread a connection: `http_threads.py PORT REQUESTS`.

Ends after that many requests. Each answer is a little Python work and a hash that lets the GIL go.
"""

import hashlib
import http.server
import json
import sys
import threading

port, requests = int(sys.argv[1]), int(sys.argv[2])
left, lock = [requests], threading.Lock()
DATA = bytes(16384)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        rows = [{"id": i, "square": i * i} for i in range(60)]
        body = json.dumps({"rows": rows, "digest": hashlib.sha256(DATA).hexdigest()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        with lock:
            left[0] -= 1
            if not left[0]:
                threading.Thread(target=server.shutdown).start()

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", port), Handler)
server.serve_forever(poll_interval=0.05)

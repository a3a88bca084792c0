# SPDX-License-Identifier: MIT
"""small_share.py SECONDS: two threads that use a tenth of a core each, and 400,000 lists."""
import sys
import threading
import time

lists = [[i] for i in range(400000)]
end = time.monotonic() + float(sys.argv[1])


def work():
    while time.monotonic() < end:
        until = time.perf_counter() + 0.004
        while time.perf_counter() < until:
            pass
        time.sleep(0.036)


threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads:
    t.start()
for t in threads:
    t.join()

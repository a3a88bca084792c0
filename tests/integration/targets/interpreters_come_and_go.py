# SPDX-License-Identifier: MIT
"""interpreters_come_and_go.py N: N sub-interpreters, one after the other, each with threads at work."""
import sys
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import busy

CODE = """
import time
end = time.monotonic() + 0.003
while time.monotonic() < end:
    time.sleep(0)
"""

for i in range(int(sys.argv[1])):
    sub = interpreters.create()
    runner = threading.Thread(target=interpreters.run_string, args=(sub, CODE))
    runner.start()
    busy.contend(0.003, 1)
    runner.join()
    interpreters.destroy(sub)
print("done")

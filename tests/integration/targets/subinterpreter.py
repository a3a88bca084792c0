# SPDX-License-Identifier: MIT
"""Two GILs: threads fight in the main interpreter and in a sub-interpreter with its own."""
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import busy

# _thread, because threading in a sub-interpreter that runs in a thread can hang on 3.12.
CODE = """
import _thread, time
end = time.monotonic() + 0.4
left = []

def spin():
    n = 0
    while time.monotonic() < end:
        n += 1
    left.append(1)

for _ in range(2):
    _thread.start_new_thread(spin, ())
while len(left) < 2:
    time.sleep(0.01)
time.sleep(0.05)
"""

sub = interpreters.create()
runner = threading.Thread(target=interpreters.run_string, args=(sub, CODE))
runner.start()
busy.contend(0.4)
runner.join()
interpreters.destroy(sub)
print("done")

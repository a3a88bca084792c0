# SPDX-License-Identifier: MIT
"""The worst case: two threads that hand a byte back and forth, with four turns of the GIL each time."""

import os
import sys
import threading

n = int(sys.argv[1])
there, back = os.pipe(), os.pipe()


def answer():
    for _ in range(n):
        os.write(back[1], os.read(there[0], 1))


thread = threading.Thread(target=answer)
thread.start()
for _ in range(n):
    os.write(there[1], b"x")
    os.read(back[0], 1)
thread.join()

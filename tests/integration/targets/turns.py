# SPDX-License-Identifier: MIT
"""turns.py SECONDS: as many turns of the GIL as it can, from two threads over pipes."""
import os
import sys
import threading
import time


def answer(source, sink):
    while True:
        letter = os.read(source, 1)
        if not letter:
            return
        os.write(sink, letter)


there, here = os.pipe(), os.pipe()
threading.Thread(target=answer, args=(there[0], here[1]), daemon=True).start()
end = time.monotonic() + float(sys.argv[1])
n = 0
while time.monotonic() < end:
    os.write(there[1], b"x")
    os.read(here[0], 1)
    n += 1
print("done")

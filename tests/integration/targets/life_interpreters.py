# SPDX-License-Identifier: MIT
"""life_interpreters.py N [legacy]: N sub-interpreters, one after another, each with two threads that
fight; with GILs of their own, unless legacy, or where there is only one GIL. Prints the ids."""
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = """
import _thread, time
end = time.monotonic() + 0.15
left = []

def spin():
    while time.monotonic() < end:
        pass
    left.append(1)

for _ in range(2):
    _thread.start_new_thread(spin, ())
while len(left) < 2:
    time.sleep(0.005)
time.sleep(0.02)
"""


def create():
    if "legacy" not in sys.argv:
        return interpreters.create()
    if sys.version_info >= (3, 13):
        return interpreters.create("legacy")
    return interpreters.create(isolated=False)


ids = []
for _ in range(int(sys.argv[1])):
    sub = create()
    ids.append(int(sub))
    interpreters.run_string(sub, CODE)
    interpreters.destroy(sub)
print(*ids)

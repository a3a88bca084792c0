# SPDX-License-Identifier: MIT
"""fork_child.py exit|_exit|grandchild: parent and child both fight for the GIL."""
import os
import sys

import busy

how = sys.argv[1]
busy.contend()
pid = os.fork()
if pid == 0 and how == "grandchild":
    pid = os.fork()
    busy.contend()
    if pid:
        os.waitpid(pid, 0)
    sys.exit(0)
if pid == 0:
    busy.contend()
    if how == "_exit":
        os._exit(5)
    sys.exit(5)
_, status = os.waitpid(pid, 0)
busy.contend()
print(pid, status >> 8)

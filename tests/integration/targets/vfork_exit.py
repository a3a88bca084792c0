# SPDX-License-Identifier: MIT
"""Children whose exec fails, so that they _exit in a vfork; the parent goes on."""
import subprocess

import busy

busy.contend(0.2)
for _ in range(10):
    try:
        subprocess.Popen(["/nonexistent/program"])
    except FileNotFoundError:
        pass
busy.contend(0.5)
print("done")

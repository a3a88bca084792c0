# SPDX-License-Identifier: MIT
"""A child by subprocess, another by os.posix_spawn, and a shell that starts Python."""
import os
import subprocess
import sys

import busy

child = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy.py")
busy.contend()
subprocess.run([sys.executable, child], check=True)
pid = os.posix_spawn(sys.executable, [sys.executable, child], os.environ)
os.waitpid(pid, 0)
subprocess.run('"%s" "%s"; true' % (sys.executable, child), shell=True, check=True)

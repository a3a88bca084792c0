# SPDX-License-Identifier: MIT
"""exec_other.py HOW: becomes another program, or fails to, in the way HOW says."""
import os
import sys

import busy

how = sys.argv[1]
program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy.py")
argv = [sys.executable, program, "0.3"]
busy.contend(0.3)
if how == "execv":
    os.execv(sys.executable, argv)
elif how == "execve":
    os.execve(sys.executable, argv, dict(os.environ, CHANGED="1"))
elif how == "execvp":
    os.execvp(sys.executable, argv)
elif how == "fexecve":
    os.execve(os.open(sys.executable, os.O_RDONLY), argv, os.environ)
elif how == "other":
    os.execv("/bin/true", ["true"])
elif how == "fails":
    try:
        os.execv("/nonexistent/program", argv)
    except OSError as error:
        print(error.errno)
    busy.contend(0.5)

# SPDX-License-Identifier: MIT
"""Prints what a process can see of itself, as JSON: nothing of it may change under gilscope."""
import json
import os
import resource
import signal
import sys
import threading

import busy

busy.contend(0.15)
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Sig"))
portrait = {
    "fds": sorted(os.listdir("/proc/self/fd"), key=int),
    "masks": {k: status[k].strip() for k in ("SigBlk", "SigIgn", "SigCgt")},
    "handlers": [str(signal.getsignal(s)) for s in sorted(signal.Signals)],
    "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "threads": [t.name for t in threading.enumerate()],
    "argv": sys.argv[1:],
    "cwd": os.getcwd(),
    "umask": os.umask(0),
    "limits": [resource.getrlimit(i) for i in range(resource.RLIM_NLIMITS)]
    if hasattr(resource, "RLIM_NLIMITS") else resource.getrlimit(resource.RLIMIT_NOFILE),
    "children": open("/proc/self/task/%d/children" % os.getpid()).read()
    if os.path.exists("/proc/self/task/%d/children" % os.getpid()) else "",
    "environment": sorted(k for k in os.environ if not k.startswith("GILSCOPE")),
}
print(json.dumps(portrait))

# SPDX-License-Identifier: MIT
"""Gives up root while threads run: setuid has to reach every thread of the process."""
import os
import threading

import busy

rivals = threading.Thread(target=busy.contend, args=(0.5,))
rivals.start()
busy.contend(0.2)
os.setgid(65534)
os.setuid(65534)
busy.contend(0.2)
rivals.join()
uids = set()
for task in os.listdir("/proc/self/task"):
    try:
        with open("/proc/self/task/%s/status" % task) as file:
            uids.update(line for line in file if line.startswith("Uid"))
    except (FileNotFoundError, ProcessLookupError):
        pass  # a joined thread, gone from the kernel since it was listed
print(os.getuid(), len(uids))

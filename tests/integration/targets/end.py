# SPDX-License-Identifier: MIT
"""end.py HOW: fights for the GIL and comes to its end in one of many ways."""
import os
import signal
import sys
import threading
import time

import busy

how = sys.argv[1]
if how in ("kill", "term", "daemon", "_exit-in-thread"):
    for _ in range(3):
        threading.Thread(target=busy.spin, args=(time.monotonic() + 60,), daemon=True).start()
    time.sleep(0.6)
else:
    busy.contend(0.3)
print("at the end", flush=True)
if how == "exit":
    sys.exit(7)
elif how == "_exit":
    os._exit(8)
elif how == "_exit-in-thread":
    threading.Thread(target=os._exit, args=(9,)).start()
    time.sleep(60)
elif how == "error":
    raise RuntimeError("planned")
elif how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "term":
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
elif how == "abort":
    os.abort()

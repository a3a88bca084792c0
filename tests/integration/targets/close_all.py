# SPDX-License-Identifier: MIT
"""close_all.py FOLDER: closes every descriptor it does not know and writes files of its own."""
import os
import sys

import busy

busy.contend(0.2)
os.closerange(3, 1024)
files = [os.open(os.path.join(sys.argv[1], "mine-%d" % i), os.O_CREAT | os.O_RDWR, 0o600)
         for i in range(8)]
for _ in range(5):
    for file in files:
        os.write(file, b"mine\n")
    busy.contend(0.15)
print(files)

# SPDX-License-Identifier: MIT
"""json both ways, one thread."""

import json
import sys

row = {"name": "x" * 20, "values": list(range(50)), "nested": {str(i): i / 7 for i in range(30)}}
for _ in range(int(sys.argv[1])):
    json.loads(json.dumps(row))

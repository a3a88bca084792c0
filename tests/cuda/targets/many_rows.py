# SPDX-License-Identifier: MIT
"""More rows than a small capture holds, and blocks that live from first to last. usage: many_rows.py
ROWS; prints what lives, as JSON, from the driver."""
import json
import sys

import cu

driver = cu.Driver("dlsym")
driver.start()
kept = [driver.allocate(1000 + i) for i in range(300)]
for i in range(int(sys.argv[1])):
    driver.free(driver.allocate(1 + i % 5000))
print(json.dumps({"live": {str(k): v for k, v in cu.Fake().live().items()},
                  "kept": {str(p): 1000 + i for i, p in enumerate(kept)}}))

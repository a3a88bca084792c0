# SPDX-License-Identifier: MIT
"""The switch interval at a microsecond: as many forced drops as there can be."""
import sys

import busy

sys.setswitchinterval(1e-6)
busy.contend(0.4, 4)
print("done")

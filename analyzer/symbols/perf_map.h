/* SPDX-License-Identifier: MIT
 * /tmp/perf-PID.map: what a just-in-time compiler, or Python with -X perf, calls its code.
 */
#ifndef GS_PERF_MAP_H
#define GS_PERF_MAP_H

#include <stdint.h>

#include "analyzer/symbols/elf_names.h"

/* Empty where there is none, it is somebody else's, or older than the process. Of entries that
 * begin at one address the last one counts. */
void gs_perf_map_read(struct gs_elf_names *out, uint32_t pid, int64_t began_unix_ns);

#endif

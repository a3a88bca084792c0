/* SPDX-License-Identifier: MIT
 * What no schedule of a program can be shorter than, and, of some programs, what none is longer
 * than: README.md, "Bounds".
 */
#ifndef GS_WHATIF_BOUNDS_H
#define GS_WHATIF_BOUNDS_H

#include "analyzer/whatif/replay.h"

#define GS_BOUND_NONE UINT64_MAX

struct gs_bounds {
    uint64_t work_ns;          /* W */
    uint64_t critical_path_ns; /* CP */
    uint64_t lo_ns, hi_ns;     /* hi: GS_BOUND_NONE where nothing can be said */
    uint32_t limited_by;       /* lo: index of the lock or pool; GS_NO_OBJECT: W or CP is greater */
    uint64_t *serial_ns;       /* H, P: one for each of the program's objects; to be freed */
};
#define GS_NO_OBJECT UINT32_MAX

void gs_bounds_find(const struct gs_program *p, const struct gs_replay_params *params,
                    struct gs_bounds *out);

/* plain.c: no lock that others let go has been looked for. */
bool gs_program_is_plain(const struct gs_program *p);

/* critical_path.c: the relaxed replay. */
struct gs_relaxed {
    uint64_t makespan_ns;
    uint64_t
        workers_ns; /* when the last worker of a pool was there for the first time; all pools */
};
void gs_relaxed_run(const struct gs_program *p, uint32_t s_q16, struct gs_relaxed *out);

#endif

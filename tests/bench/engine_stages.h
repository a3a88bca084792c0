/* SPDX-License-Identifier: MIT
 * The stages of an analysis that engine_ns times, each a function of the open capture. What a stage
 * found stays in struct stages, so that it can be compared with what others find.
 */
#ifndef GS_ENGINE_STAGES_H
#define GS_ENGINE_STAGES_H

#include "analyzer/hist.h"
#include "analyzer/profile_build.h"
#include "tests/bench/one_gil.h"

struct stage_sum { /* of one hold_stack */
    uint64_t hold_ns, wait_ns, count;
};
struct stages {
    struct one_gil g;
    struct gs_load_options options;
    bool check; /* look at what the stage made, which takes time of its own */

    struct stage_sum *by_node; /* group, hists */
    uint64_t hold_hist[GS_HIST_BUCKETS], wait_hist[GS_HIST_BUCKETS];
    uint64_t n_rows, hash;     /* order: sum of acq_ns * (2 * seq + 1) */
    struct gs_profile profile; /* build */
};
struct stage {
    const char *name;
    void (*run)(struct stages *s);
};
/* NULL for a name that is none. */
const struct stage *stage_find(const char *name);
/* Frees what the stage found, not the capture. */
void stages_clear(struct stages *s);

#endif

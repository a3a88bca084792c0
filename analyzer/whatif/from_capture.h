/* SPDX-License-Identifier: MIT
 * From a recorded process to a program that can be replayed, and what is against believing it.
 */
#ifndef GS_WHATIF_FROM_CAPTURE_H
#define GS_WHATIF_FROM_CAPTURE_H

#include "analyzer/whatif/evidence.h"
#include "analyzer/whatif/program.h"

/* Innermost one of a stack that held the GIL. */
struct gs_function {
    char *name; /* "loads (decoder.py)" */
    uint32_t number, node;
    uint64_t py_ns;
};
#define GS_FUNCTIONS_MOST 3u

struct gs_capture_program {
    struct gs_program program;
    uint64_t wall_ns;     /* from the first turn to the end of the last, without no_core_ns */
    uint64_t no_core_ns;  /* the GIL stood still: who held it, or was to have it, had no core */
    uint64_t gil_wait_ns; /* of all threads */
    uint64_t py_ns, native_ns, latency_ns, blocked_ns; /* what else their time went to */
    uint64_t *blocked_on_ns; /* blocked_ns by the program's objects; the rest is in its last */
    uint64_t unknown_ns;     /* of `latency`, off the GIL without a look at the CPU clock */
    uint64_t thread_ns;      /* of all threads, from their first turn to their last */
    uint64_t doubtful;       /* wake-ups as they were, and what nobody knows the beginning of */
    size_t n_threads;        /* that held the GIL */
    struct gs_function functions[GS_FUNCTIONS_MOST]; /* those that computed most, in that order */
    size_t n_functions;
};

/* NULL, or why there is no program; what was taken is freed then. */
const char *gs_program_from_evidence(struct gs_evidence *e, const struct gs_recording *r,
                                     const struct gs_stacks *stacks,
                                     struct gs_capture_program *out);
void gs_capture_program_free(struct gs_capture_program *c);

#endif

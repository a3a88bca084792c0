/* SPDX-License-Identifier: MIT
 * From a recorded process to a program that can be replayed, and what is against believing it.
 */
#ifndef GS_WHATIF_FROM_CAPTURE_H
#define GS_WHATIF_FROM_CAPTURE_H

#include "analyzer/whatif/evidence.h"
#include "analyzer/whatif/program.h"

struct gs_capture_program {
    struct gs_program program;
    uint64_t wall_ns;     /* from the first turn to the end of the last, without no_core_ns */
    uint64_t no_core_ns;  /* the GIL stood still: who held it, or was to have it, had no core */
    uint64_t gil_wait_ns; /* of all threads */
    uint64_t py_ns, native_ns, latency_ns, blocked_ns; /* what else their time went to */
    uint64_t unknown_ns; /* of `latency`, off the GIL without a look at the CPU clock */
    uint64_t thread_ns;  /* of all threads, from their first turn to their last */
    uint64_t doubtful;   /* wake-ups as they were, and what nobody knows the beginning of */
    size_t n_threads;    /* that held the GIL */
};

/* How a process becomes part of a program of several. */
struct gs_acts;
struct gs_listing {
    uint32_t first_thread; /* of the program, that is its own; they are there already */
    bool as_threads;       /* what one process need not do is left out: tax.h */
    bool has_gil;          /* else its threads compute side by side */
    uint32_t begins;       /* thread of the evidence whose list begins with begin_ns of computing */
    uint64_t begin_ns;
    const struct gs_acts *more; /* what it did with other processes */
};
/* Appends the process's lists and objects to out->program, its times to out's. */
void gs_program_list(struct gs_evidence *e, const struct gs_recording *r,
                     const struct gs_stacks *stacks, const struct gs_listing *how,
                     struct gs_capture_program *out);
/* Threads of the program for those of the evidence. Returns the first. */
uint32_t gs_program_threads(struct gs_program *p, const struct gs_recording *r);

/* NULL, or why there is no program; what was taken is freed then. */
const char *gs_program_from_evidence(struct gs_evidence *e, const struct gs_recording *r,
                                     const struct gs_stacks *stacks,
                                     struct gs_capture_program *out);
void gs_capture_program_free(struct gs_capture_program *c);

#endif

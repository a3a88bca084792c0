/* SPDX-License-Identifier: MIT
 * Findings, verdict, and the sums they stand on (the terminal summary shows the same).
 */
#ifndef GS_FINDINGS_H
#define GS_FINDINGS_H

#include "analyzer/profile.h"

struct gs_job {
    uint64_t wait_ns, hold_ns, unknown_ns, acquisitions, contended, lost_chunks;
    uint64_t n_threads, n_victims; /* victims lost at least 1 % of their life to the GIL */
    uint64_t victim_wait_ns, victim_wall_ns;
    bool all_free_threaded;
};
struct gs_job gs_job_totals(const struct gs_profile *p);

/* A function that held the GIL; most blamed first. */
struct gs_culprit {
    uint32_t node; /* a stack that ends in the function's most blamed line; 0: none */
    uint32_t process;
    uint64_t blamed_ns, hold_ns, long_ns, long_count;
    uint64_t long_cpu_ns; /* long_ns without the part for which the thread had no CPU */
    uint64_t line_ns;     /* blame of that line */
};
struct gs_culprit *gs_culprits_make(const struct gs_profile *p, size_t *n_out);
/* "`parse` (app.py:42)", safe to print; the caller frees. */
char *gs_place_text(const struct gs_profile *p, uint32_t node);
/* findings_memory.c: returns how many there are; their texts are the caller's. */
#define GS_MEMORY_FINDINGS 2
size_t gs_findings_of_memory(const struct gs_profile *p,
                             struct gs_finding found[GS_MEMORY_FINDINGS]);
/* findings_cuda.c: the same. */
#define GS_CUDA_FINDINGS 4
size_t gs_findings_of_cuda(const struct gs_profile *p, struct gs_finding found[GS_CUDA_FINDINGS]);
uint64_t gs_thread_wall_ns(const struct gs_prof_thread *t);

#endif

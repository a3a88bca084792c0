/* SPDX-License-Identifier: MIT
 * What the files that build a profile share: the rows of one process while they are being summed.
 */
#ifndef GS_PROFILE_PROCESS_H
#define GS_PROFILE_PROCESS_H

#include "analyzer/columns.h"
#include "analyzer/engine.h"
#include "analyzer/profile.h"

/* Rows by (thread row, node), in order of appearance. */
struct gs_row_table {
    struct gs_idmap map; /* of the first map.n rows; the others when one is looked for */
    struct gs_prof_row *rows;
    size_t n, cap;
};
struct gs_prof_row *gs_row_at(struct gs_row_table *t, uint32_t thread_row, uint32_t node);
/* One that is not there yet. */
struct gs_prof_row *gs_row_add(struct gs_row_table *t, uint32_t thread_row, uint32_t node);
void gs_row_table_free(struct gs_row_table *t);

struct gs_process_builder {
    struct gs_recording *r;
    const struct gs_stacks *stacks;
    struct gs_prof_process *out;
    uint32_t *gil_rank;                  /* of dense GIL indexes: position in out->gils */
    const struct gs_rec_totals **totals; /* by dense GIL, in the order of the recording */
    size_t *totals_from;                 /* those of GIL i: totals_from[i] to [i + 1] - 1 */
    struct gs_idmap thread_rows;         /* dense thread, dense GIL -> row */
    struct gs_prof_thread *threads;
    size_t n_threads, cap_threads;
    struct gs_row_table rows;
    struct gs_summap pairs;  /* thread ids */
    struct gs_summap chains; /* nodes */
    uint64_t pairs_rest_ns;  /* see struct gs_pairs */
    struct gs_bins bins;
};
uint32_t gs_builder_thread(struct gs_process_builder *b, uint32_t thread, uint32_t gil);

/* profile_gil.c: engine result and exact totals of one GIL (dense index) into the builder. */
void gs_builder_add_gil(struct gs_process_builder *b, uint32_t gil,
                        const struct gs_gil_result *res);
/* profile_open.c: the turn and the waits still open at the end, and the counts of turns that follow
 * from it. After the GIL's rows and TOTALS, which are threads[first] and on. */
void gs_builder_add_open(struct gs_process_builder *b, uint32_t gil, size_t first);
/* profile_fold.c: uncontended time of one thread and GIL, shared among its samples. */
void gs_builder_add_folded(struct gs_process_builder *b, uint32_t gil);

/* profile_process.c: one recording -> *out; its GILs are counted between open and close, and by
 * close its rows and chains are appended to the profile, if they were. */
void gs_process_open(struct gs_process_builder *b, struct gs_recording *r,
                     const struct gs_stacks *stacks, struct gs_prof_process *out);
void gs_process_close(struct gs_process_builder *b, struct gs_profile *profile, bool is_counted);
/* profile_count.c: the GILs of n processes, side by side where the engine can. */
enum gs_status gs_processes_count(struct gs_process_builder *b, size_t n,
                                  const struct gs_engine_ops *ops, struct gs_engine *engine,
                                  struct gs_error *err);
/* profile_memory.c: out->memory, and the process's rows of allocations and its map appended to the
 * profile; nothing where nothing was recorded. */
void gs_memory_build(struct gs_recording *r, const struct gs_stacks *stacks,
                     struct gs_profile *profile, struct gs_prof_process *out);
void gs_memory_free(struct gs_prof_memory *m);
/* profile_cuda.c: out->cuda, and the process's rows of device memory and of calls under the GIL
 * appended to the profile. After the engine. */
void gs_cuda_build(struct gs_recording *r, const struct gs_stacks *stacks,
                   struct gs_profile *profile, struct gs_prof_process *out);
void gs_cuda_free(struct gs_prof_cuda *c);
/* records_counters.c: out->counters. */
void gs_counters_build(struct gs_recording *r, struct gs_prof_process *out);
/* profile_counted.c: the process's rows of counters appended to the profile. After these. */
void gs_counted_build(struct gs_recording *r, const struct gs_stacks *stacks,
                      struct gs_profile *profile, struct gs_prof_process *out);
/* profile_tops.c: holders, waiters and chains over the whole job. */
void gs_profile_rank(struct gs_profile *p);
void gs_chains_sort_and_cut(struct gs_profile *p);
/* findings.c: findings and verdict. */
void gs_findings_make(struct gs_profile *p);

#endif

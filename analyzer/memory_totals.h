/* SPDX-License-Identifier: MIT
 * Sums and rankings over a profile's memory that the JSON, the terminal and the findings share.
 */
#ifndef GS_MEMORY_TOTALS_H
#define GS_MEMORY_TOTALS_H

#include "analyzer/profile.h"

struct gs_memory_totals { /* of the job: the processes' last samples, and their last MAPS */
    uint64_t processes;   /* that have memory recorded */
    uint64_t arena_bytes, pool_used_bytes, pinned_free_bytes;
    uint64_t rss_bytes, pss_bytes, uss_bytes;
};
struct gs_memory_totals gs_memory_totals(const struct gs_profile *p);

/* NULL where there is none. */
const struct gs_prof_memory_sample *gs_memory_last(const struct gs_prof_memory *m);
/* One process's rows in p->alloc_rows; *n of them. */
const struct gs_prof_alloc_row *gs_memory_alloc_rows(const struct gs_profile *p, size_t process,
                                                     size_t *n);
/* A copy of them, by pinned bytes, then by live bytes; the caller frees. */
struct gs_prof_alloc_row *gs_memory_top_pinners(const struct gs_profile *p, size_t process,
                                                size_t *n);

#endif

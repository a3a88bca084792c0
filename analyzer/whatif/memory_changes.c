/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/memory_changes.h"

#include <stdlib.h>

#include "analyzer/xalloc.h"

static int by_time(const void *pa, const void *pb)
{
    const struct gs_memory_change *a = pa, *b = pb;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return a->process < b->process ? -1 : a->process > b->process;
}

uint64_t gs_memory_changes_most(struct gs_memory_change *all, size_t n, size_t n_processes,
                                uint64_t *at_ns)
{
    uint64_t *now = gs_xcalloc(n_processes, sizeof(*now)), sum = 0, most = 0;
    *at_ns = 0;
    if (n)
        qsort(all, n, sizeof(*all), by_time);
    for (size_t i = 0; i < n; i++) { /* 2^14 processes of 2^50 bytes are beyond any command line */
        sum = sum - now[all[i].process] + all[i].bytes;
        now[all[i].process] = all[i].bytes;
        if (sum >= most && (i + 1 == n || all[i + 1].t_ns != all[i].t_ns)) {
            most = sum;
            *at_ns = all[i].t_ns;
        }
    }
    free(now);
    return most;
}

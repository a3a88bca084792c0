/* SPDX-License-Identifier: MIT */
#include "analyzer/memory_totals.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

const char *const gs_explained_keys[] = {
#define X(NAME, key, text) key,
    GS_EXPLAINED_LIST(X)
#undef X
};
const char *const gs_explained_texts[] = {
#define X(NAME, key, text) text,
    GS_EXPLAINED_LIST(X)
#undef X
};

const struct gs_prof_memory_sample *gs_memory_last(const struct gs_prof_memory *m)
{
    return m && m->n_samples ? &m->samples[m->n_samples - 1] : NULL;
}

struct gs_memory_totals gs_memory_totals(const struct gs_profile *p)
{
    struct gs_memory_totals t = {0};
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_memory *m = p->processes[i].memory;
        const struct gs_prof_memory_sample *s = gs_memory_last(m);
        if (!m)
            continue;
        t.processes++;
        t.arena_bytes += s ? s->arena_bytes : 0;
        t.pool_used_bytes += s ? s->pool_used_bytes : 0;
        t.pinned_free_bytes += s ? s->pinned_free_bytes : 0;
        t.rss_bytes += s ? s->rss_bytes : m->rss_bytes;
        t.pss_bytes += m->pss_bytes;
        t.uss_bytes += m->uss_bytes;
    }
    return t;
}

/* Where the rows of `process` and of those after it begin. */
static size_t first_row(const struct gs_profile *p, size_t process)
{
    size_t lo = 0, hi = p->n_alloc_rows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->alloc_rows[mid].process < process)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct gs_prof_alloc_row *gs_memory_alloc_rows(const struct gs_profile *p, size_t process,
                                                     size_t *n)
{
    size_t from = first_row(p, process);
    *n = first_row(p, process + 1) - from;
    return *n ? &p->alloc_rows[from] : NULL;
}

static int by_pinned(const void *pa, const void *pb)
{
    const struct gs_prof_alloc_row *a = pa, *b = pb;
    if (a->pinned_bytes != b->pinned_bytes)
        return a->pinned_bytes > b->pinned_bytes ? -1 : 1;
    if (a->live_bytes != b->live_bytes)
        return a->live_bytes > b->live_bytes ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

struct gs_prof_alloc_row *gs_memory_top_pinners(const struct gs_profile *p, size_t process,
                                                size_t *n)
{
    const struct gs_prof_alloc_row *rows = gs_memory_alloc_rows(p, process, n);
    struct gs_prof_alloc_row *out = gs_xmalloc(*n, sizeof(*out));
    if (*n) {
        memcpy(out, rows, *n * sizeof(*out));
        qsort(out, *n, sizeof(*out), by_pinned);
    }
    return out;
}

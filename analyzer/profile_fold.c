/* SPDX-License-Identifier: MIT
 * Uncontended turns are folded into exact totals; their stacks come from Poisson samples. The total
 * is shared among the stacks by weight.
 */
#include <stdlib.h>

#include "analyzer/profile_process.h"
#include "analyzer/shares.h"
#include "analyzer/xalloc.h"

static int by_thread_and_node(const void *pa, const void *pb)
{
    const struct gs_share *a = pa, *b = pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static uint64_t at_most(uint64_t v, uint64_t max)
{
    return v < max ? v : max;
}

static void add_unsampled(struct gs_prof_row *row, uint64_t ns, uint64_t n)
{
    row->hold_ns += ns;
    row->hold_count += n;
}

/* The samples speak for their own time: what was folded before the detail has no stacks. */
static void add_shares(struct gs_process_builder *b, const struct gs_rec_totals *t,
                       struct gs_share *s, size_t n)
{
    uint32_t at = gs_builder_thread(b, t->thread, t->gil);
    uint64_t gone_ns = at_most(t->gone_folded_ns, t->folded_ns);
    uint64_t gone_n = at_most(t->gone_folded_n, t->folded_n);
    if (gone_ns | gone_n)
        add_unsampled(gs_row_at(&b->rows, at, b->stacks->earlier), gone_ns, gone_n);
    if (n == 0) {
        add_unsampled(gs_row_at(&b->rows, at, b->stacks->not_sampled), t->folded_ns - gone_ns,
                      t->folded_n - gone_n);
        return;
    }
    gs_shares_divide(s, n, t->folded_ns - gone_ns);
    for (size_t i = 0; i < n; i++) {
        struct gs_prof_row *row = gs_row_at(&b->rows, at, s[i].node);
        row->hold_ns += s[i].part;
        row->hold_est_ns += s[i].part;
    }
    gs_shares_divide(s, n, t->folded_n - gone_n);
    for (size_t i = 0; i < n; i++)
        gs_row_at(&b->rows, at, s[i].node)->hold_count += s[i].part;
}

static size_t lower_bound(const struct gs_share *s, size_t n, uint32_t thread)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s[mid].thread < thread)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* A thread's shares are a run of their own; dividing reorders only inside the run. */
void gs_builder_add_folded(struct gs_process_builder *b, uint32_t gil)
{
    const struct gs_summap *w = &b->r->gils[gil].weights;
    size_t n = w->map.n;
    struct gs_share *all = gs_xcalloc(n, sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        all[i].thread = (uint32_t)(w->map.keys[i] >> 32);
        all[i].node = (uint32_t)w->map.keys[i];
        all[i].weight = w->sums[i].count ? w->sums[i].count : 1;
    }
    if (n)
        qsort(all, n, sizeof(*all), by_thread_and_node);
    for (size_t i = b->totals_from[gil]; i < b->totals_from[gil + 1]; i++) {
        const struct gs_rec_totals *t = b->totals[i];
        if (!t->seen || !(t->folded_ns | t->folded_n))
            continue;
        size_t from = lower_bound(all, n, t->thread), end = from;
        while (end < n && all[end].thread == t->thread)
            end++;
        add_shares(b, t, all + from, end - from);
    }
    free(all);
}

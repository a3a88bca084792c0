/* SPDX-License-Identifier: MIT
 * What counters counted, by stack. Waits and contended turns have counts of their own. Of the turns
 * that were folded only the sum is known: it is shared among the stacks of those that were sampled.
 * What no stack is known for goes to "(not sampled)", so that the rows of a counter and state add
 * up to what COUNTS say of it.
 */
#include <stdlib.h>

#include "analyzer/profile_process.h"
#include "analyzer/shares.h"
#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

struct entry {
    uint32_t thread, at, state, is_estimate, node;
    uint64_t count;
    bool is_told; /* its group has COUNTS, and was added with them */
};

struct builder {
    const struct gs_recording *r;
    const struct gs_stacks *stacks;
    const struct gs_prof_counters *counters;
    struct entry *entries;
    size_t n, cap;
    struct gs_idmap places; /* counter, node -> rows[] */
    struct gs_prof_count_row *rows;
    size_t n_rows, cap_rows;
};

/* ---- entries ---- */

static int by_place(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    if (a->is_estimate != b->is_estimate)
        return a->is_estimate ? 1 : -1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static size_t counter_at(const struct gs_prof_counters *c, uint32_t counter)
{
    size_t at = 0;
    while (at < c->n_counters && c->counters[at].counter != counter)
        at++;
    return at;
}

static void take_entries(struct builder *b)
{
    for (size_t i = 0; i < b->r->counted.n; i++) {
        const struct gs_counted_sums *s = &b->r->counted.sums[i];
        size_t at = counter_at(b->counters, GS_COUNTED_COUNTER(s->what));
        if (at == b->counters->n_counters)
            continue; /* no record says what it counts */
        struct entry e = {.at = (uint32_t)at,
                          .state = GS_COUNTED_STATE(s->what),
                          .is_estimate = GS_COUNTED_IS_ESTIMATE(s->what)};
        for (size_t k = 0; k < s->by_stack.map.n; k++) {
            e.thread = (uint32_t)(s->by_stack.map.keys[k] >> 32);
            e.node = (uint32_t)s->by_stack.map.keys[k];
            e.count = s->by_stack.sums[k].ns;
            GS_PUSH(b->entries, b->n, b->cap, e);
        }
    }
    if (b->n)
        qsort(b->entries, b->n, sizeof(*b->entries), by_place);
}

/* Those of one thread, counter and state, from `from` on: where they end. */
static size_t group_end(const struct builder *b, size_t from, const struct entry *like)
{
    size_t end = from;
    while (end < b->n && b->entries[end].thread == like->thread && b->entries[end].at == like->at &&
           b->entries[end].state == like->state)
        end++;
    return end;
}

/* ---- rows ---- */

static void add(struct builder *b, uint32_t at, uint32_t node, uint32_t state, uint64_t count,
                bool is_estimate)
{
    struct gs_prof_count_row made = {.at = at, .node = node};
    uint32_t row = gs_idmap_add(&b->places, gs_pack32(at, node));
    if (row == b->n_rows)
        GS_PUSH(b->rows, b->n_rows, b->cap_rows, made);
    b->rows[row].in[state] += count;
    if (is_estimate)
        b->rows[row].estimated += count;
}

static void add_estimates(struct builder *b, const struct entry *e, size_t n, uint64_t total)
{
    struct gs_share *shares = gs_xcalloc(n, sizeof(*shares));
    for (size_t i = 0; i < n; i++)
        shares[i] = (struct gs_share){.node = e[i].node, .weight = e[i].count ? e[i].count : 1};
    gs_shares_divide(shares, n, total);
    for (size_t i = 0; i < n; i++)
        add(b, e->at, shares[i].node, e->state, shares[i].part, true);
    free(shares);
}

static uint64_t sum_of(const struct entry *e, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += e[i].count;
    return sum;
}

/* COUNTS are of the whole recording, rows perhaps only of its end: then the samples speak for as
 * much as they say, and not for what was before them. */
static uint64_t share_of_estimates(const struct builder *b, const struct entry *e, size_t n,
                                   uint64_t left)
{
    uint64_t sum = sum_of(e, n);
    return b->r->detail_ns && sum < left ? sum : n ? left : 0;
}

/* All that is scaled is so after it was added up: parts and whole agree. */
static void add_group(struct builder *b, const struct gs_prof_counts *c, uint32_t state,
                      const struct entry *e, size_t n)
{
    size_t exact = 0;
    uint64_t told = 0, all = gs_counts_scaled(c, c->in[state]);
    for (; exact < n && !e[exact].is_estimate; exact++) {
        uint64_t count = gs_counts_scaled(c, e[exact].count);
        add(b, e->at, e[exact].node, state, count, false);
        told += count;
    }
    uint64_t left = all > told ? all - told : 0;
    uint64_t estimated = share_of_estimates(b, e + exact, n - exact, left);
    if (estimated)
        add_estimates(b, e + exact, n - exact, estimated);
    if (left > estimated)
        add(b, (uint32_t)c->at, b->r->detail_ns ? b->stacks->earlier : b->stacks->not_sampled,
            state, left - estimated, false);
}

static size_t first_of(const struct builder *b, const struct entry *like)
{
    size_t lo = 0, hi = b->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (by_place(&b->entries[mid], like) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_counts(struct builder *b, const struct gs_prof_counts *c)
{
    for (uint32_t state = 0; c->thread >= 0 && state < GS_N_COUNTS_STATES; state++) {
        struct entry like = {.thread = (uint32_t)c->thread, .at = (uint32_t)c->at, .state = state};
        size_t from = first_of(b, &like), end = group_end(b, from, &like);
        add_group(b, c, state, b->entries + from, end - from);
        for (size_t i = from; i < end; i++)
            b->entries[i].is_told = true;
    }
}

/* Of a thread that was killed before its first COUNTS: what rows say themselves. */
static void add_without_counts(struct builder *b)
{
    for (size_t from = 0, end = 0; from < b->n; from = end) {
        const struct entry *e = &b->entries[from];
        const struct gs_prof_counts none = {.thread = e->thread, .at = e->at};
        end = group_end(b, from, e);
        if (!e->is_told)
            add_group(b, &none, e->state, e, end - from);
    }
}

static int by_event_and_node(const void *pa, const void *pb)
{
    const struct gs_prof_count_row *a = pa, *b = pb;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static void append(struct builder *b, struct gs_profile *p, uint32_t process)
{
    if (!b->n_rows)
        return;
    qsort(b->rows, b->n_rows, sizeof(*b->rows), by_event_and_node);
    p->count_rows = gs_xrealloc(p->count_rows, p->n_count_rows + b->n_rows, sizeof(*b->rows));
    for (size_t i = 0; i < b->n_rows; i++) {
        b->rows[i].process = process;
        p->count_rows[p->n_count_rows++] = b->rows[i];
    }
}

void gs_counted_build(struct gs_recording *r, const struct gs_stacks *stacks,
                      struct gs_profile *profile, struct gs_prof_process *out)
{
    struct builder b = {.r = r, .stacks = stacks, .counters = out->counters};
    if (!out->counters || !r->counted.n)
        return;
    take_entries(&b);
    for (size_t i = 0; i < out->counters->n_counts; i++)
        add_counts(&b, &out->counters->counts[i]);
    add_without_counts(&b);
    append(&b, profile, (uint32_t)(out - profile->processes));
    free(b.entries);
    free(b.rows);
    gs_idmap_free(&b.places);
}

/* ---- rows for who shows them ---- */

static int most_first(const void *pa, const void *pb)
{
    const struct gs_prof_count_row *a = pa, *b = pb;
    uint64_t left = gs_count_row_sum(a), right = gs_count_row_sum(b);
    if (left != right)
        return left > right ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

struct gs_prof_count_row *gs_count_rows_of(const struct gs_profile *p, size_t process, size_t at,
                                           size_t *n)
{
    struct gs_prof_count_row *out = gs_xmalloc(p->n_count_rows, sizeof(*out));
    *n = 0;
    for (size_t i = 0; i < p->n_count_rows; i++)
        if (p->count_rows[i].process == process && p->count_rows[i].at == at)
            out[(*n)++] = p->count_rows[i];
    if (*n)
        qsort(out, *n, sizeof(*out), most_first);
    return out;
}

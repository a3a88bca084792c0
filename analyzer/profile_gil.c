/* SPDX-License-Identifier: MIT
 * One GIL: the engine's sums by actor -> rows, threads, pairs, chains; then what TOTALS add.
 */
#include <stdlib.h>

#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_actor(struct gs_process_builder *b, uint32_t gil, uint32_t actor,
                      const struct gs_gil_result *res)
{
    const struct gs_actor_sums *a = &res->actors[actor];
    uint32_t thread = gs_recording_thread(b->r, gs_actor_thread(&res->map, actor));
    uint32_t at = gs_builder_thread(b, thread, gil);
    struct gs_prof_thread *t = &b->threads[at];
    t->acquisitions += a->acquires;
    t->releases += a->releases;
    t->forced_drops += a->forced;
    t->contended += a->wait_count;
    t->hold_ns += a->hold_ns;
    t->wait_ns += a->wait_ns;
    t->blamed_ns += a->blamed_ns;
    t->wait_max_ns = max_u64(t->wait_max_ns, a->wait_max_ns);
    if (!(a->hold_ns | a->blamed_ns | a->wait_ns | a->hold_count | a->wait_count))
        return;
    struct gs_prof_row *row = gs_row_add(&b->rows, at, gs_actor_node(&res->map, actor));
    row->hold_ns += a->hold_ns;
    row->blamed_ns += a->blamed_ns;
    row->wait_ns += a->wait_ns;
    row->hold_count += a->hold_count;
    row->wait_count += a->wait_count;
    row->long_hold_ns += a->long_ns;
    row->long_holds += a->long_count;
}

struct thread_bucket {
    uint64_t key, count; /* thread id * 1024 + bucket */
};

static int by_key(const void *pa, const void *pb)
{
    const struct thread_bucket *a = pa, *b = pb;
    return a->key < b->key ? -1 : a->key > b->key;
}

static void set_percentiles(struct gs_prof_thread *t, const struct thread_bucket *from, size_t n)
{
    struct gs_hist h = {gs_xmalloc(n, sizeof(*h.buckets)), n};
    for (size_t i = 0; i < n; i++)
        h.buckets[i] = (struct gs_hist_bucket){gs_hist_lower_ns(from[i].key & 1023), from[i].count};
    t->wait_p50_ns = gs_hist_percentile(&h, 50);
    t->wait_p99_ns = gs_hist_percentile(&h, 99);
    free(h.buckets);
}

static void add_percentiles(struct gs_process_builder *b, uint32_t gil, const struct gs_summap *m)
{
    size_t n = m->map.n;
    struct thread_bucket *all = gs_xmalloc(n, sizeof(*all));
    for (size_t i = 0; i < n; i++)
        all[i] = (struct thread_bucket){m->map.keys[i], m->sums[i].count};
    if (n)
        qsort(all, n, sizeof(*all), by_key);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && all[end].key >> 10 == all[i].key >> 10;)
            end++;
        uint32_t thread = gs_recording_thread(b->r, (uint32_t)(all[i].key >> 10));
        uint32_t at = gs_builder_thread(b, thread, gil);
        set_percentiles(&b->threads[at], all + i, end - i);
    }
    free(all);
}

/* ---- TOTALS ---- */

/* Rows that are deleted; what was folded then came with the rest of it. */
static void add_gone(struct gs_process_builder *b, const struct gs_rec_totals *t, uint32_t at)
{
    if (!(t->gone_hold_ns | t->gone_wait_ns | t->gone_turns | t->gone_waits))
        return;
    struct gs_prof_row *gone = gs_row_at(&b->rows, at, b->stacks->earlier);
    b->threads[at].hold_ns += t->gone_hold_ns;
    b->threads[at].wait_ns += t->gone_wait_ns;
    gone->hold_ns += t->gone_hold_ns;
    gone->wait_ns += t->gone_wait_ns;
    gone->hold_count += t->gone_turns;
    gone->wait_count += t->gone_waits;
}

/* Counts are exact in TOTALS; the rows, which the row has been made of so far, may be newer. Each
 * turn and each wait is in one of three places, so newer rows add to what was folded or lost. */
static void add_totals(struct gs_process_builder *b, const struct gs_rec_totals *t)
{
    uint32_t at = gs_builder_thread(b, t->thread, t->gil);
    struct gs_prof_thread *row = &b->threads[at];
    uint64_t turns = row->releases + t->folded_n + t->lost_n + t->gone_turns;
    uint64_t waits = row->contended + t->lost_wait_n + t->gone_waits;
    row->acquisitions = max_u64(row->acquisitions, t->acquisitions);
    row->releases = max_u64(turns, t->releases);
    row->contended = max_u64(waits, t->contended);
    row->forced_drops = max_u64(row->forced_drops, t->forced);
    row->hold_ns += t->folded_ns + t->lost_ns;
    row->wait_ns += t->lost_wait_ns;
    add_gone(b, t, at);
    if (!(t->lost_ns | t->lost_wait_ns | t->lost_n | t->lost_wait_n))
        return;
    struct gs_prof_row *lost = gs_row_at(&b->rows, at, b->stacks->lost);
    lost->hold_ns += t->lost_ns;
    lost->wait_ns += t->lost_wait_ns;
    lost->hold_count += t->lost_n;
    lost->wait_count += t->lost_wait_n;
}

static void add_fold_hist(const struct gs_process_builder *b, struct gs_record rec,
                          uint64_t *hold_hist)
{
    if (rec.tag == 0)
        return;
    for (uint64_t n = gs_record_get_u(&rec); n > 0 && rec.pos < rec.end; n--) {
        uint64_t log2_ticks = gs_record_get_u(&rec), count = gs_record_get_u(&rec);
        if (log2_ticks > 63)
            continue;
        uint64_t ns = gs_clock_duration_ns(&b->r->clock, UINT64_C(1) << log2_ticks);
        hold_hist[gs_hist_bucket_of(ns)] += count;
    }
}

/* first: of the GIL's rows, which were all made while it was added. */
static void sum_gil(const struct gs_process_builder *b, size_t first, struct gs_prof_gil *out)
{
    for (size_t i = first; i < b->n_threads; i++) {
        const struct gs_prof_thread *t = &b->threads[i];
        out->hold_ns += t->hold_ns;
        out->wait_ns += t->wait_ns;
        out->open_hold_ns += t->open_hold_ns;
        out->open_wait_ns += t->open_wait_ns;
        out->acquisitions += t->acquisitions;
        out->contended += t->contended;
        out->forced_drops += t->forced_drops;
    }
}

void gs_builder_add_gil(struct gs_process_builder *b, uint32_t gil, const struct gs_gil_result *res)
{
    struct gs_prof_gil *out = &b->out->gils[b->gil_rank[gil]];
    size_t first = b->n_threads;
    uint64_t *hold_hist = gs_xmalloc(GS_HIST_BUCKETS, sizeof(*hold_hist));
    for (unsigned i = 0; i < GS_HIST_BUCKETS; i++)
        hold_hist[i] = res->hold_hist[i];
    out->interpreter = b->r->gils[gil].interpreter;
    out->unknown_holder_ns = res->unknown_holder_ns;
    GS_RESERVE(b->rows.rows, b->rows.n + res->map.n, b->rows.cap);
    for (size_t i = 0; i < res->map.n; i++)
        add_actor(b, gil, (uint32_t)i, res);
    gs_summap_add_all(&b->pairs, &res->pairs.sums);
    gs_summap_add_all(&b->chains, &res->chains);
    b->pairs_rest_ns += res->pairs.rest_ns;
    add_percentiles(b, gil, &res->wait_hists);
    gs_builder_add_folded(b, gil);
    for (size_t i = b->totals_from[gil]; i < b->totals_from[gil + 1]; i++) {
        const struct gs_rec_totals *t = b->totals[i];
        if (t->seen) {
            add_totals(b, t);
            out->unknown_holder_ns += t->lost_wait_ns + t->gone_wait_ns;
        }
        add_fold_hist(b, t->fold_hist, hold_hist);
    }
    gs_builder_add_open(b, gil, first);
    sum_gil(b, first, out);
    gs_hist_compact(hold_hist, &out->hold_hist);
    gs_hist_compact(res->wait_hist, &out->wait_hist);
    free(hold_hist);
}

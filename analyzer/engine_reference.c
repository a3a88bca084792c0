/* SPDX-License-Identifier: MIT
 * The definition of every number: all rows at once, sorted; then for each wait walk the turns it
 * lay over. Slow where waits are long, and without a bound where they are made to be; nothing is
 * precomputed, so that it can be read beside engine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine.h"
#include "analyzer/xalloc.h"

struct gs_engine {
    struct gs_segment *segments;
    size_t cap;
};

static enum gs_status reference_open(struct gs_engine **out, struct gs_error *err)
{
    (void)err;
    *out = gs_xcalloc(1, sizeof(**out));
    return GS_OK;
}

static void reference_close(struct gs_engine *e)
{
    if (e)
        free(e->segments);
    free(e);
}

struct work {
    struct gs_engine *e;
    struct gs_decoder *d; /* actors, samples */
    const struct gs_typicals *typicals;
    const struct gs_chain_stacks *chains;
    const struct gs_bins *bins;
    struct gs_gil_result *out;
    struct gs_slice *rows;
    size_t n;
    bool by_holder; /* the wait in hand: pairs are counted */
};

static int by_seq(const void *pa, const void *pb)
{
    const struct gs_slice *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* A stable sort: of two rows with one seq, the earlier in the file is merged into. */
static void sort_rows(struct work *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++)
        w->rows[i].order = (uint32_t)i;
    if (w->n)
        qsort(w->rows, w->n, sizeof(*w->rows), by_seq);
    for (size_t i = 0; i < w->n; i++) {
        if (kept > 0 && w->rows[kept - 1].seq == w->rows[i].seq)
            gs_merge_halves(&w->rows[kept - 1], &w->rows[i]);
        else
            w->rows[kept++] = w->rows[i];
    }
    w->n = kept;
    gs_make_monotone(w->rows, w->n, 0);
}

static size_t samples_of(const struct work *w, uint64_t seq, size_t *from)
{
    size_t n = 0;
    *from = gs_first_sample(w->d, seq);
    while (*from + n < w->d->n_samples && w->d->samples[*from + n].seq == seq)
        n++;
    return n;
}

/* Segments of row i into e->segments. */
static size_t segments_of(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->rows[i];
    size_t from, n = samples_of(w, t->seq, &from);
    struct gs_typical typical = gs_typical_find(w->typicals, w->d, t->hold_actor);
    gs_gil_result_reserve(w->out, w->d->actors.n);
    GS_RESERVE(w->e->segments, n + GS_TYPICAL_MAX, w->e->cap);
    const struct gs_holder_sample *at = w->d->samples ? w->d->samples + from : NULL;
    return gs_turn_segments(t, at, n, &typical, w->e->segments);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Hold time of row i, split among its stacks. */
static void count_hold(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->rows[i];
    bool expired = false;
    size_t n_segments = segments_of(w, i), from, n = samples_of(w, t->seq, &from);
    for (size_t k = from; k < from + n; k++)
        expired |= w->d->samples[k].kind == GS_HOLDER_AT_EXPIRY;
    gs_count_hold(w->out, w->bins, t, w->e->segments, n_segments, expired);
}

static void blame(struct work *w, const struct gs_slice *wait, uint32_t holder, uint64_t ns)
{
    const struct gs_idmap *actors = &w->d->actors;
    uint32_t waiter = wait->wait_actor;
    uint32_t waiting = gs_actor_node(actors, waiter), holding = gs_actor_node(actors, holder);
    if (ns == 0)
        return;
    w->out->actors[holder].blamed_ns += ns;
    if (!w->by_holder)
        return;
    gs_pairs_add(&w->out->pairs, gs_actor_thread(actors, waiter), gs_actor_thread(actors, holder),
                 ns, 1);
    if (gs_chain_index(&w->chains->waiters, waiting) != GS_CHAIN_NONE &&
        gs_chain_index(&w->chains->holders, holding) != GS_CHAIN_NONE)
        gs_summap_add(&w->out->chains, gs_pack32(waiting, holding), ns, 1);
}

/* The part of `wait` that lies in the period of row j, from `cur` on. Returns its end. */
static uint64_t blame_turn(struct work *w, const struct gs_slice *wait, size_t j, uint64_t cur)
{
    const struct gs_slice *turn = &w->rows[j];
    bool is_last = j + 1 == w->n;
    uint64_t end = gs_period_end(turn, is_last ? 0 : turn[1].seq, is_last ? 0 : turn[1].a_ns);
    size_t n = segments_of(w, j);
    for (size_t k = 0; k < n; k++) {
        uint64_t seg_end = min_u64(w->e->segments[k].end_ns, end);
        if (seg_end < turn->a_ns)
            seg_end = turn->a_ns; /* a turn's first stack answers for all that lies before it */
        if (seg_end > cur) {
            blame(w, wait, w->e->segments[k].actor, seg_end - cur);
            cur = seg_end;
        }
    }
    return cur;
}

static uint64_t blame_unknown(struct work *w, uint64_t cur, uint64_t end)
{
    if (end <= cur)
        return cur;
    w->out->unknown_holder_ns += end - cur;
    return end;
}

/* Lays the wait of row i over the periods seq - ds .. seq - 1. */
static void blame_wait(struct work *w, size_t i)
{
    const struct gs_slice *rows = w->rows, *wait = &rows[i];
    uint64_t covered = wait->seq - wait->ds; /* next seq to explain */
    uint64_t cur = wait->begin_ns;
    size_t j = i;
    while (j > 0 && rows[j - 1].seq >= covered)
        j--;
    w->by_holder = wait->flags & GS_ROW_BY_HOLDER;
    for (; j < i; j++) {
        if (rows[j].seq != covered)
            cur = blame_unknown(w, cur, rows[j].a_ns);
        cur = blame_turn(w, wait, j, cur);
        covered = rows[j].seq + 1;
    }
    blame_unknown(w, cur, wait->a_ns);
}

static void count_row(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->rows[i];
    struct gs_actor_sums *a = &w->out->actors[t->hold_actor];
    a->acquires++;
    a->releases += (t->flags & GS_SLICE_TURN) != 0;
    a->forced += (t->flags & GS_SLICE_FORCED) != 0;
    if (t->flags & GS_SLICE_TURN)
        count_hold(w, i);
    if (t->flags & GS_SLICE_WAIT) {
        unsigned bucket = gs_count_wait(w->out, t);
        uint64_t thread = gs_actor_thread(&w->d->actors, t->wait_actor);
        gs_summap_add(&w->out->wait_hists, thread << 10 | bucket, 0, 1);
        gs_bins_add(w->bins, w->bins->wait_ns, t->begin_ns, t->a_ns);
        blame_wait(w, i);
    }
}

static enum gs_status reference_run(struct gs_engine *e, const struct gs_engine_job *job,
                                    const struct gs_bins *bins, struct gs_gil_result *out,
                                    struct gs_error *err)
{
    struct gs_decoder d;
    struct gs_window_rows rows = {0};
    (void)err;
    gs_decoder_open(&d, job->r, job->stacks, job->rows->size);
    gs_windows_load_raw(job->rows, &d, &rows);
    struct work w = {.e = e,
                     .d = &d,
                     .typicals = &job->rows->typicals,
                     .chains = &job->rows->chains,
                     .bins = bins,
                     .out = out,
                     .rows = rows.at,
                     .n = rows.n_at};
    gs_gil_result_open(out, job->rows);
    sort_rows(&w);
    gs_sort_samples(&d);
    gs_gil_result_reserve(out, d.actors.n);
    for (size_t i = 0; i < w.n; i++)
        count_row(&w, i);
    gs_gil_result_reserve(out, d.actors.n);
    out->map = d.actors;
    d.actors = (struct gs_idmap){0};
    gs_gil_result_close(out);
    gs_window_rows_free(&rows);
    gs_decoder_close(&d);
    return GS_OK;
}

const struct gs_engine_ops gs_engine_reference = {
    .name = "reference",
    .open = reference_open,
    .run = reference_run,
    .close = reference_close,
};

/* SPDX-License-Identifier: MIT
 * The definition of every number: sort, then for each wait walk the turns it lay over. Slow where
 * waits are long, and without a bound where they are made to be; nothing is precomputed, so that it
 * can be read beside engine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine.h"
#include "analyzer/turns.h"
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
    struct gs_gil_columns *g;
    struct gs_bins *bins;
    struct gs_gil_result *out;
    size_t n;         /* rows after the halves were merged */
    uint64_t *pieces; /* before row i: pieces of the periods, unknown ones too */
    bool by_holder;   /* the wait in hand: pairs are counted */
};

static int by_seq(const void *pa, const void *pb)
{
    const struct gs_slice *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return a->a_ns < b->a_ns ? -1 : a->a_ns > b->a_ns; /* a_ns: row number, see sort_rows() */
}

/* A stable sort: of two rows with one seq, the earlier in the file is merged into. */
static void sort_rows(struct work *w)
{
    struct gs_slice *rows = w->g->slices;
    for (size_t i = 0; i < w->g->n_slices; i++)
        rows[i].a_ns = i;
    if (w->g->n_slices)
        qsort(rows, w->g->n_slices, sizeof(*rows), by_seq);
    w->n = 0;
    for (size_t i = 0; i < w->g->n_slices; i++) {
        if (w->n > 0 && rows[w->n - 1].seq == rows[i].seq)
            w->out->duplicate_rows += gs_merge_halves(&rows[w->n - 1], &rows[i]);
        else
            rows[w->n++] = rows[i];
    }
    w->g->n_slices = w->n;
    gs_make_monotone(rows, w->n);
}

static size_t first_sample(const struct gs_gil_columns *g, uint64_t seq)
{
    size_t lo = 0, hi = g->n_samples;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (g->samples[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Segments of row i into e->segments. */
static size_t segments_of(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->g->slices[i];
    size_t from = first_sample(w->g, t->seq), n = 0;
    while (from + n < w->g->n_samples && w->g->samples[from + n].seq == t->seq)
        n++;
    if (n + GS_TYPICAL_MAX > w->e->cap) {
        w->e->cap = 2 * n + 16;
        w->e->segments = gs_xrealloc(w->e->segments, w->e->cap, sizeof(*w->e->segments));
    }
    const struct gs_holder_sample *at = w->g->samples ? w->g->samples + from : NULL;
    return gs_turn_segments(w->g, t, at, n, w->e->segments);
}

static void count_pieces(struct work *w)
{
    const struct gs_slice *rows = w->g->slices;
    uint64_t sum = 0;
    w->pieces = gs_xmalloc(w->n, sizeof(*w->pieces));
    for (size_t i = 0; i < w->n; i++) {
        w->pieces[i] = sum;
        sum += (i == 0 || rows[i - 1].seq != rows[i].seq - 1) + segments_of(w, i);
    }
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Hold time of row i, split among its stacks. */
static void count_hold(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->g->slices[i];
    bool expired = false;
    size_t n = segments_of(w, i);
    for (size_t k = first_sample(w->g, t->seq); k < w->g->n_samples; k++) {
        if (w->g->samples[k].seq != t->seq)
            break;
        expired |= w->g->samples[k].kind == GS_HOLDER_AT_EXPIRY;
    }
    gs_count_hold(w->out, w->bins, t, w->e->segments, n, expired);
}

static void blame(struct work *w, const struct gs_slice *wait, uint32_t holder, uint64_t ns)
{
    if (ns == 0)
        return;
    w->out->actors[holder].blamed_ns += ns;
    if (w->by_holder)
        gs_pairs_add(&w->out->pairs, wait->wait_actor, holder, ns, 1);
}

/* The part of `wait` that lies in the period of row j, from `cur` on. Returns its end. */
static uint64_t blame_turn(struct work *w, const struct gs_slice *wait, size_t j, uint64_t cur)
{
    const struct gs_slice *turn = &w->g->slices[j], *next = j + 1 < w->n ? turn + 1 : NULL;
    uint64_t end = gs_period_end(turn, next);
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
    const struct gs_slice *rows = w->g->slices, *wait = &rows[i];
    uint64_t ds = min_u64(wait->ds, wait->seq), covered = wait->seq - ds; /* next seq to explain */
    uint64_t cur = wait->begin_ns;
    size_t j = i;
    while (j > 0 && rows[j - 1].seq >= covered)
        j--;
    w->by_holder = gs_pairs_take(&w->out->pairs, w->pieces[i] - w->pieces[j]);
    for (; j < i; j++) {
        if (rows[j].seq != covered)
            cur = blame_unknown(w, cur, rows[j].a_ns);
        cur = blame_turn(w, wait, j, cur);
        covered = rows[j].seq + 1;
    }
    blame_unknown(w, cur, wait->a_ns);
}

static enum gs_status reference_run(struct gs_engine *e, struct gs_gil_columns *g,
                                    struct gs_bins *bins, struct gs_gil_result *out,
                                    struct gs_error *err)
{
    struct work w = {.e = e, .g = g, .bins = bins, .out = out};
    (void)err;
    out->n_actors = g->actors.n;
    out->actors = gs_xcalloc(g->actors.n, sizeof(*out->actors));
    sort_rows(&w);
    gs_sort_samples(g);
    gs_learn_typical(g);
    count_pieces(&w);
    for (size_t i = 0; i < w.n; i++) {
        const struct gs_slice *t = &g->slices[i];
        struct gs_actor_sums *a = &out->actors[t->hold_actor];
        a->acquires++;
        a->releases += (t->flags & GS_SLICE_TURN) != 0;
        a->forced += (t->flags & GS_SLICE_FORCED) != 0;
        if (t->flags & GS_SLICE_TURN)
            count_hold(&w, i);
        if (t->flags & GS_SLICE_WAIT) {
            unsigned bucket = gs_count_wait(out, t);
            gs_summap_add(&out->wait_hists, (uint64_t)t->thread << 10 | bucket, 0, 1);
            gs_bins_add(bins, bins->wait_ns, t->begin_ns, t->a_ns);
            blame_wait(&w, i);
        }
    }
    gs_pairs_close(out);
    free(w.pieces);
    return GS_OK;
}

const struct gs_engine_ops gs_engine_reference = {
    .name = "reference",
    .open = reference_open,
    .run = reference_run,
    .close = reference_close,
};

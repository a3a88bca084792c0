/* SPDX-License-Identifier: MIT
 * The first walk over a GIL's rows.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/column_math.h"
#include "analyzer/columns.h"
#include "analyzer/parallel.h"
#include "analyzer/windows.h"
#include "analyzer/xalloc.h"

/* Whether a seq may have samples: no false "no". */
#define MAYBE_BITS 65536u
#define RECENT     256u /* threads */

static const uint64_t HALVES = GS_SLICE_TURN | GS_SLICE_WAIT;

struct worker {
    struct gs_decoder d;
    struct gs_summap sampled; /* see gs_typicals_learn() */
    struct gs_chain_weights weights;
    struct gs_row_columns weighed; /* rows of a chunk */
    struct gs_slice *turns;        /* those of the window in hand that were sampled */
    size_t n_turns, cap_turns;
    struct gs_segment *segments;
    size_t cap_segments;
    uint64_t maybe[MAYBE_BITS / 64];
    struct gs_idmap threads;
    struct gs_thread_last *last;
    size_t cap_last;
    struct {
        uint32_t thread, index_plus_1;
    } recent[RECENT]; /* in front of `threads` */
    uint64_t min_ns, max_ns, damaged_chunks, damaged_rows;
};
struct survey {
    struct gs_windows *w;
    struct worker *workers;
};

/* ---- samples ---- */

/* Without samples nothing but chains is learnt of them. */
static bool is_weighed(const struct gs_windows *w, const struct gs_window_part *part)
{
    if (w->no_pairs && w->sample_list->n == 0)
        return false;
    return part->chunk % gs_chain_stride(w->slices->n) == 0;
}

/* Of a window that has no weighed chunk, only to find damage. */
static void load_samples(struct survey *s, struct worker *me, const struct gs_window *at)
{
    const struct gs_windows *w = s->w;
    bool any = false;
    for (size_t i = 0; i < at->n_own && !any; i++)
        any = is_weighed(w, &w->parts[at->own + i]);
    me->d.n_samples = 0;
    for (size_t i = 0; i < at->n_samples; i++) {
        const struct gs_chunk_ref *c = w->sample_list->at[w->sample_chunks[at->samples + i]];
        bool ok = gs_decode_samples(&me->d, c, any ? at->lo : 1, any ? at->last : 0);
        if (!ok && c->hdr.seq0 >= at->lo && c->hdr.seq0 <= at->last) { /* told once */
            me->damaged_chunks++;
            me->damaged_rows += gs_chunk_rows(c);
        }
    }
    gs_sort_samples(&me->d);
    memset(me->maybe, 0, sizeof(me->maybe));
    for (size_t i = 0; i < me->d.n_samples; i++) {
        uint64_t bit = me->d.samples[i].seq % MAYBE_BITS;
        me->maybe[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static size_t samples_of(const struct gs_decoder *d, uint64_t seq, size_t *from)
{
    size_t end = *from = gs_first_sample(d, seq);
    while (end < d->n_samples && d->samples[end].seq == seq)
        end++;
    return end - *from;
}

static void keep_if_sampled(struct worker *me, const struct gs_row_columns *c, size_t i)
{
    size_t from;
    uint64_t bit = c->seq[i] % MAYBE_BITS;
    if (!(me->maybe[bit / 64] >> bit % 64 & 1) || !samples_of(&me->d, c->seq[i], &from))
        return;
    struct gs_slice row = gs_row_columns_get(c, i);
    row.order = (uint32_t)me->n_turns + 1;
    GS_PUSH(me->turns, me->n_turns, me->cap_turns, row);
}

static int by_seq_and_file(const void *pa, const void *pb)
{
    const struct gs_slice *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void learn_from(struct worker *me, const struct gs_slice *turn)
{
    size_t from, n = samples_of(&me->d, turn->seq, &from);
    uint64_t cur = turn->acq_ns;
    GS_RESERVE(me->segments, n + GS_TYPICAL_MAX, me->cap_segments);
    n = gs_turn_segments(turn, me->d.samples + from, n, NULL, me->segments);
    for (size_t k = 0; k < n; k++) {
        const struct gs_segment *s = &me->segments[k];
        uint64_t end = s->end_ns < turn->rel_ns ? s->end_ns : turn->rel_ns;
        if (end <= cur)
            continue;
        gs_chain_weight(&me->weights, s->actor)->inside_ns += end - cur;
        if (gs_turn_ended_unasked(turn))
            gs_summap_add(&me->sampled, gs_pack32(turn->hold_actor, s->actor), end - cur, 1);
        cur = end;
    }
}

static void learn(struct worker *me)
{
    if (me->n_turns)
        qsort(me->turns, me->n_turns, sizeof(*me->turns), by_seq_and_file);
    for (size_t i = 0, end; i < me->n_turns; i = end) {
        for (end = i + 1; end < me->n_turns && me->turns[end].seq == me->turns[i].seq; end++)
            gs_merge_halves(&me->turns[i], &me->turns[end]);
        learn_from(me, &me->turns[i]);
    }
    me->n_turns = 0;
}

/* ---- rows ---- */

static uint32_t last_of(struct gs_idmap *threads, struct gs_thread_last **last, size_t *cap,
                        uint32_t thread)
{
    uint32_t at = gs_idmap_add(threads, thread);
    if (at >= *cap) {
        size_t old = *cap;
        GS_RESERVE(*last, (size_t)at + 1, *cap);
        memset(*last + old, 0, (*cap - old) * sizeof(**last));
    }
    return at;
}

static struct gs_thread_last *my_last_of(struct worker *me, uint64_t thread64)
{
    uint32_t thread = thread64 < UINT32_MAX ? (uint32_t)thread64 : UINT32_MAX, i = thread % RECENT;
    if (!me->recent[i].index_plus_1 || me->recent[i].thread != thread) {
        me->recent[i].index_plus_1 = 1 + last_of(&me->threads, &me->last, &me->cap_last, thread);
        me->recent[i].thread = thread;
    }
    return &me->last[me->recent[i].index_plus_1 - 1];
}

static void max_into(uint64_t *into, uint64_t v)
{
    if (v > *into)
        *into = v;
}

static void saw_row(struct worker *me, uint64_t thread, uint64_t flags, uint64_t acq_ns)
{
    struct gs_thread_last *last = my_last_of(me, thread);
    max_into(&last->acq_ns, acq_ns);
    if (flags & GS_SLICE_TURN) {
        max_into(&last->turn_acq_ns, acq_ns);
        last->has_turn = true;
    }
}

static void saw_first(struct gs_window *at, uint64_t seq, uint64_t acq_ns)
{
    if (at->n_rows == 0 || seq < at->first_seq) {
        at->first_seq = seq;
        at->first_acq_ns = acq_ns;
    }
    if (seq == at->first_seq)
        max_into(&at->first_acq_ns, acq_ns);
}

static void survey_row(struct worker *me, struct gs_window *at, struct gs_window_part *part,
                       size_t i, uint64_t flags)
{
    const struct gs_decoder *d = &me->d;
    uint64_t seq = gs_decoded_column(d, GS_SLICE_SEQ)[i];
    uint64_t acq_ns = gs_decoded_column(d, GS_SLICE_ACQ_NS)[i];
    uint64_t rel_ns = gs_decoded_column(d, GS_SLICE_REL_NS)[i];
    saw_first(at, seq, acq_ns);
    at->n_rows++;
    max_into(&at->max_acq_ns, acq_ns);
    max_into(&me->max_ns, rel_ns);
    if (rel_ns < me->min_ns)
        me->min_ns = rel_ns;
    if (flags & GS_SLICE_WAIT) {
        uint64_t reach = seq - gs_decoded_column(d, GS_SLICE_WAIT_DS)[i];
        part->reach = reach < part->reach ? reach : part->reach;
    }
    saw_row(me, gs_decoded_column(d, GS_SLICE_THREAD)[i], flags, acq_ns);
}

static void survey_rows(struct worker *me, struct gs_window *at, struct gs_window_part *part)
{
    const uint64_t *seq = gs_decoded_column(&me->d, GS_SLICE_SEQ);
    const uint64_t *flags = gs_decoded_column(&me->d, GS_SLICE_FLAGS);
    for (size_t i = 0; i < me->d.n; i++)
        if (seq[i] >= at->lo && seq[i] <= at->last && flags[i] & HALVES)
            survey_row(me, at, part, i, flags[i]);
}

static uint64_t to_ns(const struct gs_decoder *d, uint64_t ticks)
{
    return gs_clock_ns(&d->r->clock, d->chunk->hdr.clock_epoch, ticks);
}

static void saw_tick_row(struct worker *me, const struct gs_tick_columns *t, size_t i)
{
    saw_row(me, t->thread[i], t->flags[i], to_ns(&me->d, t->acq[i]));
}

/* Where times rise, the last row of a thread says all, and the last with a TURN. */
static void saw_threads(struct worker *me, const struct gs_tick_columns *t, struct gs_row_range r)
{
    struct gs_last_rows last;
    size_t n = r.end - r.from;
    if (!gs_column_rises(t->acq + r.from, n) ||
        !gs_narrow_last_rows(t->flags + r.from, t->thread + r.from, n, &last)) {
        for (size_t i = r.from; i < r.end; i++)
            saw_tick_row(me, t, i);
        return;
    }
    for (size_t k = 0; k < 2 * GS_LAST_THREADS; k++) {
        uint16_t at = last.at[k / GS_LAST_THREADS][k % GS_LAST_THREADS];
        if (at != UINT16_MAX)
            saw_tick_row(me, t, r.from + at);
    }
}

/* The same by columns. A clock does not run back within a chunk: of its times only the extremes are
 * converted. */
static void survey_columns(struct worker *me, struct gs_window *at, struct gs_window_part *part,
                           const struct gs_tick_columns *t)
{
    const struct gs_decoder *d = &me->d;
    struct gs_row_range r = gs_range_of(t->seq, t->n, at->lo, at->last);
    size_t n = r.end - r.from;
    if (n == 0)
        return;
    const uint32_t *flags = t->flags + r.from;
    const uint64_t *seq = t->seq + r.from, *acq = t->acq + r.from;
    struct gs_range rel = gs_narrow_releases(flags, acq, t->hold + r.from, n);
    uint64_t reach = gs_narrow_reach(flags, seq, t->ds + r.from, n), min_ns = to_ns(d, rel.min);
    saw_first(at, seq[0], to_ns(d, acq[0]));
    at->n_rows += n;
    max_into(&at->max_acq_ns, to_ns(d, gs_column_range(acq, n).max));
    max_into(&me->max_ns, to_ns(d, rel.max));
    me->min_ns = min_ns < me->min_ns ? min_ns : me->min_ns;
    part->reach = reach < part->reach ? reach : part->reach;
    saw_threads(me, t, r);
}

static void weigh(struct worker *me, struct gs_row_range r)
{
    const struct gs_row_columns *c = &me->weighed;
    gs_chain_weigh(&me->weights, me->d.actors.n, c, r.from, r.end);
    for (size_t i = r.from; i < r.end && me->d.n_samples; i++)
        keep_if_sampled(me, c, i);
}

static bool weigh_columns(struct worker *me, const struct gs_window *at,
                          const struct gs_chunk_ref *c)
{
    size_t n = c->hdr.n_rows;
    gs_row_columns_reserve(&me->weighed, n, 0);
    if (!gs_decode_columns(&me->d, c, &me->weighed, 0))
        return false;
    weigh(me, gs_range_of(me->weighed.seq, n, at->lo, at->last));
    return true;
}

static void weigh_rows(struct worker *me, const struct gs_window *at)
{
    struct gs_slice row;
    size_t n = 0;
    gs_row_columns_reserve(&me->weighed, me->d.n, 0);
    for (size_t i = 0; i < me->d.n; i++)
        if (gs_decoded_slice(&me->d, i, &row) && row.seq >= at->lo && row.seq <= at->last)
            gs_row_columns_put(&me->weighed, n++, &row);
    weigh(me, (struct gs_row_range){0, n});
}

static void survey_part(struct survey *s, struct worker *me, struct gs_window *at,
                        struct gs_window_part *part)
{
    const struct gs_chunk_ref *c = s->w->slices->at[part->chunk];
    struct gs_tick_columns t;
    bool by_columns = gs_decode_ticks(&me->d, c, &t);
    if (by_columns)
        survey_columns(me, at, part, &t);
    if (by_columns && (!is_weighed(s->w, part) || weigh_columns(me, at, c)))
        return;
    if (!gs_decode_slices(&me->d, c)) {
        part->damaged = true;
        me->damaged_chunks += part->first;
        me->damaged_rows += part->first ? gs_chunk_rows(c) : 0;
        return;
    }
    if (!by_columns)
        survey_rows(me, at, part);
    if (is_weighed(s->w, part))
        weigh_rows(me, at);
}

static void survey_window(void *ctx, unsigned worker, size_t k)
{
    struct survey *s = ctx;
    struct worker *me = &s->workers[worker];
    struct gs_window *at = &s->w->at[k];
    load_samples(s, me, at);
    for (size_t i = 0; i < at->n_own; i++)
        survey_part(s, me, at, &s->w->parts[at->own + i]);
    learn(me);
    gs_window_forget(s->w, k);
}

/* ---- all windows ---- */

static void add_worker(struct gs_windows *w, const struct worker *me)
{
    w->min_ns = me->min_ns < w->min_ns ? me->min_ns : w->min_ns;
    max_into(&w->max_ns, me->max_ns);
    w->damaged_chunks += me->damaged_chunks;
    w->damaged_rows += me->damaged_rows;
    for (size_t i = 0; i < me->threads.n; i++) {
        uint32_t at = last_of(&w->threads, &w->last, &w->cap_last, (uint32_t)me->threads.keys[i]);
        struct gs_thread_last *last = &w->last[at];
        max_into(&last->acq_ns, me->last[i].acq_ns);
        max_into(&last->turn_acq_ns, me->last[i].turn_acq_ns);
        last->has_turn |= me->last[i].has_turn;
    }
}

static void learn_together(struct gs_windows *w, const struct worker *workers, unsigned n)
{
    const struct gs_decoder **decoders = gs_xmalloc(n, sizeof(*decoders));
    struct gs_summap *sums = gs_xmalloc(n, sizeof(*sums));
    struct gs_chain_weights *weights = gs_xmalloc(n, sizeof(*weights));
    for (unsigned i = 0; i < n; i++) {
        decoders[i] = &workers[i].d;
        sums[i] = workers[i].sampled;
        weights[i] = workers[i].weights;
    }
    gs_typicals_learn(&w->typicals, decoders, sums, n);
    gs_chain_stacks_choose(&w->chains, decoders, weights, n, &w->typicals);
    free(decoders);
    free(sums);
    free(weights);
}

static void close_worker(struct worker *me)
{
    gs_decoder_close(&me->d);
    gs_summap_free(&me->sampled);
    gs_chain_weights_free(&me->weights);
    gs_row_columns_free(&me->weighed);
    free(me->turns);
    free(me->segments);
    gs_idmap_free(&me->threads);
    free(me->last);
}

void gs__survey(struct gs_windows *w, const struct gs_recording *r, const struct gs_stacks *stacks,
                unsigned jobs)
{
    unsigned n = gs_parallel_workers(jobs, w->n);
    struct survey s = {w, gs_xcalloc(n, sizeof(*s.workers))};
    for (unsigned i = 0; i < n; i++) {
        gs_decoder_open(&s.workers[i].d, r, stacks, w->size);
        s.workers[i].min_ns = UINT64_MAX;
    }
    gs_parallel(n, w->n, survey_window, &s);
    for (unsigned i = 0; i < n; i++)
        add_worker(w, &s.workers[i]);
    learn_together(w, s.workers, n);
    for (size_t k = 0; k < w->n; k++)
        w->n_rows += w->at[k].n_rows;
    for (unsigned i = 0; i < n; i++)
        close_worker(&s.workers[i]);
    free(s.workers);
}

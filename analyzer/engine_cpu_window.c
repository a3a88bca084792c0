/* SPDX-License-Identifier: MIT
 * The same sums as engine_reference.c without walking the turns of each wait.
 *
 * The time of a window is cut once into sub-periods: the segments of its turns, and "unknown"
 * pieces where turns have no row. Their ends grow monotonically, so a wait is a first, partial
 * sub-period (found by search from period i-ds) and a run of whole ones: +1 behind the first, -1 at
 * its own turn, and one prefix sum gives how many waited through each. That is blame by holder in
 * O(rows). Who waited for whom needs one step per sub-period of a wait.
 *
 * A window's time goes from its first row's acquire to that of the first row behind it (the first
 * window's from 0), so the piece between two windows is the earlier one's. A wait is laid over all
 * windows that it touches, by each for itself: in the first of them it has its partial sub-period,
 * in the others it waits from their beginning.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cpu.h"
#include "analyzer/xalloc.h"

/* The window in hand. */
struct window {
    struct gs__worker *me;
    const struct gs_window *at;
    const struct gs_slice *rows;
    size_t n;
    bool is_first; /* nothing is known of before its first row */
};

/* ---- actors ---- */

/* Its index among the worker's tables. */
static uint8_t thread_index(struct gs__worker *me, uint32_t thread)
{
    uint32_t i = gs_idmap_add(&me->threads, thread);
    if (i >= me->pair_width)
        return GS__NOT_AMONG;
    if (!me->hists[i])
        me->hists[i] = gs_xcalloc(GS_HIST_BUCKETS, sizeof(*me->hists[i]));
    return (uint8_t)i;
}

/* Those that the decoder has met since; typical turns may add more, which are described too. */
static void describe_actors(struct gs__worker *me, const struct gs_windows *windows)
{
    for (; me->n_actors < me->d.actors.n; me->n_actors++) {
        uint32_t i = (uint32_t)me->n_actors, node = gs_actor_node(&me->d.actors, i);
        GS_RESERVE(me->actors, (size_t)i + 1, me->cap_actors);
        GS_RESERVE(me->typicals, (size_t)i + 1, me->cap_typicals);
        me->typicals[i] = gs_typical_find(&windows->typicals, &me->d, i);
        me->actors[i].thread = thread_index(me, gs_actor_thread(&me->d.actors, i));
        me->actors[i].waiter = (uint8_t)gs_chain_index(&windows->chains.waiters, node);
        me->actors[i].holder = (uint8_t)gs_chain_index(&windows->chains.holders, node);
    }
    gs_gil_result_reserve(&me->out, me->n_actors);
}

/* ---- sub-periods ---- */

static void put_sub(struct gs__worker *me, uint64_t end_ns, uint32_t actor)
{
    me->subs[me->n_subs++] = (struct gs__sub){.end_ns = end_ns, .actor = actor};
}

/* A turn that nobody looked at and of which nothing else is known: most are. */
static void cut_plain(struct gs__worker *me, const struct gs_slice *t, uint64_t end_ns)
{
    struct gs_actor_sums *a = &me->out.actors[t->hold_actor];
    put_sub(me, end_ns > t->a_ns ? end_ns : t->a_ns, t->hold_actor);
    if (!(t->flags & GS_SLICE_TURN))
        return;
    a->hold_ns += t->rel_ns - t->acq_ns;
    a->hold_count++;
    me->out.hold_hist[gs_hist_bucket_of(t->rel_ns - t->acq_ns)]++;
    gs_bins_add(&me->bins, me->bins.hold_ns, t->acq_ns, t->rel_ns);
}

/* samples: of its seq. */
static void cut_into_segments(struct gs__worker *me, const struct gs_slice *t,
                              const struct gs_holder_sample *samples, size_t n_samples,
                              uint64_t end_ns)
{
    uint64_t low = t->a_ns;
    bool expired = false;
    for (size_t k = 0; k < n_samples; k++)
        expired |= samples[k].kind == GS_HOLDER_AT_EXPIRY;
    size_t n = gs_turn_segments(t, samples, n_samples, &me->typicals[t->hold_actor], me->segments);
    for (size_t k = 0; k < n; k++) {
        uint64_t e = me->segments[k].end_ns < end_ns ? me->segments[k].end_ns : end_ns;
        low = e > low ? e : low;
        put_sub(me, low, me->segments[k].actor);
    }
    if (t->flags & GS_SLICE_TURN)
        gs_count_hold(&me->out, &me->bins, t, me->segments, n, expired);
}

/* Cuts the period of row i; samples[*s] is the first sample not before its seq. */
static void cut_turn(struct window *w, size_t i, size_t *s)
{
    struct gs__worker *me = w->me;
    const struct gs_slice *t = &w->rows[i];
    const struct gs_holder_sample *samples = me->d.samples;
    uint64_t next_seq = i + 1 < w->n ? t[1].seq : w->at->next_seq;
    uint64_t next_a_ns = i + 1 < w->n ? t[1].a_ns : w->at->next_a_ns;
    uint64_t end_ns = gs_period_end(t, next_seq, next_a_ns);
    size_t from, n_samples = me->d.n_samples;
    while (*s < n_samples && samples[*s].seq < t->seq)
        ++*s;
    for (from = *s; *s < n_samples && samples[*s].seq == t->seq;)
        ++*s;
    me->first_segment[i] = (uint32_t)me->n_subs;
    if (*s == from && !(me->typicals[t->hold_actor].n && gs_turn_ended_unasked(t)))
        cut_plain(me, t, end_ns);
    else
        cut_into_segments(me, t, samples ? samples + from : NULL, *s - from, end_ns);
    if (next_seq && next_seq != t->seq + 1)
        put_sub(me, next_a_ns, GS__NO_ACTOR);
}

static void cut_periods(struct window *w)
{
    struct gs__worker *me = w->me;
    size_t s = 0, most = (GS_TYPICAL_MAX + 1) * w->n + me->d.n_samples + 2;
    GS_RESERVE(me->subs, most, me->cap_subs);
    GS_RESERVE(me->first_segment, w->n, me->cap_first);
    GS_RESERVE(me->segments, me->d.n_samples + GS_TYPICAL_MAX, me->cap_segments);
    me->n_subs = 0;
    if (w->is_first)
        put_sub(me, w->rows[0].a_ns, GS__NO_ACTOR);
    for (size_t i = 0; i < w->n; i++)
        cut_turn(w, i, &s);
    me->subs[me->n_subs].delta = 0; /* where waits end that go on behind the window */
}

/* ---- waits ---- */

/* First of rows [0, hi) with seq >= want, or hi; most often it lies exactly `back` rows before hi.
 */
static size_t find_row(const struct window *w, size_t hi, uint64_t want, uint64_t back)
{
    if (back <= hi && back > 0 && w->rows[hi - back].seq == want)
        return hi - (size_t)back;
    size_t lo = back <= hi ? hi - (size_t)back : 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->rows[mid].seq < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First of subs[lo, hi) that ends behind t; hi when none does. Steps double from lo. */
static size_t find_sub(const struct gs__sub *subs, size_t lo, size_t hi, uint64_t t)
{
    size_t step = 1;
    while (lo + step < hi && subs[lo + step - 1].end_ns <= t) {
        lo += step;
        step *= 2;
    }
    if (lo + step < hi)
        hi = lo + step;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (subs[mid].end_ns <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_blame(struct gs__worker *me, uint32_t holder, uint64_t ns)
{
    if (holder == GS__NO_ACTOR)
        me->out.unknown_holder_ns += ns;
    else
        me->out.actors[holder].blamed_ns += ns;
}

static void add_sum(struct gs_sum *s, uint64_t ns)
{
    s->ns += ns;
    s->count++;
}

static void add_far_pair(struct gs__worker *me, uint32_t waiter, uint32_t holder, uint64_t ns)
{
    gs_pairs_add(&me->out.pairs, gs_actor_thread(&me->d.actors, waiter),
                 gs_actor_thread(&me->d.actors, holder), ns, 1);
}

/* Whom the wait waited for, in subs[first, end) from cur_ns on. */
static void add_pairs(struct gs__worker *me, uint32_t waiter, size_t first, size_t end,
                      uint64_t cur_ns)
{
    struct gs__actor w = me->actors[waiter];
    bool in_chains = w.waiter != GS_CHAIN_NONE, in_pairs = w.thread != GS__NOT_AMONG;
    struct gs_sum *chains = in_chains ? me->chains + w.waiter * me->chain_width : NULL;
    struct gs_sum *pairs = in_pairs ? me->pairs + w.thread * me->pair_width : NULL;
    for (size_t k = first; k < end; k++) {
        uint64_t ns = me->subs[k].end_ns - cur_ns;
        uint32_t holder = me->subs[k].actor;
        cur_ns = me->subs[k].end_ns;
        if (holder == GS__NO_ACTOR || ns == 0)
            continue;
        struct gs__actor h = me->actors[holder];
        if (in_chains && h.holder != GS_CHAIN_NONE)
            add_sum(&chains[h.holder], ns);
        if (in_pairs && h.thread != GS__NOT_AMONG)
            add_sum(&pairs[h.thread], ns);
        else
            add_far_pair(me, waiter, holder, ns);
    }
}

/* Over subs[first, end) from cur_ns on; the first of them ends behind it. */
static void lay(struct gs__worker *me, const struct gs_slice *wait, size_t first, size_t end,
                uint64_t cur_ns, bool first_is_whole)
{
    size_t whole = first_is_whole ? first : first + 1;
    if (!first_is_whole)
        add_blame(me, me->subs[first].actor, me->subs[first].end_ns - cur_ns);
    if (whole < end) {
        me->subs[whole].delta++;
        me->subs[end].delta--;
    }
    if (wait->flags & GS_ROW_BY_HOLDER)
        add_pairs(me, wait->wait_actor, first, end, cur_ns);
}

/* A wait over the rows before row i; i is n for one that ends in a later window. */
static void lay_wait(struct window *w, const struct gs_slice *wait, size_t i)
{
    struct gs__worker *me = w->me;
    uint64_t want = wait->seq - wait->ds;
    size_t end = i < w->n ? me->first_segment[i] : me->n_subs, first = 0;
    bool before = !w->is_first && want < w->rows[0].seq;
    if (before && wait->begin_ns < w->rows[0].a_ns) {
        if (end > 0)
            lay(me, wait, 0, end, w->rows[0].a_ns, true);
        return;
    }
    if (!before) {
        size_t lo = find_row(w, i, want, i < w->n ? wait->ds : w->at->next_seq - want);
        bool is_there = lo < w->n && w->rows[lo].seq == want;
        first = lo < w->n ? me->first_segment[lo] : me->n_subs;
        first -= !is_there; /* the piece of unknown time before that row is ours, too */
    }
    first = find_sub(me->subs, first, end, wait->begin_ns);
    if (first < end)
        lay(me, wait, first, end, wait->begin_ns, false);
}

static void count_wait(struct window *w, size_t i)
{
    struct gs__worker *me = w->me;
    const struct gs_slice *t = &w->rows[i];
    unsigned bucket = gs_count_wait(&me->out, t);
    uint8_t thread = me->actors[t->wait_actor].thread;
    if (thread != GS__NOT_AMONG)
        me->hists[thread][bucket]++;
    else
        gs_summap_add(&me->out.wait_hists,
                      (uint64_t)gs_actor_thread(&me->d.actors, t->wait_actor) << 10 | bucket, 0, 1);
    gs_bins_add(&me->bins, me->bins.wait_ns, t->begin_ns, t->a_ns);
    if (t->ds == 0)
        me->out.unknown_holder_ns += t->a_ns - t->begin_ns;
    else
        lay_wait(w, t, i);
}

static void count_rows(struct window *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct gs_slice *t = &w->rows[i];
        struct gs_actor_sums *a = &w->me->out.actors[t->hold_actor];
        a->acquires++;
        a->releases += (t->flags & GS_SLICE_TURN) != 0;
        a->forced += (t->flags & GS_SLICE_FORCED) != 0;
        if (t->flags & GS_SLICE_WAIT)
            count_wait(w, i);
    }
}

static void sum_whole_subs(struct window *w)
{
    struct gs__worker *me = w->me;
    uint64_t waiters = 0, begin = w->is_first ? 0 : w->rows[0].a_ns;
    for (size_t k = 0; k < me->n_subs; k++) {
        const struct gs__sub *s = &me->subs[k];
        waiters += (uint64_t)(int64_t)s->delta;
        if (waiters)
            add_blame(me, s->actor, waiters * (s->end_ns - begin));
        begin = s->end_ns;
    }
}

void gs__cpu_window(struct gs__worker *me, const struct gs_windows *windows, size_t window)
{
    struct window w = {.me = me, .at = &windows->at[window]};
    if (w.at->n_rows == 0)
        return;
    if (w.at->n_rows >= UINT32_MAX / 8) {
        me->failed = true;
        return;
    }
    gs_window_load(windows, window, &me->d, &me->rows);
    w.rows = me->rows.at;
    w.n = me->rows.n;
    w.is_first = true;
    for (size_t k = 0; k < window && w.is_first; k++)
        w.is_first = windows->at[k].n_rows == 0;
    describe_actors(me, windows);
    cut_periods(&w);
    count_rows(&w);
    for (size_t i = 0; i < me->rows.n_reaching; i++)
        lay_wait(&w, &me->rows.reaching[i], w.n);
    sum_whole_subs(&w);
}

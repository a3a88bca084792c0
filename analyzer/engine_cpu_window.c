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
#include "analyzer/engine_cpu.h"

/* First of rows [0, hi) with seq >= want, or hi; most often it lies exactly `back` rows before hi.
 */
static size_t find_row(const struct gs__window *w, size_t hi, uint64_t want, uint64_t back)
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

/* First of the sub-periods [lo, hi) that ends behind t; hi when none does. Steps double from lo. */
static size_t find_sub(const uint64_t *end_ns, size_t lo, size_t hi, uint64_t t)
{
    size_t step = 1;
    while (lo + step < hi && end_ns[lo + step - 1] <= t) {
        lo += step;
        step *= 2;
    }
    if (lo + step < hi)
        hi = lo + step;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (end_ns[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_far_pair(struct gs__worker *me, uint32_t waiter, uint32_t holder, uint64_t ns)
{
    if (ns && holder != GS__NO_ACTOR)
        gs_pairs_add(&me->out.pairs, gs_actor_thread(&me->d.actors, waiter),
                     gs_actor_thread(&me->d.actors, holder), ns, 1);
}

/* Whom the wait waited for, in sub-periods [first, end) from cur_ns on. */
static void add_pairs(struct gs__worker *me, uint32_t waiter, size_t first, size_t end,
                      uint64_t cur_ns)
{
    const struct gs__subs *s = &me->subs;
    struct gs__actor w = me->actors[waiter];
    size_t width = w.thread == GS__NOT_AMONG ? 0 : me->pairs.width;
    size_t chains = w.waiter * me->chains.width, pairs = w.thread * width;
    gs_square_sums_reserve(&me->chains, end - first, s->end_ns[end - 1] - cur_ns);
    gs_square_sums_reserve(&me->pairs, end - first, s->end_ns[end - 1] - cur_ns);
    for (size_t k = first; k < end; k++) {
        uint64_t ns = s->end_ns[k] - cur_ns;
        struct gs__actor h = s->who[k];
        cur_ns = s->end_ns[k];
        gs_square_sums_add(&me->chains, chains + h.holder, ns);
        if (h.thread < width)
            gs_square_sums_add(&me->pairs, pairs + h.thread, ns);
        else
            add_far_pair(me, waiter, s->actor[k], ns);
    }
}

/* What a wait lies over: sub-periods [first, end) from cur_ns on; the first of them ends behind it.
 * first is end where it is nothing. */
struct span {
    size_t first, end;
    uint64_t cur_ns;
    bool first_is_whole;
};

/* Through the whole of those behind the first, if there are any: +1 and -1 are in one place if
 * there is none. */
static void lay(struct gs__worker *me, const struct gs_slice *wait, struct span a)
{
    struct gs__subs *s = &me->subs;
    if (a.first >= a.end)
        return;
    if (!a.first_is_whole)
        s->part_ns[a.first] += s->end_ns[a.first] - a.cur_ns;
    s->delta[a.first + !a.first_is_whole]++;
    s->delta[a.end]--;
    if (wait->flags & GS_ROW_BY_HOLDER)
        add_pairs(me, wait->wait_actor, a.first, a.end, a.cur_ns);
}

/* Of a wait over the rows before row i; i is n for one that ends in a later window. */
static struct span span_of(const struct gs__window *w, const struct gs_slice *wait, size_t i)
{
    const struct gs__worker *me = w->me;
    uint64_t want = wait->seq - wait->ds;
    size_t end = i < w->n ? me->first_segment[i] : me->subs.n, first = 0;
    bool before = !w->is_first && want < w->rows[0].seq;
    if (before && wait->begin_ns < w->rows[0].a_ns)
        return (struct span){0, end, w->rows[0].a_ns, true};
    if (!before) {
        size_t lo = find_row(w, i, want, i < w->n ? wait->ds : w->at->next_seq - want);
        bool is_there = lo < w->n && w->rows[lo].seq == want;
        first = lo < w->n ? me->first_segment[lo] : me->subs.n;
        first -= !is_there; /* the piece of unknown time before that row is ours, too */
    }
    first = find_sub(me->subs.end_ns, first, end, wait->begin_ns);
    return (struct span){first, end, wait->begin_ns, false};
}

static void add_wait(struct gs__worker *me, uint32_t actor, uint64_t ns)
{
    struct gs__cell *c = &me->cells[actor];
    if (gs__cells_take(me, ns)) {
        c->wait += gs__cell_word(ns, 1);
        c->wait_max_ns = ns > c->wait_max_ns ? (uint32_t)ns : c->wait_max_ns;
        return;
    }
    struct gs_actor_sums *a = &me->out.actors[actor];
    a->wait_ns += ns;
    a->wait_count++;
    a->wait_max_ns = ns > a->wait_max_ns ? ns : a->wait_max_ns;
}

static void count_wait(struct gs__worker *me, const struct gs_slice *t)
{
    uint64_t ns = t->a_ns - t->begin_ns;
    unsigned bucket = gs_hist_bucket_of(ns);
    uint8_t thread = me->actors[t->wait_actor].thread;
    add_wait(me, t->wait_actor, ns);
    me->out.wait_ns += ns;
    gs_bins_add_near(&me->bins, &me->wait_bin, me->bins.wait_ns, t->begin_ns, t->a_ns);
    if (thread != GS__NOT_AMONG) {
        me->hists[thread][bucket]++;
        return;
    }
    me->out.wait_hist[bucket]++;
    gs_summap_add(&me->out.wait_hists,
                  (uint64_t)gs_actor_thread(&me->d.actors, t->wait_actor) << 10 | bucket, 0, 1);
}

/* Asks for what the wait will be added to: it may lie anywhere. (A function that does nothing else
 * gcc takes for one without an effect, and drops calls of it.) */
static inline __attribute__((always_inline)) void prefetch(const struct gs__worker *me,
                                                           const struct gs_slice *t, struct span a)
{
    const uint64_t *chains = me->chains.words + me->actors[t->wait_actor].waiter * me->chains.width;
    __builtin_prefetch(&me->cells[t->wait_actor], 1);
    size_t end = a.end - a.first < GS__AHEAD ? a.end : a.first + GS__AHEAD;
    for (size_t k = a.first; k < end; k++)
        __builtin_prefetch(&chains[me->subs.who[k].holder], 1);
}

/* Some waits side by side, so that memory is asked for before it is needed. */
static void count_waits(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    struct span spans[GS__AHEAD];
    for (size_t from = 0, n; from < me->n_waits; from += n) {
        const uint32_t *waits = me->waits + from;
        n = me->n_waits - from < GS__AHEAD ? me->n_waits - from : GS__AHEAD;
        for (size_t k = 0; k < n; k++) {
            const struct gs_slice *t = &w->rows[waits[k]];
            spans[k] = t->ds ? span_of(w, t, waits[k]) : (struct span){0};
            prefetch(me, t, spans[k]);
        }
        for (size_t k = 0; k < n; k++) {
            const struct gs_slice *t = &w->rows[waits[k]];
            count_wait(me, t);
            lay(me, t, spans[k]);
            if (t->ds == 0)
                me->out.unknown_holder_ns += t->a_ns - t->begin_ns;
        }
    }
}

void gs__cpu_window(struct gs__worker *me, const struct gs_windows *windows, size_t window)
{
    struct gs__window w = {.me = me, .at = &windows->at[window]};
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
    gs__describe_actors(me, windows);
    gs__cut_periods(&w);
    count_waits(&w);
    for (size_t i = 0; i < me->rows.n_reaching; i++)
        lay(me, &me->rows.reaching[i], span_of(&w, &me->rows.reaching[i], w.n));
    gs__sum_subs(&w);
}

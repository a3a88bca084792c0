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
static inline size_t find_row(const uint64_t *seq, size_t hi, uint64_t want, uint64_t back)
{
    if (back <= hi && back > 0 && seq[hi - back] == want)
        return hi - (size_t)back;
    size_t lo = back <= hi ? hi - (size_t)back : 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (seq[mid] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First of the sub-periods [lo, hi) that ends behind t; hi when none does. Steps double from lo. */
static inline size_t find_sub(const uint64_t *end_ns, size_t lo, size_t hi, uint64_t t)
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

/* What a wait lies over: sub-periods [first, end) from cur_ns on; the first of them ends behind it.
 * first is end where it is nothing. */
struct span {
    size_t first, end;
    uint64_t cur_ns;
    bool first_is_whole;
};
/* Of a wait over the rows before row i; i is n for one that ends in a later window. */
static struct span find_span(const struct gs__window *w, uint64_t seq_of, uint32_t ds,
                             uint64_t begin_ns, size_t i)
{
    const struct gs__worker *me = w->me;
    const uint64_t *seq = w->rows->seq;
    uint64_t want = seq_of - ds;
    size_t end = i < w->n ? me->first_sub[i] : me->subs.n, first = 0;
    bool before = !w->is_first && want < seq[0];
    if (before && begin_ns < w->rows->a_ns[0])
        return (struct span){0, end, w->rows->a_ns[0], true};
    if (!before) {
        size_t lo = find_row(seq, i, want, i < w->n ? ds : w->at->next_seq - want);
        bool is_there = lo < w->n && seq[lo] == want;
        first = lo < w->n ? me->first_sub[lo] : me->subs.n;
        first -= !is_there; /* the piece of unknown time before that row is ours, too */
    }
    first = find_sub(me->subs.end_ns, first, end, begin_ns);
    return (struct span){first, end, begin_ns, false};
}

/* Where no number is missing a wait began in the period ds rows before its own; most often in the
 * first of its sub-periods. */
static inline struct span span_of(const struct gs__window *w, size_t i)
{
    const struct gs__worker *me = w->me;
    const uint64_t *end_ns = me->subs.end_ns;
    uint32_t ds = w->rows->ds[i];
    uint64_t begin_ns = w->rows->begin_ns[i];
    if (!w->is_dense || ds - 1 >= i)
        return ds ? find_span(w, w->rows->seq[i], ds, begin_ns, i) : (struct span){0};
    size_t first = me->first_sub[i - ds], end = me->first_sub[i];
    if (end_ns[first] <= begin_ns)
        first = find_sub(end_ns, first, end, begin_ns);
    return (struct span){first, end, begin_ns, false};
}

/* ---- some waits, worked on together ---- */

#define SHORT 64u /* sub-periods */
struct batch {
    struct span spans[GS__AHEAD];
    uint64_t ns[GS__AHEAD];
    uint32_t actors[GS__AHEAD], squares[GS__AHEAD]; /* who waits, and its rows: see rows_of() */
    bool by_holder[GS__AHEAD];
    size_t n;
    /* What short waits took the whole of, and for whom. */
    uint32_t subs[GS__AHEAD * (SHORT + 4)], rows[GS__AHEAD * (SHORT + 4)];
    size_t n_steps;
};

/* A waiter's rows of the squares: chains | pairs << 16. */
static inline uint32_t rows_of(const struct gs__worker *me, struct gs__actor w)
{
    return (uint32_t)(w.waiter * GS__CHAINS) | (uint32_t)(w.thread * me->pairs.width) << 16;
}

static inline void add_step(uint64_t *chains, uint64_t *pairs, uint32_t rows, uint16_t who,
                            uint64_t word)
{
    chains[(rows & 0xffff) + (who & 0xff)] += word;
    pairs[(rows >> 16) + (who >> 8)] += word;
}

static void add_far_pairs(struct gs__worker *me, uint32_t waiter, struct span a)
{
    const struct gs__subs *s = &me->subs;
    uint8_t w = me->actors[waiter].thread;
    for (size_t k = a.first; k < a.end; k++) {
        uint64_t ns = s->end_ns[k] - a.cur_ns;
        a.cur_ns = s->end_ns[k];
        if (ns && s->actor[k] != GS__NO_ACTOR && (w == me->n_near || s->who[k] >> 8 == me->n_near))
            gs_pairs_add(&me->out.pairs, gs_actor_thread(&me->d.actors, waiter),
                         gs_actor_thread(&me->d.actors, s->actor[k]), ns, 1);
    }
}

/* Where times may be too long for words. */
static void add_long_steps(struct gs__worker *me, uint32_t rows, struct span a)
{
    for (size_t k = a.first; k < a.end; k++) {
        uint64_t ns = me->subs.end_ns[k] - a.cur_ns;
        a.cur_ns = me->subs.end_ns[k];
        gs_square_sums_add(&me->chains, (rows & 0xffff) + (me->subs.who[k] & 0xff), ns);
        gs_square_sums_add(&me->pairs, (rows >> 16) + (me->subs.who[k] >> 8), ns);
    }
}

/* The first sub-period now, of which it is a part; the others with those of the batch: a loop over
 * two or three steps would end where no processor expects it. */
static inline void add_first_step(struct gs__worker *me, struct batch *b, uint32_t rows,
                                  struct span a)
{
    const struct gs__subs *s = &me->subs;
    uint64_t *chains = me->chains.words, *pairs = me->pairs.words;
    size_t from = a.first + 1, n = a.end - from;
    add_step(chains, pairs, rows, s->who[a.first], gs_square_word(s->end_ns[a.first] - a.cur_ns));
    if (n > SHORT) {
        for (size_t k = from; k < a.end; k++)
            add_step(chains, pairs, rows, s->who[k], s->words[k]);
        return;
    }
    for (size_t k = 0; k == 0 || k < n; k += 4) /* more than there are, to be written over */
        for (size_t i = 0; i < 4; i++) {
            b->subs[b->n_steps + k + i] = (uint32_t)(from + k + i);
            b->rows[b->n_steps + k + i] = rows;
        }
    b->n_steps += n;
}

static void add_other_steps(struct gs__worker *me, const struct batch *b)
{
    const uint64_t *words = me->subs.words;
    const uint16_t *who = me->subs.who;
    uint64_t *chains = me->chains.words, *pairs = me->pairs.words;
    for (size_t i = 0; i < b->n_steps; i++)
        add_step(chains, pairs, b->rows[i], who[b->subs[i]], words[b->subs[i]]);
}

/* Through the whole of those behind the first, if there are any: +1 and -1 are in one place if
 * there is none. */
static inline void lay_one(struct gs__worker *me, struct batch *b, size_t wait)
{
    struct gs__subs *s = &me->subs;
    struct span a = b->spans[wait];
    if (a.first >= a.end)
        return;
    if (!a.first_is_whole)
        s->part_ns[a.first] += s->end_ns[a.first] - a.cur_ns;
    s->delta[a.first + !a.first_is_whole]++;
    s->delta[a.end]--;
    if (!b->by_holder[wait])
        return;
    if (me->threads.n > me->n_near)
        add_far_pairs(me, b->actors[wait], a);
    if (me->chains.is_long | me->pairs.is_long)
        add_long_steps(me, b->squares[wait], a);
    else
        add_first_step(me, b, b->squares[wait], a);
}

/* steps of the batch's waits, which took no more than ns. */
static void lay(struct gs__worker *me, struct batch *b, uint64_t steps, uint64_t ns)
{
    gs_square_sums_reserve(&me->chains, steps, ns);
    gs_square_sums_reserve(&me->pairs, steps, ns);
    b->n_steps = 0;
    for (size_t k = 0; k < b->n; k++)
        lay_one(me, b, k);
    add_other_steps(me, b);
}

/* ---- what is counted of a wait itself ---- */

static void add_to_actor(struct gs_actor_sums *a, uint64_t ns)
{
    a->wait_ns += ns;
    a->wait_count++;
    a->wait_max_ns = ns > a->wait_max_ns ? ns : a->wait_max_ns;
}

static void add_to_cells(struct gs__worker *me, const struct batch *b, uint64_t ns)
{
    struct gs__cell *cells = me->cells;
    bool fits = gs__cells_take(me, ns, b->n);
    for (size_t k = 0; k < b->n && !fits; k++)
        add_to_actor(gs__sums_of(me, b->actors[k]), b->ns[k]);
    for (size_t k = 0; k < b->n && fits; k++) {
        struct gs__cell *c = &cells[b->actors[k]];
        uint32_t one_ns = (uint32_t)b->ns[k];
        c->wait += gs__cell_word(one_ns, 1);
        c->wait_max_ns = one_ns > c->wait_max_ns ? one_ns : c->wait_max_ns;
    }
}

static void count_far(struct gs__worker *me, uint32_t actor, unsigned bucket)
{
    me->out.wait_hist[bucket]++;
    gs_summap_add(&me->out.wait_hists,
                  (uint64_t)gs_actor_thread(&me->d.actors, actor) << 10 | bucket, 0, 1);
}

/* Who waits, and for what part of the window's time. */
static inline void put_wait(struct gs__worker *me, struct batch *b, size_t k, uint32_t actor,
                            uint32_t flags, struct span a)
{
    b->actors[k] = actor;
    b->squares[k] = rows_of(me, me->actors[actor]);
    b->by_holder[k] = (flags & GS_ROW_BY_HOLDER) && !me->out.no_pairs;
    b->spans[k] = a;
}

/* The rows of some waits, side by side, so that memory is asked for before it is needed. */
static void count_batch(struct gs__window *w, struct batch *b, const uint32_t *waits)
{
    struct gs__worker *me = w->me;
    const struct gs_row_columns r = *w->rows;
    struct gs_bin_cursor bin = me->wait_bin;
    uint64_t steps = 0, sum_ns = 0, any_ns = 0;
    for (size_t k = 0; k < b->n; k++) {
        size_t i = waits[k];
        uint64_t ns = r.a_ns[i] - r.begin_ns[i];
        uint32_t actor = r.wait_actor[i];
        uint8_t thread = me->actors[actor].thread;
        __builtin_prefetch(&me->cells[actor], 1);
        gs_bins_add_near(&me->bins, &bin, me->bins.wait_ns, r.begin_ns[i], r.a_ns[i]);
        if (thread != me->n_near)
            me->hists[thread][gs_hist_bucket_of(ns)]++;
        else
            count_far(me, actor, gs_hist_bucket_of(ns));
        if (r.ds[i] == 0)
            me->out.unknown_holder_ns += ns;
        b->ns[k] = ns;
        put_wait(me, b, k, actor, r.flags[i], span_of(w, i));
        if (b->by_holder[k])
            __builtin_prefetch(&me->chains.words[(b->squares[k] & 0xffff) +
                                                 (me->subs.who[b->spans[k].first] & 0xff)],
                               1);
        steps += b->spans[k].end - b->spans[k].first;
        sum_ns += ns;
        any_ns |= ns;
    }
    me->wait_bin = bin;
    me->out.wait_ns += sum_ns;
    sum_ns |= any_ns & ~(uint64_t)UINT32_MAX; /* a sum that has run over is long, too */
    add_to_cells(me, b, sum_ns);
    lay(me, b, steps, sum_ns);
}

static void count_waits(struct gs__window *w, struct batch *b)
{
    struct gs__worker *me = w->me;
    for (size_t from = 0; from < me->n_waits; from += b->n) {
        b->n = me->n_waits - from < GS__AHEAD ? me->n_waits - from : GS__AHEAD;
        count_batch(w, b, me->waits + from);
    }
}

static void lay_reaching(struct gs__window *w, struct batch *b)
{
    const struct gs_window_rows *rows = &w->me->rows;
    b->n = 1;
    for (size_t i = 0; i < rows->n_reaching; i++) {
        const struct gs_slice *t = &rows->reaching[i];
        struct span a = find_span(w, t->seq, t->ds, t->begin_ns, w->n);
        put_wait(w->me, b, 0, t->wait_actor, t->flags, a);
        if (a.first < a.end)
            lay(w->me, b, a.end - a.first, w->me->subs.end_ns[a.end - 1] - a.cur_ns);
    }
}

void gs__cpu_window(struct gs__worker *me, const struct gs_windows *windows, size_t window)
{
    struct gs__window w = {.me = me, .at = &windows->at[window]};
    struct batch b;
    if (w.at->n_rows == 0)
        return;
    if (w.at->n_rows >= UINT32_MAX / 8) {
        me->failed = true;
        return;
    }
    gs_window_load(windows, window, &me->d, &me->rows);
    w.rows = &me->rows.c;
    w.n = me->rows.n;
    w.is_dense = w.rows->seq[w.n - 1] - w.rows->seq[0] == w.n - 1;
    w.is_first = true;
    for (size_t k = 0; k < window && w.is_first; k++)
        w.is_first = windows->at[k].n_rows == 0;
    gs__describe_actors(me, windows);
    gs__cut_periods(&w, windows);
    count_waits(&w, &b);
    lay_reaching(&w, &b);
    gs__sum_subs(&w);
}

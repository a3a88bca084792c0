/* SPDX-License-Identifier: MIT
 * A window's time, cut into sub-periods; what was held in them, and how many waited through each.
 *
 * Most turns are one sub-period, and what its actor held and how it was blamed for all who waited
 * through the whole of it is added at the end, once: a cache line for each.
 *
 * Loops have what they write to in local variables: a store to an array of numbers may else have
 * changed the worker's pointers, for all that the compiler knows.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/column_math.h"
#include "analyzer/engine_cpu.h"
#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

/* ---- actors ---- */

/* Its index among the worker's tables. */
static uint8_t thread_index(struct gs__worker *me, uint32_t thread)
{
    uint32_t i = gs_idmap_add(&me->threads, thread);
    if (i >= me->n_near)
        return me->n_near;
    if (!me->hists[i])
        me->hists[i] = gs_xcalloc(GS_HIST_BUCKETS, sizeof(*me->hists[i]));
    return (uint8_t)i;
}

/* Room for them only where there are any. */
static bool describe_typical(struct gs__worker *me, const struct gs_typicals *all, uint32_t actor)
{
    if (all->map.n == 0)
        return false;
    GS_RESERVE(me->typicals, (size_t)actor + 1, me->cap_typicals);
    me->typicals[actor] = gs_typical_find(all, &me->d, actor);
    return me->typicals[actor].n > 0;
}

/* Those that the decoder has met since; typical turns may add more, which are described too. */
void gs__describe_actors(struct gs__worker *me, const struct gs_windows *windows)
{
    for (; me->n_actors < me->d.actors.n; me->n_actors++) {
        uint32_t i = (uint32_t)me->n_actors, node = gs_actor_node(&me->d.actors, i);
        GS_RESERVE(me->actors, (size_t)i + 1, me->cap_actors);
        me->actors[i].thread = thread_index(me, gs_actor_thread(&me->d.actors, i));
        me->actors[i].waiter = (uint8_t)gs_chain_index(&windows->chains.waiters, node);
        me->actors[i].holder = (uint8_t)gs_chain_index(&windows->chains.holders, node);
        me->actors[i].is_typical = describe_typical(me, &windows->typicals, i);
    }
    gs__cells_reserve(me, me->n_actors);
}

/* ---- what needs no sub-periods ---- */

static void list_waits(struct gs__window *w)
{
    const uint32_t *flags = w->rows->flags;
    uint32_t *waits = w->me->waits;
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        waits[n] = (uint32_t)i;
        n += (flags[i] & GS_SLICE_WAIT) != 0;
    }
    w->me->n_waits = n;
}

static void count_turns(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    struct gs_row_columns r = *w->rows;
    struct gs_bin_cursor bin = me->hold_bin;
    for (size_t i = 0; i < w->n; i++) {
        if (!(r.flags[i] & GS_SLICE_TURN)) {
            gs__sums_of(me, r.hold_actor[i])->acquires++;
            continue;
        }
        me->out.hold_hist[gs_hist_bucket_of(r.rel_ns[i] - r.acq_ns[i])]++;
        gs_bins_add_near(&me->bins, &bin, me->bins.hold_ns, r.acq_ns[i], r.rel_ns[i]);
    }
    me->hold_bin = bin;
}

/* ---- sub-periods ---- */

/* Behind the n that there are; returns how many there are then. */
static inline size_t put_sub(struct gs__subs s, size_t n, uint64_t end_ns, uint32_t actor,
                             uint64_t hold_ns, unsigned counts)
{
    s.end_ns[n] = end_ns;
    s.hold_ns[n] = hold_ns;
    s.actor[n] = actor;
    s.counts[n] = (uint8_t)counts;
    return n + 1;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of a turn that nobody looked at and of which nothing else is known; what a row without a TURN
 * held is nothing. */
static inline unsigned counts_of(uint32_t flags)
{
    return (flags & GS_SLICE_TURN) * (GS__COUNT_HOLD | GS__COUNT_TURN) |
           (flags & GS_SLICE_FORCED) / GS_SLICE_FORCED * GS__COUNT_FORCED;
}

/* As gs_turn_segments() and gs_count_hold() do, for a turn without samples. */
static inline size_t cut_typical(struct gs__subs s, size_t n, const struct gs_typical *y,
                                 uint64_t acq_ns, uint64_t rel_ns, uint64_t low_ns, uint64_t end_ns)
{
    uint64_t hold_ns = rel_ns - acq_ns, cur_ns = acq_ns;
    uint32_t last = y->n - 1;
    for (uint32_t k = 0; k < last; k++) {
        uint64_t e = acq_ns + (uint64_t)((u128)hold_ns * y->until[k] >> 64);
        uint64_t held_to = max_u64(cur_ns, e), part_ns = held_to - cur_ns;
        low_ns = max_u64(low_ns, min_u64(e, end_ns));
        n = put_sub(s, n, low_ns, y->actor[k], part_ns, part_ns ? GS__COUNT_HOLD : 0);
        cur_ns = held_to;
    }
    bool counts = rel_ns > cur_ns || hold_ns == 0;
    return put_sub(s, n, max_u64(low_ns, end_ns), y->actor[last], rel_ns - cur_ns,
                   counts ? GS__COUNT_HOLD : 0);
}

static bool has_expiry(const struct gs_holder_sample *samples, size_t n)
{
    bool expired = false;
    for (size_t k = 0; k < n; k++)
        expired |= samples[k].kind == GS_HOLDER_AT_EXPIRY;
    return expired;
}

static void count_long_hold(struct gs_actor_sums *a, uint64_t ns)
{
    a->long_ns += ns;
    a->long_count++;
}

/* As gs_count_hold() does. samples: of the turn's seq. */
static size_t cut_into_segments(struct gs__worker *me, size_t n_subs, const struct gs_slice *t,
                                const struct gs_holder_sample *samples, size_t n_samples,
                                uint64_t end_ns)
{
    uint64_t low_ns = t->a_ns, cur_ns = t->acq_ns, hold_ns = t->rel_ns - t->acq_ns;
    bool is_turn = t->flags & GS_SLICE_TURN, expired = has_expiry(samples, n_samples);
    bool is_typical = me->actors[t->hold_actor].is_typical;
    const struct gs_typical *typical = is_typical ? &me->typicals[t->hold_actor] : NULL;
    size_t n = gs_turn_segments(t, samples, n_samples, typical, me->segments);
    for (size_t k = 0; k < n; k++) {
        const struct gs_segment *s = &me->segments[k];
        uint64_t held_to = min_u64(s->end_ns, t->rel_ns);
        uint64_t part_ns = is_turn && held_to > cur_ns ? held_to - cur_ns : 0;
        bool counts = is_turn && (part_ns > 0 || (hold_ns == 0 && k + 1 == n));
        if (expired && part_ns >= GS_LONG_HOLD_NS)
            count_long_hold(gs__sums_of(me, s->actor), part_ns);
        low_ns = max_u64(low_ns, min_u64(s->end_ns, end_ns));
        n_subs = put_sub(me->subs, n_subs, low_ns, s->actor, part_ns, counts ? GS__COUNT_HOLD : 0);
        cur_ns += part_ns;
    }
    me->cells[t->hold_actor].turns += is_turn;
    if (t->flags & GS_SLICE_FORCED)
        gs__sums_of(me, t->hold_actor)->forced++;
    return n_subs;
}

/* The samples of a row's seq; *at: of those not before it the first, and then behind it. */
static size_t samples_of(const struct gs_decoder *d, uint64_t seq, size_t *at)
{
    const struct gs_holder_sample *samples = d->samples;
    size_t from;
    while (*at < d->n_samples && samples[*at].seq < seq)
        ++*at;
    for (from = *at; *at < d->n_samples && samples[*at].seq == seq;)
        ++*at;
    return *at - from;
}

static size_t cut_sampled(struct gs__window *w, size_t n_subs, size_t i, size_t sample, size_t n,
                          uint64_t end_ns)
{
    struct gs__worker *me = w->me;
    struct gs_slice t = gs_row_columns_get(w->rows, i);
    return cut_into_segments(me, n_subs, &t, me->d.samples + sample, n, end_ns);
}

static inline uint64_t period_end(const struct gs_row_columns *r, size_t i, uint64_t next_seq,
                                  uint64_t next_a_ns)
{
    struct gs_slice t = {.seq = r->seq[i], .rel_ns = r->rel_ns[i], .a_ns = r->a_ns[i]};
    return gs_period_end(&t, next_seq, next_a_ns);
}

/* Row i, of which there are no samples. */
static inline size_t cut_unsampled(struct gs__worker *me, struct gs__subs s, size_t n,
                                   struct gs_row_columns r, size_t i, uint64_t end_ns)
{
    uint32_t actor = r.hold_actor[i], flags = r.flags[i];
    bool unasked = (flags & (GS_SLICE_TURN | GS_SLICE_FORCED)) == GS_SLICE_TURN;
    if (me->actors[actor].is_typical && unasked) {
        me->cells[actor].turns++;
        return cut_typical(s, n, &me->typicals[actor], r.acq_ns[i], r.rel_ns[i], r.a_ns[i], end_ns);
    }
    uint64_t hold_ns = flags & GS_SLICE_TURN ? r.rel_ns[i] - r.acq_ns[i] : 0;
    return put_sub(s, n, max_u64(end_ns, r.a_ns[i]), actor, hold_ns, counts_of(flags));
}

static void cut_rows(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    const struct gs_row_columns r = *w->rows;
    const struct gs__subs s = me->subs;
    uint32_t *first_sub = me->first_sub;
    size_t n = 0, sample = 0;
    if (w->is_first)
        n = put_sub(s, n, r.a_ns[0], GS__NO_ACTOR, 0, 0);
    for (size_t i = 0; i < w->n; i++) {
        uint64_t next_seq = i + 1 < w->n ? r.seq[i + 1] : w->at->next_seq;
        uint64_t next_a_ns = i + 1 < w->n ? r.a_ns[i + 1] : w->at->next_a_ns;
        uint64_t end_ns = period_end(&r, i, next_seq, next_a_ns);
        size_t n_samples = samples_of(&me->d, r.seq[i], &sample);
        uint32_t ahead = r.hold_actor[i + GS__AHEAD < w->n ? i + GS__AHEAD : i];
        if (me->typicals) {
            __builtin_prefetch(&me->typicals[ahead]);
            __builtin_prefetch((const char *)(&me->typicals[ahead + 1]) - 1); /* two lines, often */
        }
        __builtin_prefetch(&me->cells[ahead], 1);
        first_sub[i] = (uint32_t)n;
        if (n_samples)
            n = cut_sampled(w, n, i, sample - n_samples, n_samples, end_ns);
        else
            n = cut_unsampled(me, s, n, r, i, end_ns);
        if (next_seq && next_seq != r.seq[i] + 1)
            n = put_sub(s, n, next_a_ns, GS__NO_ACTOR, 0, 0);
    }
    me->subs.n = n;
}

/* Whether each row is one sub-period that ends where the next begins. */
static bool is_plain(const struct gs__window *w, const struct gs_windows *windows)
{
    const uint64_t *seq = w->rows->seq;
    return w->is_dense && !w->is_first && w->me->d.n_samples == 0 && windows->typicals.map.n == 0 &&
           w->at->next_seq && w->at->next_seq == seq[w->n - 1] + 1;
}

static void cut_plain(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    struct gs_row_columns r = *w->rows;
    struct gs__subs s = me->subs;
    uint32_t *first_sub = me->first_sub;
    memcpy(s.end_ns, r.a_ns + 1, (w->n - 1) * sizeof(*s.end_ns));
    memcpy(s.actor, r.hold_actor, w->n * sizeof(*s.actor));
    s.end_ns[w->n - 1] = w->at->next_a_ns;
    for (size_t i = 0; i < w->n; i++) {
        first_sub[i] = (uint32_t)i;
        s.hold_ns[i] = r.rel_ns[i] - r.acq_ns[i];
        s.counts[i] = (uint8_t)counts_of(r.flags[i]);
    }
    me->subs.n = w->n;
}

static void describe_holders(struct gs__worker *me, uint64_t begin_ns)
{
    const uint16_t nobody = gs__who((struct gs__actor){me->n_near, 0, GS_CHAIN_NONE, false});
    const struct gs__actor *actors = me->actors;
    struct gs__subs s = me->subs;
    for (size_t k = 0; k < s.n; k++)
        s.who[k] = s.actor[k] == GS__NO_ACTOR ? nobody : gs__who(actors[s.actor[k]]);
    s.words[0] = gs_square_word(s.end_ns[0] - begin_ns);
    gs_column_step_words(s.end_ns, s.n, GS_SQUARE_COUNT_BITS, s.words);
}

static void describe_subs(struct gs__worker *me, uint64_t begin_ns)
{
    struct gs__subs s = me->subs;
    memset(s.part_ns, 0, s.n * sizeof(*s.part_ns));
    memset(s.delta, 0, (s.n + 1) * sizeof(*s.delta)); /* waits may go on behind the window */
    if (!me->out.no_pairs)
        describe_holders(me, begin_ns);
}

static void reserve_subs(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    struct gs__subs *s = &me->subs;
    size_t most = (GS_TYPICAL_MAX + 1) * w->n + me->d.n_samples + 2;
    GS_RESERVE(me->first_sub, w->n, me->cap_first);
    GS_RESERVE(me->waits, w->n, me->cap_waits);
    GS_RESERVE(me->segments, me->d.n_samples + GS_TYPICAL_MAX, me->cap_segments);
    if (most <= s->cap)
        return;
    s->cap = most + most / 4;
    s->end_ns = gs_xrealloc(s->end_ns, s->cap, sizeof(*s->end_ns));
    s->hold_ns = gs_xrealloc(s->hold_ns, s->cap, sizeof(*s->hold_ns));
    s->part_ns = gs_xrealloc(s->part_ns, s->cap, sizeof(*s->part_ns));
    s->words = gs_xrealloc(s->words, s->cap, sizeof(*s->words));
    s->actor = gs_xrealloc(s->actor, s->cap, sizeof(*s->actor));
    s->delta = gs_xrealloc(s->delta, s->cap, sizeof(*s->delta));
    s->who = gs_xrealloc(s->who, s->cap, sizeof(*s->who));
    s->counts = gs_xrealloc(s->counts, s->cap, sizeof(*s->counts));
}

void gs__cut_periods(struct gs__window *w, const struct gs_windows *windows)
{
    reserve_subs(w);
    list_waits(w);
    count_turns(w);
    if (is_plain(w, windows))
        cut_plain(w);
    else
        cut_rows(w);
    describe_subs(w->me, w->is_first ? 0 : w->rows->a_ns[0]);
}

/* ---- sums over sub-periods ---- */

static void sum_long_sub(struct gs__worker *me, size_t k, uint64_t blamed_ns)
{
    struct gs_actor_sums *a = gs__sums_of(me, me->subs.actor[k]);
    unsigned counts = me->subs.counts[k];
    a->hold_ns += me->subs.hold_ns[k];
    a->hold_count += (counts & GS__COUNT_HOLD) != 0;
    a->blamed_ns += blamed_ns;
    a->acquires += (counts & GS__COUNT_TURN) != 0;
    a->releases += (counts & GS__COUNT_TURN) != 0;
    a->forced += (counts & GS__COUNT_FORCED) != 0;
}

static inline void sum_sub(struct gs__cell *c, uint64_t hold_ns, uint64_t blamed_ns,
                           unsigned counts)
{
    c->hold += gs__cell_word(hold_ns, counts & GS__COUNT_HOLD);
    c->blamed += gs__cell_word(blamed_ns, counts / GS__COUNT_FORCED);
    c->turns += counts / GS__COUNT_TURN & 1;
}

/* What the actors of sub-periods [from, from + n) held of them, and were blamed for. */
static void sum_some(struct gs__worker *me, size_t from, size_t n, const uint64_t *blamed_ns)
{
    const struct gs__subs s = me->subs;
    struct gs__cell *cells = me->cells;
    uint64_t ns = 0, any_ns = 0;
    for (size_t k = 0; k < n; k++) {
        ns += s.hold_ns[from + k] + blamed_ns[k];
        any_ns |= s.hold_ns[from + k] | blamed_ns[k];
    }
    bool fits = gs__cells_take(me, ns | (any_ns & ~(uint64_t)UINT32_MAX), n);
    for (size_t k = 0; k < n; k++) {
        uint32_t actor = s.actor[from + k];
        if (actor == GS__NO_ACTOR)
            me->out.unknown_holder_ns += blamed_ns[k];
        else if (fits)
            sum_sub(&cells[actor], s.hold_ns[from + k], blamed_ns[k], s.counts[from + k]);
        else
            sum_long_sub(me, from + k, blamed_ns[k]);
    }
}

void gs__sum_subs(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    const struct gs__subs s = me->subs;
    uint64_t waiters = 0, begin_ns = w->is_first ? 0 : w->rows->a_ns[0], blamed_ns[GS__AHEAD];
    for (size_t from = 0, n; from < s.n; from += n) {
        n = s.n - from < GS__AHEAD ? s.n - from : GS__AHEAD;
        for (size_t k = 0; k < n; k++) {
            uint32_t actor = s.actor[from + k];
            __builtin_prefetch(&me->cells[actor == GS__NO_ACTOR ? 0 : actor], 1);
            waiters += (uint64_t)(int64_t)s.delta[from + k];
            blamed_ns[k] = s.part_ns[from + k] + waiters * (s.end_ns[from + k] - begin_ns);
            begin_ns = s.end_ns[from + k];
        }
        sum_some(me, from, n, blamed_ns);
    }
}

void gs__cut_free(struct gs__worker *me)
{
    free(me->subs.end_ns);
    free(me->subs.hold_ns);
    free(me->subs.part_ns);
    free(me->subs.words);
    free(me->subs.actor);
    free(me->subs.delta);
    free(me->subs.who);
    free(me->subs.counts);
    free(me->first_sub);
    free(me->waits);
    free(me->segments);
    free(me->actors);
    free(me->cells);
    free(me->typicals);
}

/* SPDX-License-Identifier: MIT
 * A window's time, cut into sub-periods; what was held in them, and how many waited through each.
 *
 * Most turns are one sub-period, and what its actor held and how it was blamed for all who waited
 * through the whole of it is added at the end, once: a cache line for each.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cpu.h"
#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

/* ---- actors ---- */

/* Its index among the worker's tables. */
static uint8_t thread_index(struct gs__worker *me, uint32_t thread)
{
    uint32_t i = gs_idmap_add(&me->threads, thread);
    if (i >= me->pairs.width)
        return GS__NOT_AMONG;
    if (!me->hists[i])
        me->hists[i] = gs_xcalloc(GS_HIST_BUCKETS, sizeof(*me->hists[i]));
    return (uint8_t)i;
}

/* Those that the decoder has met since; typical turns may add more, which are described too. */
void gs__describe_actors(struct gs__worker *me, const struct gs_windows *windows)
{
    for (; me->n_actors < me->d.actors.n; me->n_actors++) {
        uint32_t i = (uint32_t)me->n_actors, node = gs_actor_node(&me->d.actors, i);
        GS_RESERVE(me->actors, (size_t)i + 1, me->cap_actors);
        GS_RESERVE(me->typicals, (size_t)i + 1, me->cap_typicals);
        me->typicals[i] = gs_typical_find(&windows->typicals, &me->d, i);
        me->actors[i].thread = thread_index(me, gs_actor_thread(&me->d.actors, i));
        me->actors[i].waiter = (uint8_t)gs_chain_index(&windows->chains.waiters, node);
        me->actors[i].holder = (uint8_t)gs_chain_index(&windows->chains.holders, node);
        me->actors[i].is_typical = me->typicals[i].n > 0;
    }
    gs_gil_result_reserve(&me->out, me->n_actors);
    gs__cells_reserve(me, me->n_actors);
}

/* ---- sub-periods ---- */

static void put_sub(struct gs__worker *me, uint64_t end_ns, uint32_t actor, uint64_t hold_ns,
                    uint8_t counts)
{
    struct gs__subs *s = &me->subs;
    s->end_ns[s->n] = end_ns;
    s->hold_ns[s->n] = hold_ns;
    s->actor[s->n] = actor;
    s->who[s->n] = me->actors[actor];
    s->counts[s->n] = counts;
    s->part_ns[s->n] = 0;
    s->delta[s->n++] = 0;
}

static void put_unknown(struct gs__worker *me, uint64_t end_ns)
{
    struct gs__subs *s = &me->subs;
    s->end_ns[s->n] = end_ns;
    s->hold_ns[s->n] = 0;
    s->actor[s->n] = GS__NO_ACTOR;
    s->who[s->n] = (struct gs__actor){GS__NOT_AMONG, GS_CHAIN_NONE, GS_CHAIN_NONE, false};
    s->counts[s->n] = 0;
    s->part_ns[s->n] = 0;
    s->delta[s->n++] = 0;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void count_turn(struct gs__worker *me, const struct gs_slice *t)
{
    me->out.hold_hist[gs_hist_bucket_of(t->rel_ns - t->acq_ns)]++;
    gs_bins_add_near(&me->bins, &me->hold_bin, me->bins.hold_ns, t->acq_ns, t->rel_ns);
}

/* A turn that nobody looked at and of which nothing else is known. */
static void cut_plain(struct gs__worker *me, const struct gs_slice *t, uint64_t end_ns)
{
    uint64_t hold_ns = 0;
    uint8_t counts = 0;
    if (t->flags & GS_SLICE_TURN) {
        hold_ns = t->rel_ns - t->acq_ns;
        counts = GS__COUNT_HOLD | GS__COUNT_TURN;
        count_turn(me, t);
    } else {
        me->out.actors[t->hold_actor].acquires++;
    }
    put_sub(me, max_u64(end_ns, t->a_ns), t->hold_actor, hold_ns, counts);
}

/* As gs_turn_segments() and gs_count_hold() do, for a turn without samples. */
static void cut_typical(struct gs__worker *me, const struct gs_slice *t, uint64_t end_ns)
{
    const struct gs_typical *y = &me->typicals[t->hold_actor];
    uint64_t hold_ns = t->rel_ns - t->acq_ns, cur_ns = t->acq_ns, low_ns = t->a_ns;
    for (uint32_t k = 0; k < y->n; k++) {
        bool is_last = k + 1 == y->n;
        uint64_t e = UINT64_MAX;
        if (!is_last)
            e = t->acq_ns + (uint64_t)((u128)hold_ns * y->until[k] >> 64);
        uint64_t held_to = min_u64(e, t->rel_ns), part = held_to > cur_ns ? held_to - cur_ns : 0;
        bool counts = part > 0 || (hold_ns == 0 && is_last);
        cur_ns += part;
        low_ns = max_u64(low_ns, min_u64(e, end_ns));
        put_sub(me, low_ns, y->actor[k], part, counts ? GS__COUNT_HOLD : 0);
    }
    me->cells[t->hold_actor].turns++;
    count_turn(me, t);
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
        low = max_u64(low, min_u64(me->segments[k].end_ns, end_ns));
        put_sub(me, low, me->segments[k].actor, 0, 0);
    }
    if (t->flags & GS_SLICE_TURN) {
        gs_count_hold(&me->out, &me->bins, t, me->segments, n, expired);
        me->cells[t->hold_actor].turns++;
    } else {
        me->out.actors[t->hold_actor].acquires++;
    }
}

/* Cuts the period of row i; samples[*s] is the first sample not before its seq. */
static void cut_turn(struct gs__window *w, const struct gs_slice *t, uint64_t end_ns, size_t *s)
{
    struct gs__worker *me = w->me;
    const struct gs_holder_sample *samples = me->d.samples;
    size_t from, n_samples = me->d.n_samples;
    while (*s < n_samples && samples[*s].seq < t->seq)
        ++*s;
    for (from = *s; *s < n_samples && samples[*s].seq == t->seq;)
        ++*s;
    if (*s > from)
        cut_into_segments(me, t, samples + from, *s - from, end_ns);
    else if (me->actors[t->hold_actor].is_typical && gs_turn_ended_unasked(t))
        cut_typical(me, t, end_ns);
    else
        cut_plain(me, t, end_ns);
    if (t->flags & GS_SLICE_FORCED)
        me->out.actors[t->hold_actor].forced++;
}

static void reserve_subs(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    struct gs__subs *s = &me->subs;
    size_t most = (GS_TYPICAL_MAX + 1) * w->n + me->d.n_samples + 2;
    GS_RESERVE(me->first_segment, w->n, me->cap_first);
    GS_RESERVE(me->waits, w->n, me->cap_waits);
    GS_RESERVE(me->segments, me->d.n_samples + GS_TYPICAL_MAX, me->cap_segments);
    if (most <= s->cap)
        return;
    s->cap = most + most / 4;
    s->end_ns = gs_xrealloc(s->end_ns, s->cap, sizeof(*s->end_ns));
    s->hold_ns = gs_xrealloc(s->hold_ns, s->cap, sizeof(*s->hold_ns));
    s->part_ns = gs_xrealloc(s->part_ns, s->cap, sizeof(*s->part_ns));
    s->actor = gs_xrealloc(s->actor, s->cap, sizeof(*s->actor));
    s->delta = gs_xrealloc(s->delta, s->cap, sizeof(*s->delta));
    s->who = gs_xrealloc(s->who, s->cap, sizeof(*s->who));
    s->counts = gs_xrealloc(s->counts, s->cap, sizeof(*s->counts));
}

void gs__cut_periods(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    size_t sample = 0;
    reserve_subs(w);
    me->subs.n = me->n_waits = 0;
    if (w->is_first)
        put_unknown(me, w->rows[0].a_ns);
    for (size_t i = 0; i < w->n; i++) {
        const struct gs_slice *t = &w->rows[i];
        uint64_t next_seq = i + 1 < w->n ? t[1].seq : w->at->next_seq;
        uint64_t next_a_ns = i + 1 < w->n ? t[1].a_ns : w->at->next_a_ns;
        uint32_t ahead = w->rows[i + GS__AHEAD < w->n ? i + GS__AHEAD : i].hold_actor;
        __builtin_prefetch(&me->actors[ahead]);
        __builtin_prefetch(&me->typicals[ahead]);
        me->first_segment[i] = (uint32_t)me->subs.n;
        me->waits[me->n_waits] = (uint32_t)i;
        me->n_waits += (t->flags & GS_SLICE_WAIT) != 0;
        cut_turn(w, t, gs_period_end(t, next_seq, next_a_ns), &sample);
        if (next_seq && next_seq != t->seq + 1)
            put_unknown(me, next_a_ns);
    }
    me->subs.delta[me->subs.n] = 0; /* where waits end that go on behind the window */
}

/* What a sub-period's actor held of it, and was blamed for. */
static void sum_sub(struct gs__worker *me, uint32_t actor, uint64_t hold_ns, uint8_t counts,
                    uint64_t blamed_ns)
{
    struct gs__cell *c = &me->cells[actor];
    if (!gs__cells_take(me, hold_ns)) {
        me->out.actors[actor].hold_ns += hold_ns;
        hold_ns = 0;
    }
    c->hold += gs__cell_word(hold_ns, counts & GS__COUNT_HOLD);
    c->blamed_ns += blamed_ns;
    c->turns += (counts & GS__COUNT_TURN) != 0;
}

void gs__sum_subs(struct gs__window *w)
{
    struct gs__worker *me = w->me;
    const struct gs__subs *s = &me->subs;
    uint64_t waiters = 0, begin_ns = w->is_first ? 0 : w->rows[0].a_ns;
    for (size_t k = 0; k < s->n; k++) {
        uint32_t ahead = s->actor[k + GS__AHEAD < s->n ? k + GS__AHEAD : k];
        if (ahead != GS__NO_ACTOR)
            __builtin_prefetch(&me->cells[ahead], 1);
        waiters += (uint64_t)(int64_t)s->delta[k];
        uint64_t blamed_ns = s->part_ns[k] + waiters * (s->end_ns[k] - begin_ns);
        begin_ns = s->end_ns[k];
        if (s->actor[k] == GS__NO_ACTOR)
            me->out.unknown_holder_ns += blamed_ns;
        else
            sum_sub(me, s->actor[k], s->hold_ns[k], s->counts[k], blamed_ns);
    }
}

void gs__cut_free(struct gs__worker *me)
{
    free(me->subs.end_ns);
    free(me->subs.hold_ns);
    free(me->subs.part_ns);
    free(me->subs.actor);
    free(me->subs.delta);
    free(me->subs.who);
    free(me->subs.counts);
    free(me->first_segment);
    free(me->waits);
    free(me->segments);
    free(me->actors);
    free(me->cells);
    free(me->typicals);
}

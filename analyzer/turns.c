/* SPDX-License-Identifier: MIT */
#include "analyzer/turns.h"

#include <stdlib.h>

#include "analyzer/xalloc.h"

/* When a point's time ends and the next one's begins. */
static uint64_t boundary(const struct gs_holder_sample *x, uint64_t x_ns, uint64_t y_ns)
{
    return x->kind == GS_HOLDER_AT_EXPIRY ? y_ns : x_ns + (y_ns - x_ns) / 2;
}

static uint64_t clamp(uint64_t v, uint64_t lo, uint64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

struct builder {
    struct gs_segment *out;
    size_t n;
};

static void put(struct builder *b, uint32_t actor, uint64_t end_ns)
{
    if (b->n > 0 && b->out[b->n - 1].actor == actor)
        b->n--;
    b->out[b->n++] = (struct gs_segment){end_ns, actor};
}

static bool has_release_point(const struct gs_gil_columns *g, const struct gs_slice *turn,
                              const struct gs_holder_sample *last)
{
    const uint32_t asked = GS_SLICE_TURN | GS_SLICE_FORCED;
    if (!last)
        return true;
    return (turn->flags & asked) == asked && last->kind != GS_HOLDER_AT_EXPIRY &&
           gs_actor_node(g, turn->hold_actor) != g->no_stack;
}

/* ---- turns nobody looked at ---- */

static bool ended_unasked(const struct gs_slice *turn)
{
    return (turn->flags & (GS_SLICE_TURN | GS_SLICE_FORCED)) == GS_SLICE_TURN;
}

static void put_typical(struct builder *b, const struct gs_typical *y, const struct gs_slice *turn)
{
    uint64_t hold_ns = turn->rel_ns - turn->acq_ns, sum = 0;
    for (uint32_t k = 0; k + 1 < y->n; k++) {
        sum += y->ns[k];
        put(b, y->actor[k],
            turn->acq_ns + (uint64_t)((unsigned __int128)hold_ns * sum / y->total_ns));
    }
    put(b, y->actor[y->n - 1], UINT64_MAX);
}

/* Keeps the heaviest; the order among equals is the actors'. */
static void offer(struct gs_typical *y, uint32_t actor, uint64_t ns)
{
    uint32_t at = y->n;
    while (at > 0 && (y->ns[at - 1] > ns || (y->ns[at - 1] == ns && y->actor[at - 1] < actor)))
        at--;
    if (y->n == GS_TYPICAL_MAX) {
        if (at == 0)
            return;
        at--; /* the lightest leaves */
        for (uint32_t k = 0; k < at; k++) {
            y->ns[k] = y->ns[k + 1];
            y->actor[k] = y->actor[k + 1];
        }
    } else {
        for (uint32_t k = y->n++; k > at; k--) {
            y->ns[k] = y->ns[k - 1];
            y->actor[k] = y->actor[k - 1];
        }
    }
    y->ns[at] = ns;
    y->actor[at] = actor;
}

/* The time of one sampled turn, by release and stack. */
static void add_sampled(struct gs_summap *sums, const struct gs_slice *turn,
                        const struct gs_segment *segments, size_t n)
{
    uint64_t cur = turn->acq_ns;
    for (size_t k = 0; k < n; k++) {
        uint64_t end = segments[k].end_ns < turn->rel_ns ? segments[k].end_ns : turn->rel_ns;
        if (end > cur) {
            gs_summap_add(sums, gs_pack32(turn->hold_actor, segments[k].actor), end - cur, 1);
            cur = end;
        }
    }
}

static void sum_sampled(const struct gs_gil_columns *g, struct gs_summap *sums)
{
    struct gs_segment *segments =
        gs_xmalloc(g->n_samples + (size_t)GS_TYPICAL_MAX, sizeof(*segments));
    size_t s = 0;
    for (size_t i = 0; i < g->n_slices && s < g->n_samples; i++) {
        const struct gs_slice *turn = &g->slices[i];
        size_t from;
        while (s < g->n_samples && g->samples[s].seq < turn->seq)
            s++;
        for (from = s; s < g->n_samples && g->samples[s].seq == turn->seq; s++)
            ;
        if (s > from && ended_unasked(turn))
            add_sampled(sums, turn, segments,
                        gs_turn_segments(g, turn, g->samples + from, s - from, segments));
    }
    free(segments);
}

void gs_learn_typical(struct gs_gil_columns *g)
{
    struct gs_summap sums = {0};
    sum_sampled(g, &sums); /* while there is no typical turn yet: samples alone speak */
    g->typical = gs_xcalloc(g->actors.n, sizeof(*g->typical));
    for (size_t k = 0; k < sums.map.n; k++) {
        struct gs_typical *y = &g->typical[sums.map.keys[k] >> 32];
        offer(y, (uint32_t)sums.map.keys[k], sums.sums[k].ns);
    }
    for (size_t a = 0; a < g->actors.n; a++)
        for (uint32_t k = 0; k < g->typical[a].n; k++)
            g->typical[a].total_ns += g->typical[a].ns[k];
    gs_summap_free(&sums);
}

/* ---- segments ---- */

size_t gs_turn_segments(const struct gs_gil_columns *g, const struct gs_slice *turn,
                        const struct gs_holder_sample *samples, size_t n_samples,
                        struct gs_segment *out)
{
    struct builder b = {out, 0};
    const struct gs_holder_sample *last = NULL;
    uint64_t last_ns = 0;
    uint64_t hi = turn->flags & GS_SLICE_TURN ? turn->rel_ns : UINT64_MAX;
    for (size_t i = 0; i < n_samples; i++) {
        const struct gs_holder_sample *s = &samples[i];
        if (gs_actor_thread(g, s->actor) != turn->thread)
            continue;
        uint64_t t = clamp(s->t_ns, turn->acq_ns, hi);
        if (last)
            put(&b, last->actor, boundary(last, last_ns, t));
        last = s;
        last_ns = t;
    }
    if (!last && g->typical && ended_unasked(turn) && g->typical[turn->hold_actor].total_ns) {
        put_typical(&b, &g->typical[turn->hold_actor], turn);
    } else if (has_release_point(g, turn, last)) {
        if (last)
            put(&b, last->actor, boundary(last, last_ns, turn->rel_ns));
        put(&b, turn->hold_actor, UINT64_MAX);
    } else {
        put(&b, last->actor, UINT64_MAX);
    }
    return b.n;
}

unsigned gs_merge_halves(struct gs_slice *into, const struct gs_slice *from)
{
    unsigned both = into->flags & from->flags & (GS_SLICE_TURN | GS_SLICE_WAIT);
    uint32_t news = from->flags & ~into->flags;
    if (news & GS_SLICE_TURN) {
        uint64_t hold = from->rel_ns - from->acq_ns;
        into->rel_ns = into->acq_ns + hold;
        into->hold_actor = from->hold_actor;
        into->flags |= from->flags & (GS_SLICE_TURN | GS_SLICE_WAITED_FOR | GS_SLICE_FORCED);
    }
    if (news & GS_SLICE_WAIT) {
        into->begin_ns = from->begin_ns < into->acq_ns ? from->begin_ns : into->acq_ns;
        into->wait_actor = from->wait_actor;
        into->ds = from->ds;
        into->flags |= GS_SLICE_WAIT;
    }
    return (unsigned)__builtin_popcount(both);
}

static int sample_order(const void *pa, const void *pb)
{
    const struct gs_holder_sample *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->actor < b->actor ? -1 : a->actor > b->actor;
}

void gs_sort_samples(struct gs_gil_columns *g)
{
    for (size_t i = 1; i < g->n_samples; i++)
        if (sample_order(&g->samples[i - 1], &g->samples[i]) > 0) {
            qsort(g->samples, g->n_samples, sizeof(*g->samples), sample_order);
            return;
        }
}

void gs_make_monotone(struct gs_slice *rows, size_t n)
{
    uint64_t high = 0;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].acq_ns > high)
            high = rows[i].acq_ns;
        rows[i].a_ns = high;
        if (rows[i].begin_ns > high)
            rows[i].begin_ns = high;
    }
}

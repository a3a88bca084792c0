/* SPDX-License-Identifier: MIT */
#include "analyzer/turns.h"

#include <stdlib.h>

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
    if (!last)
        return true;
    return (turn->flags & GS_SLICE_TURN) && last->kind != GS_HOLDER_AT_EXPIRY &&
           gs_actor_node(g, turn->hold_actor) != g->no_stack;
}

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
    if (has_release_point(g, turn, last)) {
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

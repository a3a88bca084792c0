/* SPDX-License-Identifier: MIT */
#include "analyzer/turns.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

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

static bool has_release_point(const struct gs_slice *turn, const struct gs_holder_sample *last)
{
    const uint32_t asked = GS_SLICE_TURN | GS_SLICE_FORCED | GS_ROW_KNOWN_STACK;
    return !last || ((turn->flags & asked) == asked && last->kind != GS_HOLDER_AT_EXPIRY);
}

/* ---- turns nobody looked at ---- */

static void put_typical(struct builder *b, const struct gs_typical *y, const struct gs_slice *turn)
{
    uint64_t hold_ns = turn->rel_ns - turn->acq_ns;
    for (uint32_t k = 0; k + 1 < y->n; k++)
        put(b, y->actor[k], turn->acq_ns + (uint64_t)((u128)hold_ns * y->until[k] >> 64));
    put(b, y->actor[y->n - 1], UINT64_MAX);
}

struct gs_typical gs_typical_find(const struct gs_typicals *all, struct gs_decoder *d,
                                  uint32_t actor)
{
    struct gs_typical out = {0};
    uint32_t at = gs_idmap_find(&all->map, d->actors.keys[actor]);
    if (at == GS_IDMAP_NONE)
        return out;
    out.n = all->at[at].n;
    for (uint32_t k = 0; k < out.n; k++) {
        out.actor[k] = gs_idmap_add(&d->actors, all->at[at].actor[k]);
        out.until[k] = all->at[at].until[k];
    }
    return out;
}

struct share {
    uint64_t hold, actor, ns;
};

static int by_hold_and_actor(const void *pa, const void *pb)
{
    const struct share *a = pa, *b = pb;
    if (a->hold != b->hold)
        return a->hold < b->hold ? -1 : 1;
    return a->actor < b->actor ? -1 : a->actor > b->actor;
}

/* The heaviest first; the order among equals is the actors'. */
static int by_hold_and_weight(const void *pa, const void *pb)
{
    const struct share *a = pa, *b = pb;
    if (a->hold != b->hold)
        return a->hold < b->hold ? -1 : 1;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->actor < b->actor ? -1 : a->actor > b->actor;
}

/* The decoders' sums in one list, each pair once. */
static struct share *merge_sums(const struct gs_decoder *const *decoders,
                                const struct gs_summap *sums, size_t n, size_t *n_out)
{
    size_t total = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        total += sums[i].map.n;
    struct share *all = gs_xmalloc(total, sizeof(*all));
    total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sums[i].map.n; k++) {
            uint64_t key = sums[i].map.keys[k];
            const uint64_t *actors = decoders[i]->actors.keys;
            all[total++] =
                (struct share){actors[key >> 32], actors[(uint32_t)key], sums[i].sums[k].ns};
        }
    if (total)
        qsort(all, total, sizeof(*all), by_hold_and_actor);
    for (size_t i = 0; i < total; i++) {
        if (kept && by_hold_and_actor(&all[kept - 1], &all[i]) == 0)
            all[kept - 1].ns += all[i].ns;
        else
            all[kept++] = all[i];
    }
    *n_out = kept;
    return all;
}

/* heaviest: n shares of one hold, heaviest first. */
static void add_typical(struct gs_typicals *all, const struct share *heaviest, size_t n)
{
    struct gs_typical_of y = {.hold = heaviest[0].hold,
                              .n = n < GS_TYPICAL_MAX ? (uint32_t)n : GS_TYPICAL_MAX};
    u128 total = 0, sum = 0;
    for (uint32_t k = 0; k < y.n; k++)
        total += heaviest[k].ns;
    for (uint32_t k = 0; k < y.n; k++) {
        const struct share *s = &heaviest[y.n - 1 - k];
        sum += s->ns;
        y.actor[k] = s->actor;
        y.until[k] = k + 1 < y.n ? (uint64_t)(((sum << 64) + total - 1) / total) : 0;
    }
    uint32_t at = gs_idmap_add(&all->map, y.hold);
    GS_RESERVE(all->at, (size_t)at + 1, all->cap);
    all->at[at] = y;
}

void gs_typicals_learn(struct gs_typicals *all, const struct gs_decoder *const *decoders,
                       const struct gs_summap *sums, size_t n)
{
    size_t n_shares;
    struct share *shares = merge_sums(decoders, sums, n, &n_shares);
    if (n_shares)
        qsort(shares, n_shares, sizeof(*shares), by_hold_and_weight);
    for (size_t i = 0, end; i < n_shares; i = end) {
        for (end = i; end < n_shares && shares[end].hold == shares[i].hold;)
            end++;
        add_typical(all, shares + i, end - i);
    }
    free(shares);
}

void gs_typicals_free(struct gs_typicals *all)
{
    gs_idmap_free(&all->map);
    free(all->at);
    memset(all, 0, sizeof(*all));
}

/* ---- segments ---- */

size_t gs_turn_segments(const struct gs_slice *turn, const struct gs_holder_sample *samples,
                        size_t n_samples, const struct gs_typical *typical, struct gs_segment *out)
{
    struct builder b = {out, 0};
    const struct gs_holder_sample *last = NULL;
    uint64_t last_ns = 0;
    uint64_t hi = turn->flags & GS_SLICE_TURN ? turn->rel_ns : UINT64_MAX;
    for (size_t i = 0; i < n_samples; i++) {
        const struct gs_holder_sample *s = &samples[i];
        if (s->thread != turn->thread)
            continue;
        uint64_t t = clamp(s->t_ns, turn->acq_ns, hi);
        if (last)
            put(&b, last->actor, boundary(last, last_ns, t));
        last = s;
        last_ns = t;
    }
    if (!last && typical && typical->n && gs_turn_ended_unasked(turn)) {
        put_typical(&b, typical, turn);
    } else if (has_release_point(turn, last)) {
        if (last)
            put(&b, last->actor, boundary(last, last_ns, turn->rel_ns));
        put(&b, turn->hold_actor, UINT64_MAX);
    } else {
        put(&b, last->actor, UINT64_MAX);
    }
    return b.n;
}

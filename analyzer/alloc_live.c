/* SPDX-License-Identifier: MIT */
#include "analyzer/alloc_live.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

/* ---- arenas by address ---- */

struct place { /* an arena with blocks in use */
    uint64_t from, to;
    uint64_t used, pinned;
};
struct places {
    struct place *at; /* by address */
    size_t n;
    uint64_t pinned; /* of all */
};

static int by_address(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    return a->pinned < b->pinned ? -1 : a->pinned > b->pinned;
}

static struct places find_places(const struct gs_arena_replay *replay)
{
    struct places p = {.at = gs_xmalloc(replay->rows->n_arenas, sizeof(*p.at))};
    for (uint32_t i = 0; i < replay->rows->n_arenas; i++) {
        const struct gs_rec_arena *a = &replay->rows->arenas[i];
        if (!replay->arenas[i].lives)
            continue;
        struct gs_arena_bytes b = gs_arena_replay_bytes(replay, i);
        if (b.used == 0)
            continue;
        p.at[p.n++] =
            (struct place){a->address, a->address + a->bytes, b.used, gs_arena_pinned(&b)};
        p.pinned += gs_arena_pinned(&b);
    }
    if (p.n)
        qsort(p.at, p.n, sizeof(*p.at), by_address);
    return p;
}

/* NULL: in none, as blocks of more than 512 bytes are. */
static const struct place *place_of(const struct places *p, uint64_t address)
{
    size_t lo = 0, hi = p->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->at[mid].from <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && address < p->at[lo - 1].to ? &p->at[lo - 1] : NULL;
}

/* ---- rows ---- */

struct row {
    struct gs_prof_alloc_row out;
    uint64_t weight; /* of its share of pinned bytes */
    u128 rest;
};
struct table {
    struct gs_idmap map; /* node -> rows */
    struct row *rows;
    size_t n, cap;
};

static struct row *row_at(struct table *t, uint32_t node)
{
    uint32_t at = gs_idmap_add(&t->map, node);
    if (at == t->n) {
        struct row row = {.out = {.node = node}};
        GS_PUSH(t->rows, t->n, t->cap, row);
    }
    return &t->rows[at];
}

static uint64_t saturate(u128 v)
{
    return v < UINT64_MAX ? (uint64_t)v : UINT64_MAX;
}

/* What a sample stands for, in blocks of its size as pymalloc rounds it: at least itself. */
static uint64_t blocks_of(uint64_t stands_for, uint64_t bytes)
{
    uint64_t size = bytes < 16 ? 16 : bytes > GS_BYTES_MAX ? GS_BYTES_MAX : (bytes + 15) / 16 * 16;
    uint64_t n = stands_for / size + (stands_for % size >= size - size / 2);
    return n ? n : 1;
}

static void add_sample(struct table *t, const struct gs_rec_alloc *a, uint64_t mean_bytes,
                       const struct places *places, struct gs_prof_alloc *out)
{
    struct row *row = row_at(t, a->node);
    const struct place *in = place_of(places, a->address);
    uint64_t stands_for = saturate((u128)a->points * mean_bytes);
    row->out.live_bytes = gs_add_sat(row->out.live_bytes, stands_for);
    row->out.live_blocks = gs_add_sat(row->out.live_blocks, blocks_of(stands_for, a->bytes));
    row->out.samples++;
    out->live_bytes = gs_add_sat(out->live_bytes, stands_for);
    out->live_samples++;
    if (!in)
        return;
    /* Shares do not depend on the mean; where it is not known points alone still tell them. */
    u128 weight = mean_bytes ? stands_for : a->points;
    row->weight = gs_add_sat(row->weight, saturate(weight * in->pinned / in->used));
}

/* ---- shares ---- */

static int by_rest(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    if (a->rest != b->rest)
        return a->rest > b->rest ? -1 : 1;
    return a->out.node < b->out.node ? -1 : a->out.node > b->out.node;
}

static int by_node(const void *pa, const void *pb)
{
    const struct gs_prof_alloc_row *a = pa, *b = pb;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* By largest remainder, so that all of it is shared out. */
static void share(struct table *t, uint64_t total, uint32_t not_sampled)
{
    u128 weights = 0;
    uint64_t left = total;
    for (size_t i = 0; i < t->n; i++)
        weights += t->rows[i].weight;
    if (weights == 0) {
        if (total)
            row_at(t, not_sampled)->out.pinned_bytes += total;
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        u128 product =
            (u128)total * t->rows[i].weight; /* 2^32 arenas of 64 pools of 1 MiB: total <= 2^58 */
        t->rows[i].out.pinned_bytes = (uint64_t)(product / weights);
        t->rows[i].rest = product % weights;
        left -= t->rows[i].out.pinned_bytes;
    }
    qsort(t->rows, t->n, sizeof(*t->rows), by_rest);
    for (size_t i = 0; i < left; i++) /* left < n */
        t->rows[i].out.pinned_bytes++;
}

static struct gs_prof_alloc_row *take_rows(struct table *t)
{
    struct gs_prof_alloc_row *out = gs_xmalloc(t->n, sizeof(*out));
    for (size_t i = 0; i < t->n; i++)
        out[i] = t->rows[i].out;
    if (t->n)
        qsort(out, t->n, sizeof(*out), by_node);
    gs_idmap_free(&t->map);
    free(t->rows);
    return out;
}

struct gs_prof_alloc_row *gs_alloc_live(const struct gs_memory_rows *m,
                                        const struct gs_arena_replay *at, uint32_t not_sampled,
                                        struct gs_prof_alloc *out, size_t *n_rows)
{
    struct places places = find_places(at);
    struct table t = {0};
    out->mean_bytes = m->alloc_state.mean_bytes;
    out->samples = m->alloc_state.samples;
    out->lost_allocs = m->alloc_state.lost_allocs;
    out->lost_frees = m->alloc_state.lost_frees;
    out->pinned_bytes = places.pinned;
    for (size_t i = 0; i < m->n_allocs; i++)
        add_sample(&t, &m->allocs[i], m->alloc_state.mean_bytes, &places, out);
    share(&t, places.pinned, not_sampled);
    *n_rows = t.n;
    free(places.at);
    return take_rows(&t);
}

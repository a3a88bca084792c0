/* SPDX-License-Identifier: MIT */
#include "analyzer/chain_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/top.h"
#include "analyzer/xalloc.h"

#define CHUNKS 512u

typedef unsigned __int128 u128;

size_t gs_chain_stride(size_t n_chunks)
{
    return 1 + n_chunks / CHUNKS;
}

struct gs_chain_weight *gs_chain_weight(struct gs_chain_weights *w, uint32_t actor)
{
    if (actor >= w->n) {
        size_t n = (size_t)actor + actor / 2 + 64;
        w->at = gs_xrealloc(w->at, n, sizeof(*w->at));
        memset(w->at + w->n, 0, (n - w->n) * sizeof(*w->at));
        w->n = n;
    }
    return &w->at[actor];
}

void gs_chain_weigh(struct gs_chain_weights *w, const struct gs_slice *row)
{
    if (row->flags & GS_SLICE_TURN)
        gs_chain_weight(w, row->hold_actor)->hold_ns += row->rel_ns - row->acq_ns;
    if (row->flags & GS_SLICE_WAIT)
        gs_chain_weight(w, row->wait_actor)->wait_ns += row->acq_ns - row->begin_ns;
}

enum { HOLD, WAIT, INSIDE };

/* The decoders' sums, by what their actors stand for. */
static struct gs_summap merge(const struct gs_decoder *const *decoders,
                              const struct gs_chain_weights *weights, size_t n, int which)
{
    struct gs_summap all = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < weights[i].n && k < decoders[i]->actors.n; k++) {
            const struct gs_chain_weight *w = &weights[i].at[k];
            uint64_t ns = which == HOLD ? w->hold_ns : which == WAIT ? w->wait_ns : w->inside_ns;
            if (ns)
                gs_summap_add(&all, decoders[i]->actors.keys[k], ns, 1);
        }
    return all;
}

static void add_node(struct gs_summap *nodes, uint64_t actor, uint64_t ns)
{
    gs_summap_add(nodes, (uint32_t)actor, ns, 1);
}

static void add_nodes(struct gs_summap *nodes, struct gs_summap actors)
{
    for (size_t i = 0; i < actors.map.n; i++)
        add_node(nodes, actors.map.keys[i], actors.sums[i].ns);
    gs_summap_free(&actors);
}

/* Turns that end at this actor's stack, as they most likely spent their time. */
static void add_hold(struct gs_summap *nodes, const struct gs_typicals *typicals, uint64_t actor,
                     uint64_t ns)
{
    uint32_t at = gs_idmap_find(&typicals->map, actor);
    if (at == GS_IDMAP_NONE) {
        add_node(nodes, actor, ns);
        return;
    }
    const struct gs_typical_of *y = &typicals->at[at];
    uint64_t cur = 0;
    for (uint32_t k = 0; k < y->n; k++) {
        uint64_t end = k + 1 < y->n ? (uint64_t)((u128)ns * y->until[k] >> 64) : ns;
        add_node(nodes, y->actor[k], end > cur ? end - cur : 0);
        cur = end;
    }
}

struct weight {
    uint64_t node, ns;
};

static int heaviest_first(const void *pa, const void *pb)
{
    const struct weight *a = pa, *b = pb;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static void take_heaviest(struct gs_idmap *out, struct gs_summap *nodes)
{
    struct gs_top top;
    gs_top_open(&top, GS_CHAIN_STACKS, sizeof(struct weight), heaviest_first);
    for (size_t i = 0; i < nodes->map.n; i++)
        gs_top_offer(&top, &(struct weight){nodes->map.keys[i], nodes->sums[i].ns});
    gs_top_finish(&top);
    for (size_t i = 0; i < top.n; i++)
        gs_idmap_add(out, ((const struct weight *)top.at)[i].node);
    free(top.at);
    gs_summap_free(nodes);
}

void gs_chain_stacks_choose(struct gs_chain_stacks *out, const struct gs_decoder *const *decoders,
                            const struct gs_chain_weights *weights, size_t n,
                            const struct gs_typicals *typicals)
{
    struct gs_summap holders = {0}, waiters = {0}, hold = merge(decoders, weights, n, HOLD);
    for (size_t i = 0; i < hold.map.n; i++)
        add_hold(&holders, typicals, hold.map.keys[i], hold.sums[i].ns);
    gs_summap_free(&hold);
    add_nodes(&holders, merge(decoders, weights, n, INSIDE));
    add_nodes(&waiters, merge(decoders, weights, n, WAIT));
    take_heaviest(&out->holders, &holders);
    take_heaviest(&out->waiters, &waiters);
}

void gs_chain_weights_free(struct gs_chain_weights *w)
{
    free(w->at);
}

void gs_chain_stacks_free(struct gs_chain_stacks *s)
{
    gs_idmap_free(&s->waiters);
    gs_idmap_free(&s->holders);
}

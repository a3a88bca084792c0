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

void gs_chain_weigh(struct gs_chain_weights *w, size_t n_actors, const struct gs_row_columns *rows,
                    size_t from, size_t end)
{
    const struct gs_row_columns r = *rows;
    if (n_actors)
        gs_chain_weight(w, (uint32_t)n_actors - 1);
    struct gs_chain_weight *at = w->at;
    for (size_t i = from; i < end; i++) {
        bool waits = r.flags[i] & GS_SLICE_WAIT; /* one that does not weighs 0 with its holder */
        at[r.hold_actor[i]].hold_ns += r.rel_ns[i] - r.acq_ns[i];
        at[waits ? r.wait_actor[i] : r.hold_actor[i]].wait_ns += r.acq_ns[i] - r.begin_ns[i];
    }
}

/* Sums by node. */
struct node_sums {
    uint64_t *ns;
    bool *is_there; /* something was added, if 0 ns */
    size_t n;
};

static struct node_sums node_sums_open(size_t n)
{
    return (struct node_sums){gs_xcalloc(n, sizeof(uint64_t)), gs_xcalloc(n, sizeof(bool)), n};
}

static void add_node(struct node_sums *nodes, uint64_t actor, uint64_t ns)
{
    nodes->ns[(uint32_t)actor] += ns;
    nodes->is_there[(uint32_t)actor] = true;
}

/* Turns that end at this actor's stack, as they most likely spent their time. */
static void add_hold(struct node_sums *nodes, const struct gs_typical_of *y, uint64_t ns)
{
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

static void take_heaviest(struct gs_idmap *out, struct node_sums *nodes)
{
    struct gs_top top;
    gs_top_open(&top, GS_CHAIN_STACKS, sizeof(struct weight), heaviest_first);
    for (size_t i = 0; i < nodes->n; i++)
        if (nodes->is_there[i])
            gs_top_offer(&top, &(struct weight){i, nodes->ns[i]});
    gs_top_finish(&top);
    for (size_t i = 0; i < top.n; i++)
        gs_idmap_add(out, ((const struct weight *)top.at)[i].node);
    free(top.at);
    free(nodes->ns);
    free(nodes->is_there);
}

struct sums {
    struct node_sums holders, waiters;
    const struct gs_typicals *typicals;
    uint64_t *typical_ns; /* holds of the actors that have a typical turn: shared out together */
};

static void add_actor(struct sums *s, uint64_t actor, const struct gs_chain_weight *w)
{
    if (w->hold_ns) {
        uint32_t at = gs_idmap_find(&s->typicals->map, actor);
        if (at == GS_IDMAP_NONE)
            add_node(&s->holders, actor, w->hold_ns);
        else
            s->typical_ns[at] += w->hold_ns;
    }
    if (w->inside_ns)
        add_node(&s->holders, actor, w->inside_ns);
    if (w->wait_ns)
        add_node(&s->waiters, actor, w->wait_ns);
}

void gs_chain_stacks_choose(struct gs_chain_stacks *out, const struct gs_decoder *const *decoders,
                            const struct gs_chain_weights *weights, size_t n,
                            const struct gs_typicals *typicals)
{
    size_t n_nodes = n ? decoders[0]->stacks->n_nodes : 0;
    struct sums s = {node_sums_open(n_nodes), node_sums_open(n_nodes), typicals,
                     gs_xcalloc(typicals->map.n, sizeof(uint64_t))};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < weights[i].n && k < decoders[i]->actors.n; k++)
            add_actor(&s, decoders[i]->actors.keys[k], &weights[i].at[k]);
    for (size_t i = 0; i < typicals->map.n; i++)
        if (s.typical_ns[i])
            add_hold(&s.holders, &typicals->at[i], s.typical_ns[i]);
    free(s.typical_ns);
    take_heaviest(&out->holders, &s.holders);
    take_heaviest(&out->waiters, &s.waiters);
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

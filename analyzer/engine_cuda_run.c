/* SPDX-License-Identifier: MIT
 * What the host knows of a GIL goes to the device; windows follow, each staged while the one before
 * is counted; and what comes back becomes maps, as all engines hand over.
 */
#include "analyzer/engine_cuda_run.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/columns.h"
#include "analyzer/engine_cuda_plan.h"
#include "analyzer/xalloc.h"

_Static_assert(GS_CUDA_SHARES == GS_TYPICAL_MAX, "as many shares of a turn");
_Static_assert(GS_CUDA_BUCKETS == GS_HIST_BUCKETS, "one histogram");

/* ---- to the device ---- */

static struct gs_cuda_keys keys_of(const struct gs_idmap *m)
{
    return (struct gs_cuda_keys){m->keys, m->n};
}

/* The actors that typical turns name; the shares of each, most have none. */
static struct gs_cuda_shares *shares_of(const struct gs_typicals *all, struct gs_idmap *actors)
{
    for (size_t i = 0; i < all->map.n; i++) {
        gs_idmap_add(actors, all->at[i].hold);
        for (uint32_t k = 0; k < all->at[i].n; k++)
            gs_idmap_add(actors, all->at[i].actor[k]);
    }
    struct gs_cuda_shares *shares = gs_xcalloc(actors->n, sizeof(*shares));
    for (size_t i = 0; i < all->map.n; i++) {
        struct gs_cuda_shares *s = &shares[gs_idmap_find(actors, all->at[i].hold)];
        s->n = all->at[i].n;
        for (uint32_t k = 0; k < s->n; k++) {
            s->actor[k] = gs_idmap_find(actors, all->at[i].actor[k]);
            s->until[k] = all->at[i].until[k];
        }
    }
    return shares;
}

static enum gs_cuda_status begin(struct gs_cuda_library *l, const struct gs_engine_job *job,
                                 const struct gs_bins *bins, struct gs_cuda_room *room)
{
    const struct gs_windows *w = job->rows;
    const struct gs_definitions *defs = &job->r->defs;
    struct gs_idmap actors = {0};
    struct gs_cuda_shares *shares = shares_of(&w->typicals, &actors);
    struct gs_cuda_gil gil = {
        .n_rows = w->n_rows,
        .encoded_bytes = gs_chunk_list_bytes(w->slices),
        .n_chunks = w->slices->n,
        .hash_seed = gs_hash64(GS_CUDA_ABI),
        .clock = &job->r->clock,
        .stacks = keys_of(&defs->stack_map),
        .stack_node = defs->stack_node,
        .no_stack = job->stacks->no_stack,
        .threads = keys_of(&w->threads),
        .waiters = keys_of(&w->chains.waiters),
        .holders = keys_of(&w->chains.holders),
        .actors = keys_of(&actors),
        .shares = shares,
        .bins_origin_ns = bins->origin_ns,
        .bin_ns = bins->bin_ns,
        .n_bins = bins->n,
        .steps_per_row = GS_STEPS_PER_ROW,
        .steps_of_chunk = GS_STEPS_OF_CHUNK,
    };
    enum gs_cuda_status status = l->at->begin(l->device, &gil, room);
    free(shares);
    gs_idmap_free(&actors);
    return status;
}

static enum gs_cuda_status stage_next(struct gs_cuda_library *l, struct gs_cuda_planner *p,
                                      bool *has)
{
    struct gs_cuda_window window;
    size_t from = p->next;
    *has = gs_cuda_planner_next(p, &window);
    enum gs_cuda_status status = *has ? l->at->stage(l->device, &window) : GS_CUDA_OK;
    for (; from < p->next; from++)
        gs_window_forget(p->w, from);
    return status;
}

static enum gs_cuda_status count_all(struct gs_cuda_library *l, struct gs_cuda_planner *p)
{
    bool has, has_next;
    enum gs_cuda_status status = stage_next(l, p, &has);
    while (status == GS_CUDA_OK && has) {
        status = stage_next(l, p, &has_next);
        if (status == GS_CUDA_OK)
            status = l->at->count(l->device);
        has = has_next;
    }
    return status;
}

/* ---- from the device ---- */

static void take_actor(struct gs_gil_result *out, const struct gs_cuda_sums *s, size_t actor)
{
    const uint64_t *at = s->at + actor;
    struct gs_actor_sums sums = {
        .hold_ns = at[GS_CUDA_HOLD_NS * s->stride],
        .blamed_ns = at[GS_CUDA_BLAMED_NS * s->stride],
        .wait_ns = at[GS_CUDA_WAIT_NS * s->stride],
        .hold_count = at[GS_CUDA_HOLD_COUNT * s->stride],
        .wait_count = at[GS_CUDA_WAIT_COUNT * s->stride],
        .wait_max_ns = at[GS_CUDA_WAIT_MAX_NS * s->stride],
        .long_ns = at[GS_CUDA_LONG_NS * s->stride],
        .long_count = at[GS_CUDA_LONG_COUNT * s->stride],
        .acquires = at[GS_CUDA_ACQUIRES * s->stride],
        .releases = at[GS_CUDA_RELEASES * s->stride],
        .forced = at[GS_CUDA_FORCED * s->stride],
    };
    uint32_t i = gs_idmap_add(&out->map, s->actors.at[actor]);
    gs_gil_result_reserve(out, out->map.n);
    out->actors[i] = sums;
}

static uint64_t key_of(const struct gs_cuda_pairs *pairs, size_t i)
{
    return pairs->key ? pairs->key[i] : i;
}

static void take_pairs(struct gs_gil_result *out, const struct gs_cuda_pairs *pairs,
                       const struct gs_idmap *threads)
{
    for (size_t i = 0; i < pairs->n; i++) {
        uint64_t pair = key_of(pairs, i);
        if (pairs->count[i])
            gs_pairs_add(&out->pairs, (uint32_t)threads->keys[pair / threads->n],
                         (uint32_t)threads->keys[pair % threads->n], pairs->ns[i], pairs->count[i]);
    }
}

static void take_chains(struct gs_gil_result *out, const struct gs_cuda_pairs *pairs,
                        const struct gs_chain_stacks *chains)
{
    for (size_t i = 0; i < pairs->n; i++) {
        uint64_t pair = key_of(pairs, i);
        if (pairs->count[i])
            gs_summap_add(&out->chains,
                          chains->waiters.keys[pair / chains->holders.n] << 32 |
                              chains->holders.keys[pair % chains->holders.n],
                          pairs->ns[i], pairs->count[i]);
    }
}

static void take_hists(struct gs_gil_result *out, const struct gs_cuda_sums *s,
                       const struct gs_idmap *threads)
{
    memcpy(out->hold_hist, s->hold_hist, sizeof(out->hold_hist));
    memcpy(out->wait_hist, s->wait_hist, sizeof(out->wait_hist));
    for (size_t i = 0; i < s->thread_hists.n; i++) {
        uint64_t key = key_of(&s->thread_hists, i), n = s->thread_hists.count[i];
        if (n)
            gs_summap_add(&out->wait_hists,
                          threads->keys[key / GS_HIST_BUCKETS] << 10 | key % GS_HIST_BUCKETS, 0, n);
    }
}

static void take(struct gs_gil_result *out, const struct gs_cuda_sums *s,
                 const struct gs_windows *w, const struct gs_bins *bins)
{
    for (size_t i = 0; i < s->actors.n; i++)
        take_actor(out, s, i);
    take_pairs(out, &s->threads, &w->threads);
    take_chains(out, &s->chains, &w->chains);
    take_hists(out, s, &w->threads);
    out->wait_ns = s->wait_ns;
    out->unknown_holder_ns = s->unknown_holder_ns;
    for (size_t i = 0; i < bins->n; i++) {
        bins->hold_ns[i] += s->hold_bins[i];
        bins->wait_ns[i] += s->wait_bins[i];
    }
}

/* ---- one GIL ---- */

static enum gs_cuda_status count(struct gs_cuda_library *l, const struct gs_engine_job *job,
                                 const struct gs_bins *bins, struct gs_cuda_sums *sums)
{
    struct gs_cuda_room room;
    struct gs_cuda_planner planner;
    struct gs_decoder d;
    enum gs_cuda_status status = begin(l, job, bins, &room);
    if (status != GS_CUDA_OK)
        return status;
    gs_decoder_open(&d, job->r, job->stacks, job->rows->size);
    gs_cuda_planner_open(&planner, job->rows, &d, room);
    status = count_all(l, &planner);
    if (status == GS_CUDA_OK)
        status = l->at->finish(l->device, sums);
    gs_cuda_planner_close(&planner);
    gs_decoder_close(&d);
    return status;
}

enum gs_status gs_cuda_run(struct gs_cuda_library *l, const struct gs_engine_job *job,
                           const struct gs_bins *bins, struct gs_gil_result *out,
                           struct gs_cuda_sums *sums, struct gs_error *err)
{
    memset(sums, 0, sizeof(*sums));
    gs_gil_result_open(out, job->rows);
    if (job->rows->n_rows == 0)
        return GS_OK;
    enum gs_cuda_status status = count(l, job, bins, sums);
    if (status != GS_CUDA_OK)
        return gs_cuda_library_error(l, status, err);
    take(out, sums, job->rows, bins);
    gs_gil_result_close(out);
    return GS_OK;
}

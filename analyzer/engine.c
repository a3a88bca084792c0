/* SPDX-License-Identifier: MIT */
#include "analyzer/engine.h"

#include <stdlib.h>
#include <string.h>

static const struct gs_engine_ops *const engines[] = {&gs_engine_cpu, &gs_engine_reference};

enum gs_status gs_engine_select(const char *name, const struct gs_engine_ops **out,
                                struct gs_error *err)
{
    *out = engines[0];
    if (!name || strcmp(name, "auto") == 0)
        return GS_OK;
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
        if (strcmp(name, engines[i]->name) == 0) {
            *out = engines[i];
            return GS_OK;
        }
    return gs_error_set(err, GS_ERR_USAGE, "no engine named '%s': use auto, cpu or reference",
                        name);
}

void gs_gil_result_free(struct gs_gil_result *r)
{
    free(r->actors);
    gs_summap_free(&r->pairs.sums);
    gs_summap_free(&r->wait_hists);
    memset(r, 0, sizeof(*r));
}

/* Few rows cannot make many pairs worth telling apart: memory follows the rows. */
void gs_pairs_open(struct gs_pairs *p, size_t n_rows, size_t max_pairs)
{
    size_t plausible = 64 * n_rows + 4096;
    p->max_pairs = max_pairs < plausible ? max_pairs : plausible;
    p->steps_left = GS_STEPS_PER_WAIT * (uint64_t)n_rows;
}

static bool is_full(const struct gs_pairs *p)
{
    return p->sums.map.n >= p->max_pairs;
}

/* A step in a map that is full misses the processor's caches, and most often finds nothing. */
bool gs_pairs_take(struct gs_pairs *p, uint64_t steps)
{
    if (is_full(p))
        steps *= 8;
    if (steps > p->steps_left)
        return false;
    p->steps_left -= steps;
    return true;
}

void gs_pairs_add(struct gs_pairs *p, uint32_t waiter, uint32_t holder, uint64_t ns, uint64_t count)
{
    uint64_t key = gs_pack32(waiter, holder);
    if (is_full(p) && gs_idmap_find(&p->sums.map, key) == GS_IDMAP_NONE)
        return;
    gs_summap_add(&p->sums, key, ns, count);
}

void gs_pairs_close(struct gs_gil_result *r)
{
    uint64_t rest = 0;
    for (size_t i = 0; i < r->n_actors; i++)
        rest += r->actors[i].blamed_ns;
    for (size_t i = 0; i < r->pairs.sums.map.n; i++)
        rest -= r->pairs.sums.sums[i].ns;
    r->pairs.rest_ns = rest;
}

void gs_bins_add(const struct gs_bins *b, uint64_t *into, uint64_t from_ns, uint64_t to_ns)
{
    if (b->n == 0)
        return;
    uint64_t limit = b->origin_ns + b->bin_ns * b->n;
    if (from_ns < b->origin_ns)
        from_ns = b->origin_ns;
    if (to_ns > limit)
        to_ns = limit;
    if (from_ns >= to_ns)
        return;
    for (size_t i = (from_ns - b->origin_ns) / b->bin_ns; from_ns < to_ns; i++) {
        uint64_t end = b->origin_ns + (i + 1) * b->bin_ns;
        if (end > to_ns)
            end = to_ns;
        into[i] += end - from_ns;
        from_ns = end;
    }
}

/* Hold time goes to the stacks of the turn, cut to [acquire, release]. */
void gs_count_hold(struct gs_gil_result *out, const struct gs_bins *bins, const struct gs_slice *t,
                   const struct gs_segment *segments, size_t n, bool expired)
{
    uint64_t cur = t->acq_ns, hold_ns = t->rel_ns - t->acq_ns;
    for (size_t k = 0; k < n; k++) {
        uint64_t end = segments[k].end_ns < t->rel_ns ? segments[k].end_ns : t->rel_ns;
        struct gs_actor_sums *a = &out->actors[segments[k].actor];
        uint64_t part = end > cur ? end - cur : 0;
        a->hold_ns += part;
        a->hold_count += part > 0 || (hold_ns == 0 && k == n - 1);
        if (expired && part >= GS_LONG_HOLD_NS) {
            a->long_ns += part;
            a->long_count++;
        }
        cur += part;
    }
    out->hold_hist[gs_hist_bucket_of(hold_ns)]++;
    gs_bins_add(bins, bins->hold_ns, t->acq_ns, t->rel_ns);
}

unsigned gs_count_wait(struct gs_gil_result *out, const struct gs_slice *t)
{
    struct gs_actor_sums *a = &out->actors[t->wait_actor];
    uint64_t ns = t->a_ns - t->begin_ns;
    unsigned bucket = gs_hist_bucket_of(ns);
    a->wait_ns += ns;
    a->wait_count++;
    if (ns > a->wait_max_ns)
        a->wait_max_ns = ns;
    out->wait_ns += ns;
    out->wait_hist[bucket]++;
    return bucket;
}

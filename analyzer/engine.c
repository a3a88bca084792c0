/* SPDX-License-Identifier: MIT */
#include "analyzer/engine.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

static const struct gs_engine_ops *const engines[] = {&gs_engine_auto, &gs_engine_cpu,
                                                      &gs_engine_cuda, &gs_engine_reference};

enum gs_status gs_engine_select(const char *name, const struct gs_engine_ops **out,
                                struct gs_error *err)
{
    *out = engines[0];
    if (!name)
        return GS_OK;
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
        if (strcmp(name, engines[i]->name) == 0) {
            *out = engines[i];
            return GS_OK;
        }
    return gs_error_set(err, GS_ERR_USAGE, "no engine named '%s': use auto, cpu, cuda or reference",
                        name);
}

/* ---- pairs ---- */

/* The same in every run. */
static uint64_t pair_hash(uint64_t key)
{
    uint64_t v = key + 0x9e3779b97f4a7c15u;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

/* The value that would stand at `rank`, were v[n] sorted; v is reordered (Hoare's selection). */
static uint64_t value_of_rank(uint64_t *v, size_t n, size_t rank)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        uint64_t pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, k = hi;
        for (;; i++, k--) {
            while (v[i] < pivot)
                i++;
            while (v[k] > pivot)
                k--;
            if (i >= k)
                break;
            uint64_t swap = v[i];
            v[i] = v[k];
            v[k] = swap;
        }
        if (rank <= k)
            hi = k;
        else
            lo = k + 1;
    }
    return v[rank];
}

static uint64_t greatest_kept(const struct gs_pairs *p)
{
    size_t n = p->sums.map.n;
    uint64_t *hashes = gs_xmalloc(n, sizeof(*hashes));
    for (size_t i = 0; i < n; i++)
        hashes[i] = pair_hash(p->sums.map.keys[i]);
    uint64_t limit = value_of_rank(hashes, n, p->max - 1);
    free(hashes);
    return limit;
}

/* A pair that is left out stays so: the limit only falls. One that is kept was always kept. */
static void limit_pairs(struct gs_pairs *p)
{
    struct gs_summap kept = {0};
    if (p->sums.map.n <= p->max)
        return;
    p->limit = greatest_kept(p);
    p->is_limited = true;
    for (size_t i = 0; i < p->sums.map.n; i++)
        if (pair_hash(p->sums.map.keys[i]) <= p->limit)
            gs_summap_add(&kept, p->sums.map.keys[i], p->sums.sums[i].ns, p->sums.sums[i].count);
    gs_summap_free(&p->sums);
    p->sums = kept;
}

void gs_pairs_add(struct gs_pairs *p, uint32_t waiter, uint32_t holder, uint64_t ns, uint64_t count)
{
    uint64_t key = gs_pack32(waiter, holder);
    if (p->is_limited && pair_hash(key) > p->limit)
        return;
    gs_summap_add(&p->sums, key, ns, count);
    if (p->sums.map.n >= 2 * p->max)
        limit_pairs(p);
}

/* ---- results ---- */

/* Few rows cannot make many pairs worth telling apart: memory follows the rows. */
void gs_gil_result_open(struct gs_gil_result *r, const struct gs_windows *rows)
{
    uint64_t plausible = 64 * rows->size.rows + 4096;
    memset(r, 0, sizeof(*r));
    r->no_pairs = rows->no_pairs;
    r->pairs.max = plausible < GS_PAIRS_MAX ? (size_t)plausible : GS_PAIRS_MAX;
}

void gs_gil_result_free(struct gs_gil_result *r)
{
    gs_idmap_free(&r->map);
    free(r->actors);
    gs_summap_free(&r->pairs.sums);
    gs_summap_free(&r->chains);
    gs_summap_free(&r->wait_hists);
    memset(r, 0, sizeof(*r));
}

void gs_gil_result_reserve(struct gs_gil_result *r, size_t n)
{
    size_t old = r->cap_actors;
    GS_RESERVE(r->actors, n, r->cap_actors);
    if (r->cap_actors > old)
        memset(r->actors + old, 0, (r->cap_actors - old) * sizeof(*r->actors));
}

void gs_actor_sums_add(struct gs_actor_sums *into, const struct gs_actor_sums *from)
{
    into->hold_ns += from->hold_ns;
    into->blamed_ns += from->blamed_ns;
    into->wait_ns += from->wait_ns;
    into->hold_count += from->hold_count;
    into->wait_count += from->wait_count;
    if (from->wait_max_ns > into->wait_max_ns)
        into->wait_max_ns = from->wait_max_ns;
    into->long_ns += from->long_ns;
    into->long_count += from->long_count;
    into->acquires += from->acquires;
    into->releases += from->releases;
    into->forced += from->forced;
}

void gs_gil_result_merge(struct gs_gil_result *into, const struct gs_gil_result *from)
{
    for (size_t i = 0; i < from->pairs.sums.map.n; i++) {
        uint64_t key = from->pairs.sums.map.keys[i];
        gs_pairs_add(&into->pairs, (uint32_t)(key >> 32), (uint32_t)key,
                     from->pairs.sums.sums[i].ns, from->pairs.sums.sums[i].count);
    }
    gs_summap_add_all(&into->chains, &from->chains);
    gs_summap_add_all(&into->wait_hists, &from->wait_hists);
    for (size_t i = 0; i < GS_HIST_BUCKETS; i++) {
        into->wait_hist[i] += from->wait_hist[i];
        into->hold_hist[i] += from->hold_hist[i];
    }
    into->wait_ns += from->wait_ns;
    into->unknown_holder_ns += from->unknown_holder_ns;
}

void gs_gil_result_close(struct gs_gil_result *r)
{
    uint64_t rest = 0;
    if (r->no_pairs) {
        gs_summap_free(&r->pairs.sums);
        gs_summap_free(&r->chains);
    }
    limit_pairs(&r->pairs);
    for (size_t i = 0; i < r->map.n; i++)
        rest += r->actors[i].blamed_ns;
    for (size_t i = 0; i < r->pairs.sums.map.n; i++)
        rest -= r->pairs.sums.sums[i].ns;
    r->pairs.rest_ns = rest;
}

/* ---- bins ---- */

struct gs_bins gs_bins_like(const struct gs_bins *b)
{
    struct gs_bins out = *b;
    out.hold_ns = gs_xcalloc(b->n, sizeof(*out.hold_ns));
    out.wait_ns = gs_xcalloc(b->n, sizeof(*out.wait_ns));
    return out;
}

void gs_bins_add_all(const struct gs_bins *into, const struct gs_bins *from)
{
    for (size_t i = 0; i < into->n; i++) {
        into->hold_ns[i] += from->hold_ns[i];
        into->wait_ns[i] += from->wait_ns[i];
    }
}

void gs_bins_free(struct gs_bins *b)
{
    free(b->hold_ns);
    free(b->wait_ns);
    memset(b, 0, sizeof(*b));
}

/* offset / bin_ns: by doubles it is at most one off, and quicker than a division. */
static size_t bin_of(const struct gs_bins *b, uint64_t offset_ns)
{
    size_t i = (size_t)((double)offset_ns * b->bins_per_ns);
    while (i > 0 && b->bin_ns * i > offset_ns)
        i--;
    while (b->bin_ns * (i + 1) <= offset_ns)
        i++;
    return i;
}

void gs_bins_add(const struct gs_bins *b, uint64_t *into, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t limit = b->origin_ns + b->bin_ns * b->n;
    if (from_ns < b->origin_ns)
        from_ns = b->origin_ns;
    if (to_ns > limit)
        to_ns = limit;
    if (b->n == 0 || from_ns >= to_ns)
        return;
    for (size_t i = bin_of(b, from_ns - b->origin_ns); from_ns < to_ns; i++) {
        uint64_t end = b->origin_ns + (i + 1) * b->bin_ns;
        if (end > to_ns)
            end = to_ns;
        into[i] += end - from_ns;
        from_ns = end;
    }
}

void gs__bins_add_and_move(const struct gs_bins *b, struct gs_bin_cursor *c, uint64_t *into,
                           uint64_t from_ns, uint64_t to_ns)
{
    gs_bins_add(b, into, from_ns, to_ns);
    if (b->n == 0 || to_ns < b->origin_ns || to_ns >= b->origin_ns + b->bin_ns * b->n)
        return;
    size_t i = bin_of(b, to_ns - b->origin_ns);
    c->from_ns = b->origin_ns + i * b->bin_ns;
    c->to_ns = c->from_ns + b->bin_ns;
    c->sum = &into[i];
}

/* ---- rows ---- */

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

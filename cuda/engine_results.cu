/* SPDX-License-Identifier: MIT */
#include "cuda/engine_results.cuh"

#include "cuda/pick.cuh"

namespace
{
/* A smaller table is copied sooner than looked through. */
const size_t PICKED_FROM = 1u << 16;

/* ---- tables of which most may be empty ---- */

struct sparse {
    const gs_u64 *keys, *ns, *count; /* keys NULL: the place is; ns NULL: only counts */
    size_t n;
    gs_picked picked; /* at NULL: all of it comes */
};
struct sparse_tables {
    sparse all[GS_SPARSE_TABLES]; /* pairs of threads, chains, histograms of threads */
};

sparse_tables sparse_of(const gs_tables &t)
{
    const gs_pair_table &threads = t.pairs.threads, &stacks = t.pairs.stacks;
    return {{{threads.keys, threads.ns, threads.count, t.pair_slots, {}},
             {NULL, stacks.ns, stacks.count, t.n_waiters * t.n_holders, {}},
             {NULL, NULL, t.group.thread_hists, t.n_threads * GS_DEVICE_HIST_BUCKETS, {}}}};
}

bool is_large(const sparse &s)
{
    return s.n >= PICKED_FROM && s.n < UINT32_MAX;
}

/* True: there is room. False without a failure: everything comes, as it would have to without. */
cudaError_t has_room(gs_buffer *b, size_t bytes, bool *out)
{
    cudaError_t e = gs_buffer_reserve(b, bytes);
    *out = bytes > 0 && e == cudaSuccess;
    if (e != cudaErrorMemoryAllocation)
        return e;
    (void)cudaGetLastError(); /* it would be the next launch's, too */
    return cudaSuccess;
}

cudaError_t pick(sparse *s, uint32_t *seen, gs_carver *from, cudaStream_t compute)
{
    size_t bytes = gs_pick_work_bytes((uint32_t)s->n);
    char *work = from->array<char>(bytes);
    GS_TRY(gs_launch_pick(s->count, (uint32_t)s->n, work, bytes, &s->picked, compute));
    return cudaMemcpyAsync(seen, s->picked.n, sizeof(*seen), cudaMemcpyDeviceToHost, compute);
}

/* Which places of large tables are not empty, and how many; how many actors there are. */
cudaError_t pick_all(sparse_tables *s, const gs_tables &t, gs_counter *c, cudaStream_t compute)
{
    gs_carver count = {NULL, 0, 0};
    bool is_room = false;
    for (const sparse &table : s->all)
        if (is_large(table))
            count.array<char>(gs_pick_work_bytes((uint32_t)table.n));
    GS_TRY(has_room(&c->rows, count.used, &is_room));
    gs_carver real = gs_carve(c->rows);
    for (unsigned k = 0; k < GS_SPARSE_TABLES && is_room; k++)
        if (is_large(s->all[k]))
            GS_TRY(pick(&s->all[k], &c->seen->n_picked[k], &real, compute));
    GS_TRY(cudaMemcpyAsync(&c->seen->n_actors, t.actors.n, sizeof(uint32_t), cudaMemcpyDeviceToHost,
                           compute));
    return cudaStreamSynchronize(compute);
}

/* What is in those places, instead of the tables. */
cudaError_t gather(sparse *s, uint32_t n, gs_carver *to, cudaStream_t compute)
{
    gs_u64 *keys = to->array<gs_u64>(n), *ns = s->ns ? to->array<gs_u64>(n) : NULL,
           *counts = to->array<gs_u64>(n);
    if (!to->base)
        return cudaSuccess;
    GS_TRY(gs_launch_gather(s->keys, s->picked.at, n, keys, compute));
    if (ns)
        GS_TRY(gs_launch_gather(s->ns, s->picked.at, n, ns, compute));
    GS_TRY(gs_launch_gather(s->count, s->picked.at, n, counts, compute));
    *s = {keys, ns, counts, n, {}};
    return cudaSuccess;
}

cudaError_t gather_all(sparse_tables *t, const gs_counter &c, gs_buffer *into, cudaStream_t compute)
{
    gs_carver carver = {NULL, 0, 0};
    bool is_room = false;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned k = 0; k < GS_SPARSE_TABLES; k++)
            if (t->all[k].picked.at)
                GS_TRY(gather(&t->all[k], c.seen->n_picked[k], &carver, compute));
        if (pass == 0)
            GS_TRY(has_room(into, carver.used, &is_room));
        if (!is_room)
            return cudaSuccess;
        carver = gs_carve(*into);
    }
    return cudaSuccess;
}

/* ---- all of it ---- */

const unsigned N_WHOLE = 7 + GS_SUM_KINDS; /* pieces before those of sparse tables */

struct piece { /* of the device's memory, and where it goes among the results */
    const gs_u64 *from;
    size_t n, at;
};
struct pieces {
    piece all[N_WHOLE + 3 * GS_SPARSE_TABLES];
    size_t n_pieces, n;

    void add(const gs_u64 *from, size_t n_values)
    {
        all[n_pieces++] = {from, from ? n_values : 0, n};
        n += from ? n_values : 0;
    }
};

/* Of the room for actors only what they take: behind it nothing was ever written. */
pieces list_pieces(const gs_tables &t, const sparse_tables &s, uint32_t n_actors)
{
    pieces p = {};
    p.add(t.actors.keys, n_actors);
    for (unsigned kind = 0; kind < GS_SUM_KINDS; kind++)
        p.add(t.sums.sums + (size_t)kind * t.sums.n_actors, n_actors);
    p.add(t.group.hold_hist, GS_DEVICE_HIST_BUCKETS);
    p.add(t.group.wait_hist, GS_DEVICE_HIST_BUCKETS);
    p.add(t.bins.hold_ns, t.bins.n);
    p.add(t.bins.wait_ns, t.bins.n);
    p.add(t.group.wait_ns, 1);
    p.add(t.unknown_holder_ns, 1);
    for (const sparse &table : s.all) {
        p.add(table.keys, table.n);
        p.add(table.ns, table.n);
        p.add(table.count, table.n);
    }
    return p;
}

cudaError_t fetch(std::vector<uint64_t> *values, const pieces &p, const gs_tables &t,
                  gs_counts *seen, cudaStream_t compute)
{
    values->resize(p.n + 1);
    for (size_t i = 0; i < p.n_pieces; i++)
        if (p.all[i].n)
            GS_TRY(cudaMemcpyAsync(values->data() + p.all[i].at, p.all[i].from,
                                   p.all[i].n * sizeof(uint64_t), cudaMemcpyDeviceToHost, compute));
    GS_TRY(cudaMemcpyAsync(&seen->is_full, t.pairs.is_full, sizeof(uint32_t),
                           cudaMemcpyDeviceToHost, compute));
    return cudaStreamSynchronize(compute);
}

void name_pieces(const std::vector<uint64_t> &values, const pieces &p, const sparse_tables &s,
                 uint32_t n_actors, gs_cuda_sums *out)
{
    const uint64_t *at[sizeof(p.all) / sizeof(*p.all)] = {};
    for (size_t i = 0; i < p.n_pieces; i++)
        at[i] = values.data() + p.all[i].at;
    *out = {};
    out->actors = {at[0], n_actors};
    out->at = at[1];
    out->stride = n_actors;
    const uint64_t *const *next = &at[1 + GS_SUM_KINDS];
    out->hold_hist = *next++;
    out->wait_hist = *next++;
    out->hold_bins = *next++;
    out->wait_bins = *next++;
    out->wait_ns = **next++;
    out->unknown_holder_ns = **next++;
    gs_cuda_pairs *pairs[GS_SPARSE_TABLES] = {&out->threads, &out->chains, &out->thread_hists};
    for (unsigned k = 0; k < GS_SPARSE_TABLES; k++, next += 3)
        *pairs[k] = {s.all[k].n, s.all[k].keys ? next[0] : NULL, s.all[k].ns ? next[1] : NULL,
                     next[2]};
}
} // namespace

cudaError_t gs_results_fetch(std::vector<uint64_t> *values, const gs_tables *t, gs_counter *c,
                             cudaStream_t compute, gs_cuda_sums *out)
{
    sparse_tables s = sparse_of(*t);
    gs_buffer gathered = {NULL, 0};
    cudaError_t e = pick_all(&s, *t, c, compute);
    if (e == cudaSuccess)
        e = gather_all(&s, *c, &gathered, compute);
    uint32_t n_actors = e == cudaSuccess ? c->seen->n_actors : 0;
    pieces p = list_pieces(*t, s, n_actors);
    if (e == cudaSuccess)
        e = fetch(values, p, *t, c->seen, compute);
    gs_buffer_free(&gathered);
    if (e != cudaSuccess)
        return e;
    name_pieces(*values, p, s, n_actors, out);
    return cudaSuccess;
}

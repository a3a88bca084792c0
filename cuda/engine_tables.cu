/* SPDX-License-Identifier: MIT */
#include "cuda/engine_tables.cuh"

#include <vector>

namespace
{
const uint32_t ACTORS_AT_FIRST = 4096, GROWTH = 4;
/* Where threads are more than a matrix has room for, their pairs go into a map. */
const uint64_t MATRIX_PAIRS = 1u << 20, MAP_SLOTS = 1u << 22;

static_assert(sizeof(gs_shares) == sizeof(gs_cuda_shares) &&
                  offsetof(gs_shares, until) == offsetof(gs_cuda_shares, until) &&
                  GS_TYPICAL_SHARES == GS_CUDA_SHARES,
              "one struct");
static_assert(GS_DEVICE_HIST_BUCKETS == GS_CUDA_BUCKETS, "one histogram");
static_assert(GS_SUM_HOLD_NS == (int)GS_CUDA_HOLD_NS &&
                  GS_SUM_WAIT_MAX_NS == (int)GS_CUDA_WAIT_MAX_NS &&
                  GS_SUM_BLAMED_NS == (int)GS_CUDA_BLAMED_NS &&
                  GS_SUM_LONG_COUNT == (int)GS_CUDA_LONG_COUNT &&
                  GS_SUM_KINDS == (int)GS_CUDA_SUM_KINDS,
              "one order");

/* ---- pieces of memory ---- */

gs_map carve_map(gs_carver *from, uint32_t cap, uint64_t seed)
{
    uint32_t slots = gs_map_slots(cap);
    gs_map m = {};
    m.keys = from->array<gs_u64>(cap);
    m.slot_keys = from->array<gs_u64>(slots);
    m.slot_numbers = from->array<uint32_t>(slots);
    m.n = from->array<uint32_t>(1);
    m.cap = cap;
    m.mask = slots - 1;
    m.seed = seed;
    return m;
}

gs_pair_table carve_pairs(gs_carver *from, size_t slots, uint64_t n_holders, bool has_keys)
{
    gs_pair_table t = {};
    t.n_holders = n_holders;
    t.keys = has_keys ? from->array<gs_u64>(slots) : NULL;
    t.mask = slots - 1;
    t.ns = from->array<gs_u64>(slots);
    t.count = from->array<gs_u64>(slots);
    return t;
}

/* What begins at zero. */
void carve_sums(gs_tables *t, gs_carver *from)
{
    t->group.hold_hist = from->array<gs_u64>(GS_DEVICE_HIST_BUCKETS);
    t->group.wait_hist = from->array<gs_u64>(GS_DEVICE_HIST_BUCKETS);
    t->group.thread_hists = from->array<gs_u64>(t->n_threads * GS_DEVICE_HIST_BUCKETS);
    t->group.wait_ns = from->array<gs_u64>(1);
    t->unknown_holder_ns = from->array<gs_u64>(1);
    t->pairs.is_full = from->array<uint32_t>(1);
    t->is_damaged = from->array<unsigned>(1);
    t->n_out = from->array<uint32_t>(1);
    t->n_reaching_out = from->array<uint32_t>(1);
    t->bins.hold_ns = from->array<gs_u64>(t->bins.n);
    t->bins.wait_ns = from->array<gs_u64>(t->bins.n);
    t->pairs.stacks = carve_pairs(from, t->n_waiters * t->n_holders, t->n_holders, false);
    t->pairs.threads =
        carve_pairs(from, t->pair_slots, t->n_threads, t->pair_slots < t->n_threads * t->n_threads);
}

struct fixed { /* where the host's tables go */
    gs_tick_segment *segments;
    gs_map stacks, threads, waiters, holders;
    uint32_t *stack_node;
    gs_shares *shares;
};

fixed carve_fixed(const gs_cuda_gil &gil, gs_carver *from)
{
    fixed f = {};
    f.segments = from->array<gs_tick_segment>(gil.clock->n_segments);
    f.stacks = carve_map(from, (uint32_t)gil.stacks.n, gil.hash_seed);
    f.stack_node = from->array<uint32_t>(gil.stacks.n);
    f.threads = carve_map(from, (uint32_t)gil.threads.n, gil.hash_seed);
    f.waiters = carve_map(from, (uint32_t)gil.waiters.n, gil.hash_seed);
    f.holders = carve_map(from, (uint32_t)gil.holders.n, gil.hash_seed);
    f.shares = from->array<gs_shares>(gil.actors.n);
    return f;
}

/* ---- what the host knows ---- */

cudaError_t upload_map(const gs_map &m, const gs_cuda_keys &keys, gs_uploader *up)
{
    return gs_upload_array(up, m.keys, reinterpret_cast<const gs_u64 *>(keys.at), keys.n);
}

cudaError_t upload_clock(const gs_clock &clock, gs_tick_segment *to, gs_uploader *up)
{
    std::vector<gs_tick_segment> segments;
    for (size_t i = 0; i < clock.n_segments; i++) {
        const gs_clock_segment &s = clock.segments[i];
        segments.push_back(gs_tick_segment_of(s.epoch, s.t0, s.ns0, s.d_ticks, s.d_ns));
    }
    return gs_upload_array(up, to, segments.data(), segments.size());
}

cudaError_t upload_fixed(const gs_cuda_gil &gil, const fixed &f, gs_uploader *up)
{
    GS_TRY(upload_clock(*gil.clock, f.segments, up));
    GS_TRY(upload_map(f.stacks, gil.stacks, up));
    GS_TRY(gs_upload_array(up, f.stack_node, gil.stack_node, gil.stacks.n));
    GS_TRY(upload_map(f.threads, gil.threads, up));
    GS_TRY(upload_map(f.waiters, gil.waiters, up));
    GS_TRY(upload_map(f.holders, gil.holders, up));
    GS_TRY(gs_upload(up, f.shares, gil.shares, gil.actors.n * sizeof(*f.shares)));
    return gs_upload_flush(up);
}

cudaError_t build_maps(const fixed &f, const gs_cuda_gil &gil, cudaStream_t compute)
{
    GS_TRY(gs_launch_map_build(&f.stacks, (uint32_t)gil.stacks.n, compute));
    GS_TRY(gs_launch_map_build(&f.threads, (uint32_t)gil.threads.n, compute));
    GS_TRY(gs_launch_map_build(&f.waiters, (uint32_t)gil.waiters.n, compute));
    return gs_launch_map_build(&f.holders, (uint32_t)gil.holders.n, compute);
}

void describe(gs_tables *t, const gs_cuda_gil &gil)
{
    t->no_stack = gil.no_stack;
    t->steps_per_row = gil.steps_per_row;
    t->steps_of_chunk = gil.steps_of_chunk;
    t->n_shares = (uint32_t)gil.actors.n;
    t->n_threads = gil.threads.n;
    t->n_waiters = gil.waiters.n;
    t->n_holders = gil.holders.n;
    t->bins = {gil.bins_origin_ns, gil.bin_ns, gil.n_bins, NULL, NULL};
    uint64_t all = (uint64_t)t->n_threads * t->n_threads;
    t->pair_slots = (size_t)(all <= MATRIX_PAIRS ? all : MAP_SLOTS);
}

/* ---- actors ---- */

/* Sums last, zeroed. */
size_t carve_actors(gs_tables *t, uint32_t cap, gs_carver *from)
{
    t->actors = carve_map(from, cap, t->actors.seed);
    t->classes.of_thread = from->array<uint32_t>(cap);
    t->classes.of_waiter = from->array<uint32_t>(cap);
    t->classes.of_holder = from->array<uint32_t>(cap);
    t->sums = {from->array<gs_u64>((size_t)GS_SUM_KINDS * cap), cap};
    return from->used;
}

cudaError_t make_room(gs_tables *t, uint32_t cap, gs_buffer *out)
{
    gs_tables probe = *t;
    gs_carver count = {NULL, 0, 0};
    *out = {NULL, 0};
    GS_TRY(gs_buffer_reserve(out, carve_actors(&probe, cap, &count)));
    gs_carver real = gs_carve(*out);
    carve_actors(t, cap, &real);
    return cudaSuccess;
}

uint32_t actors_at_first(const gs_cuda_gil &gil)
{
    uint32_t cap = ACTORS_AT_FIRST;
    while (cap < 2 * gil.actors.n)
        cap *= 2;
    return cap;
}

cudaError_t begin_actors(gs_tables *t, const gs_cuda_gil &gil, gs_uploader *up)
{
    gs_buffer_free(&t->growing);
    t->n_classified = 0;
    t->actors.seed = gil.hash_seed;
    GS_TRY(make_room(t, actors_at_first(gil), &t->growing));
    return upload_map(t->actors, gil.actors, up);
}

cudaError_t clear(void *at, size_t n, int byte, cudaStream_t stream)
{
    return n ? cudaMemsetAsync(at, byte, n, stream) : cudaSuccess;
}

cudaError_t clear_sums(gs_tables *t, const gs_carver &fixed_end, size_t sums_from,
                       cudaStream_t compute)
{
    const gs_actor_table &s = t->sums;
    GS_TRY(clear(t->fixed.at + sums_from, fixed_end.used - sums_from, 0, compute));
    GS_TRY(clear(s.sums, (size_t)GS_SUM_KINDS * s.n_actors * sizeof(*s.sums), 0, compute));
    if (!t->pairs.threads.keys)
        return cudaSuccess;
    return clear(t->pairs.threads.keys, t->pair_slots * sizeof(gs_u64), 0xff, compute);
}

cudaError_t finish_upload(gs_uploader *up)
{
    GS_TRY(gs_upload_flush(up));
    return cudaStreamSynchronize(up->stream);
}
} // namespace

cudaError_t gs_tables_begin(gs_tables *t, const gs_cuda_gil *gil, gs_uploader *up,
                            cudaStream_t compute)
{
    gs_carver count = {NULL, 0, 0};
    describe(t, *gil);
    carve_fixed(*gil, &count);
    size_t sums_from = count.used;
    carve_sums(t, &count);
    GS_TRY(gs_buffer_reserve(&t->fixed, count.used));
    gs_carver real = gs_carve(t->fixed);
    fixed f = carve_fixed(*gil, &real);
    carve_sums(t, &real);
    t->clock = {f.segments, gil->clock->n_segments, gil->clock->dur_ticks, gil->clock->dur_ns,
                gil->clock->identity};
    t->stacks = f.stacks;
    t->stack_node = f.stack_node;
    t->shares = f.shares;
    t->classes.threads = f.threads;
    t->classes.waiters = f.waiters;
    t->classes.holders = f.holders;
    GS_TRY(upload_fixed(*gil, f, up));
    GS_TRY(begin_actors(t, *gil, up));
    GS_TRY(finish_upload(up));
    GS_TRY(clear_sums(t, real, sums_from, compute));
    GS_TRY(build_maps(f, *gil, compute));
    return gs_launch_map_build(&t->actors, (uint32_t)gil->actors.n, compute);
}

cudaError_t gs_tables_grow(gs_tables *t, cudaStream_t compute)
{
    gs_tables old = *t;
    uint32_t n = old.actors.cap, cap = n > UINT32_MAX / 2 / GROWTH ? n : GROWTH * n;
    if (cap == n)
        return cudaErrorMemoryAllocation;
    gs_buffer fresh;
    GS_TRY(make_room(t, cap, &fresh));
    t->growing = fresh;
    cudaError_t status =
        clear(t->sums.sums, (size_t)GS_SUM_KINDS * cap * sizeof(gs_u64), 0, compute);
    for (unsigned k = 0; k < GS_SUM_KINDS && status == cudaSuccess; k++)
        status = cudaMemcpyAsync(t->sums.sums + (size_t)k * cap, old.sums.sums + (size_t)k * n,
                                 n * sizeof(gs_u64), cudaMemcpyDeviceToDevice, compute);
    if (status == cudaSuccess)
        status = cudaMemcpyAsync(t->actors.keys, old.actors.keys, n * sizeof(gs_u64),
                                 cudaMemcpyDeviceToDevice, compute);
    if (status == cudaSuccess)
        status = gs_launch_map_build(&t->actors, n, compute);
    if (status == cudaSuccess)
        status = cudaStreamSynchronize(compute);
    t->n_classified = 0;
    gs_buffer_free(&old.growing);
    return status;
}

void gs_tables_free(gs_tables *t)
{
    gs_buffer_free(&t->fixed);
    gs_buffer_free(&t->growing);
    *t = {};
}

/* SPDX-License-Identifier: MIT
 * A block has one chunk: whether its waits are told apart by holder depends on all of its rows.
 * Actors get their numbers in one kernel and are looked up in the next, so that no thread waits for
 * another.
 */
#include "cuda/chunk_rows.cuh"

namespace
{
const unsigned THREADS = 256;

enum column { SEQ, ACQ, THREAD, FLAGS, HOLD, HOLD_STACK, WAIT, WAIT_DS, WAIT_STACK, COLUMNS };
static_assert(COLUMNS == GS_CHUNK_ROWS_COLUMNS, "SLICE");

__device__ __host__ inline gs_u64 &value(const gs_decoded_chunks &c, column k, size_t i)
{
    return c.columns[(size_t)k * c.n_rows + i];
}

__device__ inline uint32_t to_u32(gs_u64 v)
{
    return (uint32_t)min(v, (gs_u64)UINT32_MAX);
}

__device__ inline uint32_t seen_by(const gs_decoded_chunks &c, size_t i)
{
    return (uint32_t)min((gs_u64)to_u32(value(c, WAIT_DS, i)), value(c, SEQ, i));
}

__device__ inline gs_u64 actor_key(const gs_decoded_chunks &c, uint32_t thread, gs_u64 stack)
{
    uint32_t number = GS_NO_NUMBER;
    if ((uint32_t)stack != GS_STACK_NONE)
        number = gs_map_find(c.stacks, (uint32_t)stack);
    return (gs_u64)thread << 32 | (number == GS_NO_NUMBER ? c.no_stack : c.stack_node[number]);
}

/* ---- one row ---- */

__device__ inline bool is_meant(const gs_decoded_chunks &c, const gs_part &p, size_t i,
                                uint32_t flags)
{
    gs_u64 seq = value(c, SEQ, i);
    if (seq < p.lo || seq > p.last)
        return false;
    if (p.reaching_below)
        return (flags & GS_SLICE_WAIT) && seq - seen_by(c, i) < p.reaching_below;
    return flags & (GS_SLICE_TURN | GS_SLICE_WAIT);
}

__device__ void put_times(const gs_decoded_chunks &c, const gs_part &p, size_t i, uint32_t flags)
{
    gs_u64 acq = value(c, ACQ, i);
    gs_u64 hold = flags & GS_SLICE_TURN ? value(c, HOLD, i) : 0;
    gs_u64 wait = flags & GS_SLICE_WAIT ? value(c, WAIT, i) : 0;
    gs_u64 rel = acq + hold < acq ? UINT64_MAX : acq + hold;
    c.rows.acq_ns[i] = gs_device_ns(c.clock, p.clock_epoch, acq);
    c.rows.rel_ns[i] = gs_device_ns(c.clock, p.clock_epoch, rel);
    c.rows.begin_ns[i] = gs_device_ns(c.clock, p.clock_epoch, acq > wait ? acq - wait : 0);
}

__device__ void put_hold(const gs_decoded_chunks &c, size_t i, uint32_t thread, uint32_t *flags)
{
    gs_u64 stack = *flags & GS_SLICE_TURN ? value(c, HOLD_STACK, i) : GS_STACK_NONE;
    gs_u64 key = actor_key(c, thread, stack);
    if ((uint32_t)key != c.no_stack)
        *flags |= GS_ROW_KNOWN_STACK;
    gs_map_add(c.actors, key);
    value(c, HOLD_STACK, i) = key;
}

__device__ void put_wait(const gs_decoded_chunks &c, size_t i, uint32_t thread, bool by_holder,
                         uint32_t *flags)
{
    gs_u64 key = GS_NO_KEY;
    uint32_t ds = 0;
    if (*flags & GS_SLICE_WAIT) {
        key = actor_key(c, thread, value(c, WAIT_STACK, i));
        ds = seen_by(c, i);
        if (by_holder || ds <= c.steps_per_row)
            *flags |= GS_ROW_BY_HOLDER;
        gs_map_add(c.actors, key);
    }
    value(c, WAIT_STACK, i) = key;
    c.rows.ds[i] = ds;
}

__device__ void put_row(const gs_decoded_chunks &c, const gs_part &p, size_t i, bool by_holder)
{
    uint32_t flags = (uint32_t)value(c, FLAGS, i) & ~(GS_ROW_KNOWN_STACK | GS_ROW_BY_HOLDER);
    uint32_t thread = to_u32(value(c, THREAD, i));
    if (p.reaching_below)
        flags &= ~(uint32_t)GS_SLICE_TURN;
    if (!is_meant(c, p, i, flags)) {
        value(c, HOLD_STACK, i) = value(c, WAIT_STACK, i) = GS_NO_KEY;
        c.rows.flags[i] = 0;
        return;
    }
    c.rows.seq[i] = value(c, SEQ, i);
    c.rows.thread[i] = thread;
    put_times(c, p, i, flags);
    put_hold(c, i, thread, &flags);
    put_wait(c, i, thread, by_holder, &flags);
    c.rows.flags[i] = flags;
}

/* ---- chunks ---- */

__device__ gs_u64 turns_seen(const gs_decoded_chunks &c, const gs_part &p)
{
    gs_u64 sum = 0;
    for (uint32_t k = threadIdx.x; k < p.n_rows; k += THREADS)
        if (value(c, FLAGS, p.first_row + k) & GS_SLICE_WAIT)
            sum += seen_by(c, p.first_row + k);
    return sum;
}

__global__ void __launch_bounds__(THREADS) gs_k_chunk_rows(gs_decoded_chunks c)
{
    GS_SHARED(gs_u64, seen, 1);
    const gs_part &p = c.parts[blockIdx.x];
    if (threadIdx.x == 0)
        seen[0] = 0;
    if (threadIdx.x < COLUMNS && c.damaged[blockIdx.x * COLUMNS + threadIdx.x])
        atomicOr(c.is_damaged, 1u);
    __syncthreads();
    atomicAdd(&seen[0], turns_seen(c, p));
    __syncthreads();
    gs_u64 most = (gs_u64)c.steps_per_row * p.n_rows + c.steps_of_chunk;
    bool by_holder = seen[0] <= most;
    for (uint32_t k = threadIdx.x; k < p.n_rows; k += THREADS)
        put_row(c, p, p.first_row + k, by_holder);
}

/* ---- actors ---- */

__device__ inline uint32_t actor_of(const gs_map &actors, gs_u64 key)
{
    return key == GS_NO_KEY ? 0 : gs_map_find(actors, key);
}

__global__ void __launch_bounds__(THREADS) gs_k_row_actors(gs_decoded_chunks c)
{
    size_t i = gs_global_thread();
    if (i >= c.n_rows)
        return;
    c.rows.hold_actor[i] = actor_of(c.actors, value(c, HOLD_STACK, i));
    c.rows.wait_actor[i] = actor_of(c.actors, value(c, WAIT_STACK, i));
}

__global__ void __launch_bounds__(THREADS)
    gs_k_add_actors(gs_map actors, const gs_u64 *keys, uint32_t n)
{
    size_t i = gs_global_thread();
    if (i < n && keys[i] != GS_NO_KEY)
        gs_map_add(actors, keys[i]);
}

__global__ void __launch_bounds__(THREADS)
    gs_k_find_actors(gs_map actors, const gs_u64 *keys, uint32_t n, uint32_t *out)
{
    size_t i = gs_global_thread();
    if (i < n)
        out[i] = gs_map_find(actors, keys[i]);
}

__global__ void __launch_bounds__(THREADS)
    gs_k_classify(gs_map actors, gs_actor_classes classes, uint32_t from, uint32_t to)
{
    size_t i = from + gs_global_thread();
    if (i >= to)
        return;
    gs_u64 thread = actors.keys[i] >> 32, node = (uint32_t)actors.keys[i];
    classes.of_thread[i] = gs_map_find(classes.threads, thread);
    classes.of_waiter[i] = gs_map_find(classes.waiters, node);
    classes.of_holder[i] = gs_map_find(classes.holders, node);
}
static_assert(GS_NO_NUMBER == GS_NO_CLASS, "not in the map: in no class");
} // namespace

cudaError_t gs_launch_chunk_rows(const struct gs_decoded_chunks *c, cudaStream_t stream)
{
    gs_decoded_chunks by_value = *c;
    GS_LAUNCH(gs_k_chunk_rows, c->n_parts, THREADS, 0, stream, by_value);
    return cudaGetLastError();
}

const gs_u64 *gs_hold_keys(const gs_decoded_chunks &c)
{
    return &value(c, HOLD_STACK, 0);
}

const gs_u64 *gs_wait_keys(const gs_decoded_chunks &c)
{
    return &value(c, WAIT_STACK, 0);
}

cudaError_t gs_launch_row_actors(const struct gs_decoded_chunks *c, cudaStream_t stream)
{
    gs_decoded_chunks by_value = *c;
    GS_LAUNCH(gs_k_row_actors, gs_blocks_for(c->n_rows, THREADS), THREADS, 0, stream, by_value);
    return cudaGetLastError();
}

cudaError_t gs_launch_add_actors(const struct gs_map *actors, const gs_u64 *keys, uint32_t n,
                                 cudaStream_t stream)
{
    gs_map by_value = *actors;
    GS_LAUNCH(gs_k_add_actors, gs_blocks_for(n, THREADS), THREADS, 0, stream, by_value, keys, n);
    return cudaGetLastError();
}

cudaError_t gs_launch_find_actors(const struct gs_map *actors, const gs_u64 *keys, uint32_t n,
                                  uint32_t *out, cudaStream_t stream)
{
    gs_map by_value = *actors;
    GS_LAUNCH(gs_k_find_actors, gs_blocks_for(n, THREADS), THREADS, 0, stream, by_value, keys, n,
              out);
    return cudaGetLastError();
}

cudaError_t gs_launch_classify(const struct gs_map *actors, const struct gs_actor_classes *classes,
                               uint32_t from, uint32_t to, cudaStream_t stream)
{
    gs_map map_by_value = *actors;
    gs_actor_classes by_value = *classes;
    GS_LAUNCH(gs_k_classify, gs_blocks_for(to - from, THREADS), THREADS, 0, stream, map_by_value,
              by_value, from, to);
    return cudaGetLastError();
}

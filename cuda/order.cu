/* SPDX-License-Identifier: MIT
 * Each row finds its place: its seq counted from the window's first, or, where seqs are sparse, the
 * rank of its seq after a radix sort. There it claims what it has to give: its halves and, for the
 * rest of the row, its being there. The earliest row in the file wins (of waits, first the one that
 * saw the most acquires), so the result does not depend on which thread comes first. Then places
 * that nobody claimed are left out and each row is put together from the winners.
 */
#include "cuda/order.cuh"

#include "cuda/primitives.cuh"

namespace
{
const unsigned THREADS = 256;
const uint32_t NOBODY = UINT32_MAX;
const uint32_t HALVES = GS_SLICE_TURN | GS_SLICE_WAIT;

struct places {
    uint32_t *of_row;         /* NOBODY: left out */
    uint32_t *row, *turn;     /* of each place: who won */
    gs_u64 *wait;             /* the same, see wait_claim() */
    gs_u64 *latest;           /* greatest acq_ns of its rows */
    uint32_t *numbers, *kept; /* 0, 1, 2 …; places that are taken */
    uint8_t *is_taken;
    gs_u64 *keys, *sorted_keys;   /* sparse */
    uint32_t *sorted_rows, *rank; /* sparse */
    gs_u64 *acq_ns, *a_ns;
    uint32_t n;
};

/* ---- places ---- */

__device__ inline bool is_ours(const gs_order &o, size_t i)
{
    return (o.in.flags[i] & HALVES) && o.in.seq[i] - o.first_seq < o.span;
}

__global__ void __launch_bounds__(THREADS) gs_k_clear_places(places p)
{
    size_t i = gs_global_thread();
    if (i >= p.n)
        return;
    p.row[i] = p.turn[i] = NOBODY;
    p.wait[i] = p.latest[i] = 0;
    p.numbers[i] = (uint32_t)i;
}

__global__ void __launch_bounds__(THREADS) gs_k_dense_places(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i < o.n_in)
        p.of_row[i] = is_ours(o, i) ? (uint32_t)(o.in.seq[i] - o.first_seq) : NOBODY;
}

/* Rows that are left out come behind all others: their key is the span. */
__global__ void __launch_bounds__(THREADS) gs_k_sort_keys(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i < o.n_in)
        p.keys[i] = is_ours(o, i) ? o.in.seq[i] - o.first_seq : o.span;
}

__global__ void __launch_bounds__(THREADS) gs_k_heads(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i < o.n_in)
        p.rank[i] = i > 0 && p.sorted_keys[i] != p.sorted_keys[i - 1];
}

__global__ void __launch_bounds__(THREADS) gs_k_sparse_places(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i < o.n_in)
        p.of_row[p.sorted_rows[i]] = p.sorted_keys[i] < o.span ? p.rank[i] : NOBODY;
}

/* ---- claims ---- */

/* Of waits the one that saw the most acquires wins; of equal ones the earliest. 0: nobody. */
__device__ inline gs_u64 wait_claim(uint32_t ds, uint32_t row)
{
    return (gs_u64)ds << 32 | (NOBODY - row);
}

__device__ inline uint32_t winner_of(gs_u64 claim)
{
    return NOBODY - (uint32_t)claim;
}

__global__ void __launch_bounds__(THREADS) gs_k_claim(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i >= o.n_in || p.of_row[i] == NOBODY)
        return;
    uint32_t place = p.of_row[i], row = (uint32_t)i;
    atomicMin(&p.row[place], row);
    atomicMax(&p.latest[place], o.in.acq_ns[i]);
    if (o.in.flags[i] & GS_SLICE_TURN)
        atomicMin(&p.turn[place], row);
    if (o.in.flags[i] & GS_SLICE_WAIT)
        atomicMax(&p.wait[place], wait_claim(o.in.ds[i], row));
}

__global__ void __launch_bounds__(THREADS) gs_k_taken(places p)
{
    size_t i = gs_global_thread();
    if (i < p.n)
        p.is_taken[i] = p.row[i] != NOBODY;
}

/* ---- rows ---- */

__device__ inline void put_turn(const gs_order &o, size_t to, uint32_t row, uint32_t from)
{
    const uint32_t taken =
        GS_SLICE_TURN | GS_SLICE_WAITED_FOR | GS_SLICE_FORCED | GS_ROW_KNOWN_STACK;
    o.out.rel_ns[to] = o.in.acq_ns[row];
    o.out.hold_actor[to] = o.in.hold_actor[row];
    if (from == NOBODY)
        return;
    o.out.rel_ns[to] += o.in.rel_ns[from] - o.in.acq_ns[from];
    o.out.hold_actor[to] = o.in.hold_actor[from];
    o.out.flags[to] |= o.in.flags[from] & taken;
}

__device__ inline void put_wait(const gs_order &o, size_t to, uint32_t row, uint32_t from)
{
    bool has = from != NOBODY;
    o.out.begin_ns[to] = has ? o.in.begin_ns[from] : o.in.acq_ns[row];
    o.out.wait_actor[to] = has ? o.in.wait_actor[from] : 0;
    o.out.ds[to] = has ? o.in.ds[from] : 0;
    if (!has)
        return;
    o.out.flags[to] &= ~GS_ROW_BY_HOLDER;
    o.out.flags[to] |= o.in.flags[from] & (GS_SLICE_WAIT | GS_ROW_BY_HOLDER);
}

/* p.acq_ns of what lies behind the last row is 0, for the maximum that follows. */
__global__ void __launch_bounds__(THREADS) gs_k_put_rows(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i >= p.n)
        return;
    p.acq_ns[i] = 0;
    if (i >= *o.n_out)
        return;
    uint32_t place = p.kept[i], row = p.row[place];
    o.out.seq[i] = o.in.seq[row];
    o.out.acq_ns[i] = o.in.acq_ns[row];
    p.acq_ns[i] = p.latest[place];
    o.out.thread[i] = o.in.thread[row];
    o.out.flags[i] = o.in.flags[row];
    put_turn(o, i, row, p.turn[place]);
    put_wait(o, i, row, winner_of(p.wait[place]));
}

__global__ void __launch_bounds__(THREADS) gs_k_monotone(gs_order o, places p)
{
    size_t i = gs_global_thread();
    if (i >= *o.n_out)
        return;
    gs_u64 a_ns = max(p.a_ns[i], (gs_u64)o.before_ns);
    o.out.a_ns[i] = a_ns;
    o.out.begin_ns[i] = min(o.out.begin_ns[i], a_ns);
}

/* ---- the host's part ---- */

int bits_of(uint64_t v)
{
    return v ? 64 - __builtin_clzll(v) : 0;
}

places carve_places(const gs_order &o, gs_carver *work)
{
    places p = {};
    p.n = o.is_sparse ? o.n_in : (uint32_t)o.span;
    p.of_row = work->array<uint32_t>(o.n_in);
    p.row = work->array<uint32_t>(p.n);
    p.turn = work->array<uint32_t>(p.n);
    p.wait = work->array<gs_u64>(p.n);
    p.latest = work->array<gs_u64>(p.n);
    p.numbers = work->array<uint32_t>(p.n);
    p.kept = work->array<uint32_t>(p.n);
    p.is_taken = work->array<uint8_t>(p.n);
    p.acq_ns = work->array<gs_u64>(p.n);
    p.a_ns = work->array<gs_u64>(p.n);
    if (o.is_sparse) {
        p.keys = work->array<gs_u64>(o.n_in);
        p.sorted_keys = work->array<gs_u64>(o.n_in);
        p.sorted_rows = work->array<uint32_t>(o.n_in);
        p.rank = work->array<uint32_t>(o.n_in);
    }
    return p;
}

/* numbers[] are the rows' here: places and rows are as many. */
cudaError_t find_sparse_places(const gs_order &o, const places &p, gs_carver *work,
                               cudaStream_t stream)
{
    unsigned grid = gs_blocks_for(o.n_in, THREADS);
    if (work->base)
        GS_LAUNCH(gs_k_sort_keys, grid, THREADS, 0, stream, o, p);
    cudaError_t status = gs_sort_pairs(work, p.keys, p.sorted_keys, p.numbers, p.sorted_rows,
                                       o.n_in, bits_of(o.span), stream);
    if (work->base && status == cudaSuccess)
        GS_LAUNCH(gs_k_heads, grid, THREADS, 0, stream, o, p);
    if (status == cudaSuccess)
        status = gs_inclusive_sum(work, p.rank, p.rank, o.n_in, stream);
    if (work->base && status == cudaSuccess)
        GS_LAUNCH(gs_k_sparse_places, grid, THREADS, 0, stream, o, p);
    return status;
}

/* Without memory in the carver: only counts what it would take. */
cudaError_t run_order(const gs_order &o, gs_carver *work, cudaStream_t stream)
{
    places p = carve_places(o, work);
    unsigned by_row = gs_blocks_for(o.n_in, THREADS), by_place = gs_blocks_for(p.n, THREADS);
    cudaError_t status = cudaSuccess;
    bool runs = work->base;
    if (runs)
        GS_LAUNCH(gs_k_clear_places, by_place, THREADS, 0, stream, p);
    if (o.is_sparse)
        status = find_sparse_places(o, p, work, stream);
    else if (runs)
        GS_LAUNCH(gs_k_dense_places, by_row, THREADS, 0, stream, o, p);
    if (runs && status == cudaSuccess) {
        GS_LAUNCH(gs_k_claim, by_row, THREADS, 0, stream, o, p);
        GS_LAUNCH(gs_k_taken, by_place, THREADS, 0, stream, p);
    }
    if (status == cudaSuccess)
        status = gs_select_flagged(work, p.numbers, p.is_taken, p.kept, o.n_out, p.n, stream);
    if (runs && status == cudaSuccess)
        GS_LAUNCH(gs_k_put_rows, by_place, THREADS, 0, stream, o, p);
    if (status == cudaSuccess)
        status = gs_inclusive_max(work, p.acq_ns, p.a_ns, p.n, stream);
    if (runs && status == cudaSuccess)
        GS_LAUNCH(gs_k_monotone, by_place, THREADS, 0, stream, o, p);
    return status;
}
} // namespace

size_t gs_order_work_bytes(const struct gs_order *order)
{
    gs_carver work = {NULL, 0, 0};
    run_order(*order, &work, NULL);
    return work.used;
}

cudaError_t gs_launch_order(const struct gs_order *order, void *work, size_t work_bytes,
                            cudaStream_t stream)
{
    gs_carver carver = {static_cast<char *>(work), 0, work_bytes};
    bool is_empty = order->n_in == 0 || order->span == 0;
    bool is_wide = !order->is_sparse && order->span >= UINT32_MAX;
    if (!work || is_empty || is_wide || work_bytes < gs_order_work_bytes(order))
        return cudaErrorInvalidValue;
    cudaError_t status = run_order(*order, &carver, stream);
    return status == cudaSuccess ? cudaGetLastError() : status;
}

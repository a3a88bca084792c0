/* SPDX-License-Identifier: MIT
 * 1. count: how many sub-periods each row's period has; a scan gives their places.
 * 2. cut: writes them; counts the holds of turns that several stacks share.
 * 3. lay: each wait finds its first sub-period by search, blames it for its part, and notes +1 and
 *    -1 where its run of whole ones begins and ends.
 * 4. scan the notes; blame each sub-period's holder for its length times the number that waited.
 *
 * All that is added is integers, so the order of threads changes nothing.
 */
#include "cuda/blame.cuh"

#include "cuda/primitives.cuh"
#include "cuda/segments.cuh"

namespace
{
const unsigned THREADS = 256, LANES = 32;

struct cuts {
    uint32_t *first; /* n + 1: of row i; of what lies behind the last, their number */
    gs_u64 *end_ns;
    uint32_t *actor;
    int32_t *delta; /* waiters that begin to (+) or no longer (-) wait through the whole of it */
    gs_wait_span *spans;
    uint32_t cap;
};

/* ---- the next row ---- */

struct next_row {
    gs_u64 seq, a_ns; /* seq 0: there is none */
};

__device__ inline next_row next_of(const gs_blame &b, uint32_t i)
{
    if (i + 1 < b.n)
        return {b.rows.seq[i + 1], b.rows.a_ns[i + 1]};
    return {b.next_seq, b.next_a_ns};
}

__device__ inline bool is_gap(gs_u64 seq, const next_row &next)
{
    return next.seq && next.seq != seq + 1;
}

__device__ inline gs_u64 period_end(const gs_blame &b, uint32_t i, const next_row &next)
{
    gs_u64 end = max(b.rows.rel_ns[i], b.rows.a_ns[i]);
    if (next.seq && next.seq - 1 == b.rows.seq[i])
        return next.a_ns;
    return next.seq ? min(end, next.a_ns) : end;
}

/* ---- 1. count ---- */

struct counter {
    uint32_t n, actor;

    __device__ void operator()(uint32_t next_actor, gs_u64)
    {
        n++;
        actor = next_actor;
    }
};

/* Counts lie one place behind their row: an inclusive sum then says where each row begins. */
__global__ void __launch_bounds__(THREADS) gs_k_count_subs(gs_blame b, cuts c)
{
    size_t at = gs_global_thread();
    uint32_t i = (uint32_t)at;
    if (at == b.n)
        c.first[0] = b.is_first;
    if (at >= b.n)
        return;
    gs_turn t = gs_turn_at(b, i);
    counter count = {0, 0};
    gs_each_segment(b, t, &count);
    c.first[i + 1] = count.n + is_gap(t.seq, next_of(b, i));
    bool is_plain = count.n == 1 && count.actor == t.hold_actor && !gs_is_expired(b.samples, t);
    b.is_cut[i] = (t.flags & GS_SLICE_TURN) && !is_plain;
}

/* ---- 2. cut ---- */

struct writer {
    const gs_blame *b;
    const cuts *c;
    uint32_t at;
    gs_u64 low_ns, period_end_ns;

    __device__ void operator()(uint32_t actor, gs_u64 end_ns)
    {
        low_ns = max(low_ns, min(end_ns, period_end_ns));
        c->end_ns[at] = low_ns;
        c->actor[at] = actor;
        at++;
    }
};

struct hold_counter {
    const gs_blame *b;
    gs_u64 at_ns, rel_ns;
    bool is_empty, expired;

    __device__ void operator()(uint32_t actor, gs_u64 end_ns)
    {
        gs_u64 end = min(end_ns, rel_ns), part = end > at_ns ? end - at_ns : 0;
        bool is_last = end_ns == UINT64_MAX;
        if (part)
            atomicAdd(gs_sum_at(b->actors, GS_SUM_HOLD_NS, actor), part);
        if (part || (is_empty && is_last))
            atomicAdd(gs_sum_at(b->actors, GS_SUM_HOLD_COUNT, actor), 1ull);
        if (expired && part >= GS_LONG_STRETCH_NS) {
            atomicAdd(gs_sum_at(b->actors, GS_SUM_LONG_NS, actor), part);
            atomicAdd(gs_sum_at(b->actors, GS_SUM_LONG_COUNT, actor), 1ull);
        }
        at_ns += part;
    }
};

__global__ void __launch_bounds__(THREADS) gs_k_cut(gs_blame b, cuts c)
{
    size_t at = gs_global_thread();
    uint32_t i = (uint32_t)at;
    if (at == 0 && b.is_first) {
        c.end_ns[0] = b.rows.a_ns[0];
        c.actor[0] = GS_NO_ACTOR;
    }
    if (at >= b.n)
        return;
    gs_turn t = gs_turn_at(b, i);
    next_row next = next_of(b, i);
    writer write = {&b, &c, c.first[i], b.rows.a_ns[i], period_end(b, i, next)};
    gs_each_segment(b, t, &write);
    if (is_gap(t.seq, next)) {
        c.end_ns[write.at] = next.a_ns;
        c.actor[write.at] = GS_NO_ACTOR;
    }
    if (b.is_cut[i]) {
        hold_counter count = {&b, t.acq_ns, t.rel_ns, t.rel_ns == t.acq_ns,
                              gs_is_expired(b.samples, t)};
        gs_each_segment(b, t, &count);
    }
}

__global__ void __launch_bounds__(THREADS) gs_k_clear_deltas(cuts c)
{
    size_t i = gs_global_thread();
    if (i < c.cap)
        c.delta[i] = 0;
}

/* ---- 3. lay ---- */

/* First of rows [0, hi) with seq >= want, or hi; most often it lies exactly `back` rows before. */
__device__ uint32_t find_row(const gs_blame &b, uint32_t hi, gs_u64 want, gs_u64 back)
{
    if (back <= hi && back > 0 && b.rows.seq[hi - back] == want)
        return hi - (uint32_t)back;
    uint32_t lo = back <= hi ? hi - (uint32_t)back : 0;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (b.rows.seq[mid] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First of sub-periods [lo, hi) that ends behind t_ns, or hi. Steps double from lo. */
__device__ uint32_t find_sub(const cuts &c, uint32_t lo, uint32_t hi, gs_u64 t_ns)
{
    uint32_t step = 1;
    while (step < hi - lo && c.end_ns[lo + step - 1] <= t_ns) {
        lo += step;
        step = min(2 * step, 1u << 30);
    }
    hi = step < hi - lo ? lo + step : hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c.end_ns[mid] <= t_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Where a wait's search may begin: the sub-period of turn seq - ds, or the unknown piece there. */
__device__ uint32_t search_from(const gs_blame &b, const cuts &c, uint32_t i, gs_u64 want,
                                gs_u64 ds)
{
    uint32_t row = find_row(b, i, want, i < b.n ? ds : b.next_seq - want);
    bool is_there = row < b.n && b.rows.seq[row] == want;
    return c.first[row] - !is_there;
}

/* i: its row; n for one that ends in a later window. is_whole: it waited from before the window. */
__device__ gs_wait_span span_of(const gs_blame &b, const cuts &c, const gs_rows &waits, uint32_t k,
                                uint32_t i, bool *is_whole)
{
    gs_u64 ds = waits.ds[k], want = waits.seq[k] - ds, begin_ns = waits.begin_ns[k];
    uint32_t end = c.first[i];
    bool before = !b.is_first && want < b.rows.seq[0];
    *is_whole = before && begin_ns < b.rows.a_ns[0];
    if (*is_whole)
        return {0, end, b.rows.a_ns[0]};
    uint32_t from = before ? 0 : search_from(b, c, i, want, ds);
    return {find_sub(c, from, end, begin_ns), end, begin_ns};
}

__device__ inline void add_blame(const gs_blame &b, uint32_t holder, gs_u64 ns, gs_u64 *unknown_ns)
{
    if (holder == GS_NO_ACTOR)
        *unknown_ns += ns;
    else if (ns)
        atomicAdd(gs_sum_at(b.actors, GS_SUM_BLAMED_NS, holder), ns);
}

__device__ gs_u64 lay(const gs_blame &b, const cuts &c, const gs_wait_span &s, bool is_whole)
{
    gs_u64 unknown_ns = 0;
    uint32_t whole = is_whole ? s.first : s.first + 1;
    if (s.first >= s.end)
        return 0;
    if (!is_whole)
        add_blame(b, c.actor[s.first], c.end_ns[s.first] - s.from_ns, &unknown_ns);
    if (whole < s.end) {
        atomicAdd(&c.delta[whole], 1);
        atomicAdd(&c.delta[s.end], -1);
    }
    return unknown_ns;
}

/* All lanes of the warp call. */
__device__ inline void add_unknown(const gs_blame &b, gs_u64 ns)
{
    for (int by = LANES / 2; by > 0; by /= 2)
        ns += __shfl_xor_sync(GS_FULL_WARP, ns, by);
    if (threadIdx.x % LANES == 0 && ns)
        atomicAdd(b.unknown_holder_ns, ns);
}

/* A row that waited. One that saw no acquire waited for nobody that is known. */
__device__ gs_u64 lay_row(const gs_blame &b, const cuts &c, uint32_t i)
{
    bool is_whole;
    c.spans[i] = {0, 0, 0};
    if (!(b.rows.flags[i] & GS_SLICE_WAIT))
        return 0;
    if (b.rows.ds[i] == 0)
        return b.rows.a_ns[i] - b.rows.begin_ns[i];
    c.spans[i] = span_of(b, c, b.rows, i, i, &is_whole);
    return lay(b, c, c.spans[i], is_whole);
}

__global__ void __launch_bounds__(THREADS) gs_k_lay(gs_blame b, cuts c)
{
    size_t at = gs_global_thread();
    gs_u64 unknown_ns = 0;
    bool is_whole;
    if (at < b.n) {
        unknown_ns = lay_row(b, c, (uint32_t)at);
    } else if (at < (size_t)b.n + b.n_reaching) {
        c.spans[at] = span_of(b, c, b.reaching, (uint32_t)(at - b.n), b.n, &is_whole);
        unknown_ns = lay(b, c, c.spans[at], is_whole);
    }
    add_unknown(b, unknown_ns);
}

/* ---- 4. sum ---- */

__global__ void __launch_bounds__(THREADS) gs_k_sum_subs(gs_blame b, cuts c)
{
    size_t k = gs_global_thread();
    gs_u64 unknown_ns = 0;
    if (k < c.first[b.n] && c.delta[k]) {
        gs_u64 first_ns = b.is_first ? 0 : b.rows.a_ns[0];
        gs_u64 begin_ns = k ? c.end_ns[k - 1] : first_ns;
        add_blame(b, c.actor[k], (gs_u64)c.delta[k] * (c.end_ns[k] - begin_ns), &unknown_ns);
    }
    add_unknown(b, unknown_ns);
}

/* ---- the host's part ---- */

cuts carve_cuts(const gs_blame &b, gs_carver *work)
{
    uint32_t per_row = b.n_shares ? GS_TYPICAL_SHARES + 1 : 2;
    cuts c = {};
    c.cap = per_row * b.n + b.samples.n + 2; /* one more than there can be: where waits end */
    c.first = work->array<uint32_t>((size_t)b.n + 1);
    c.end_ns = work->array<gs_u64>(c.cap);
    c.actor = work->array<uint32_t>(c.cap);
    c.delta = work->array<int32_t>(c.cap);
    c.spans = work->array<gs_wait_span>((size_t)b.n + b.n_reaching);
    return c;
}

void launch_counts(const gs_blame &b, const cuts &c, cudaStream_t stream)
{
    GS_LAUNCH(gs_k_count_subs, gs_blocks_for((size_t)b.n + 1, THREADS), THREADS, 0, stream, b, c);
    GS_LAUNCH(gs_k_clear_deltas, gs_blocks_for(c.cap, THREADS), THREADS, 0, stream, c);
}

void launch_waits(const gs_blame &b, const cuts &c, cudaStream_t stream)
{
    unsigned waits = gs_blocks_for((size_t)b.n + b.n_reaching, THREADS);
    GS_LAUNCH(gs_k_cut, gs_blocks_for(b.n, THREADS), THREADS, 0, stream, b, c);
    GS_LAUNCH(gs_k_lay, waits, THREADS, 0, stream, b, c);
}

/* Without memory in the carver: only counts what it would take. */
cudaError_t run_blame(const gs_blame &b, const cuts &c, gs_carver *work, cudaStream_t stream)
{
    bool runs = work->base;
    if (runs)
        launch_counts(b, c, stream);
    cudaError_t status = gs_inclusive_sum(work, c.first, c.first, (size_t)b.n + 1, stream);
    if (runs && status == cudaSuccess)
        launch_waits(b, c, stream);
    if (status == cudaSuccess)
        status = gs_inclusive_sum(work, c.delta, c.delta, c.cap, stream);
    if (runs && status == cudaSuccess)
        GS_LAUNCH(gs_k_sum_subs, gs_blocks_for(c.cap, THREADS), THREADS, 0, stream, b, c);
    return status;
}
} // namespace

size_t gs_blame_work_bytes(const struct gs_blame *blame)
{
    gs_carver work = {NULL, 0, 0};
    cuts c = carve_cuts(*blame, &work);
    run_blame(*blame, c, &work, NULL);
    return work.used;
}

cudaError_t gs_launch_blame(const struct gs_blame *blame, void *work, size_t work_bytes,
                            struct gs_blame_left *left, cudaStream_t stream)
{
    gs_carver carver = {static_cast<char *>(work), 0, work_bytes};
    bool is_empty = blame->n == 0;
    bool is_wide = blame->n >= UINT32_MAX / 8 || blame->samples.n >= UINT32_MAX / 8;
    if (!work || is_empty || is_wide || work_bytes < gs_blame_work_bytes(blame))
        return cudaErrorInvalidValue;
    cuts c = carve_cuts(*blame, &carver);
    *left = {c.spans, c.end_ns, c.actor};
    cudaError_t status = run_blame(*blame, c, &carver, stream);
    return status == cudaSuccess ? cudaGetLastError() : status;
}

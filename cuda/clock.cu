/* SPDX-License-Identifier: MIT
 * One thread a tick. Neighbours nearly always lie in one segment, so the search for it takes the
 * same way in a whole warp and its loads are broadcasts.
 *
 * Before the first segment a tick needs a 128-bit division; that is slow, and rare.
 */
#include "cuda/clock.cuh"

namespace
{
const unsigned THREADS = 256;
typedef unsigned __int128 u128;

struct wide {
    gs_u64 high, low;
};

__device__ inline wide product(gs_u64 a, gs_u64 b)
{
    return {__umul64hi(a, b), a * b};
}

__device__ inline wide sum(wide a, gs_u64 b)
{
    gs_u64 low = a.low + b;
    return {a.high + (low < b), low};
}

__device__ inline gs_u64 saturate(wide v)
{
    return v.high || v.low > GS_NS_MAX ? GS_NS_MAX : v.low;
}

/* The last segment of the epoch that begins at or before ticks; the epoch's first where none does;
 * the nearest one below for an epoch without any. */
__device__ size_t find_segment(const gs_ticks &c, uint32_t epoch, gs_u64 ticks)
{
    size_t lo = 0, hi = c.n_segments;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const gs_tick_segment &s = c.segments[mid];
        if (s.epoch < epoch || (s.epoch == epoch && s.t0 <= ticks))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return 0;
    bool next_is_ours = lo < c.n_segments && c.segments[lo].epoch == epoch;
    return c.segments[lo - 1].epoch != epoch && next_is_ours ? lo : lo - 1;
}

/* ns0 + floor(dt * d_ns / d_ticks): the quotient by magic is at most one too small, and the
 * remainder, below 2 * d_ticks, says so. */
__device__ gs_u64 forwards(const gs_tick_segment &s, gs_u64 dt)
{
    gs_u64 q = __umul64hi(dt, s.magic);
    wide all = product(dt, s.frac), taken = product(q, s.d_ticks);
    gs_u64 rest_low = all.low - taken.low;
    gs_u64 rest_high = all.high - taken.high - (all.low < taken.low);
    if (rest_high || rest_low >= s.d_ticks)
        q++;
    return saturate(sum(sum(product(dt, s.whole), q), s.ns0));
}

__device__ gs_u64 backwards(const gs_tick_segment &s, gs_u64 dt)
{
    u128 back = ((u128)dt * s.d_ns + s.d_ticks - 1) / s.d_ticks;
    return back < s.ns0 ? s.ns0 - (gs_u64)back : 0;
}

__device__ gs_u64 by_slope(const gs_ticks &c, gs_u64 ticks)
{
    u128 ns = (u128)ticks * c.dur_ns / c.dur_ticks;
    return ns < GS_NS_MAX ? (gs_u64)ns : GS_NS_MAX;
}

__device__ gs_u64 ns_of(const gs_ticks &c, uint32_t epoch, gs_u64 ticks)
{
    if (c.identity)
        return min(ticks, (gs_u64)GS_NS_MAX);
    if (c.n_segments == 0)
        return by_slope(c, ticks);
    const gs_tick_segment &s = c.segments[find_segment(c, epoch, ticks)];
    return ticks >= s.t0 ? forwards(s, ticks - s.t0) : backwards(s, s.t0 - ticks);
}

__global__ void __launch_bounds__(THREADS)
    gs_k_ticks_to_ns(gs_ticks clock, uint32_t epoch, gs_u64 *ticks, size_t n)
{
    size_t i = gs_global_thread();
    if (i < n)
        ticks[i] = ns_of(clock, epoch, ticks[i]);
}
} // namespace

cudaError_t gs_launch_ticks_to_ns(const struct gs_ticks *clock, uint32_t epoch, gs_u64 *ticks,
                                  size_t n, cudaStream_t stream)
{
    gs_ticks by_value = *clock;
    GS_LAUNCH(gs_k_ticks_to_ns, gs_blocks_for(n, THREADS), THREADS, 0, stream, by_value, epoch,
              ticks, n);
    return cudaGetLastError();
}

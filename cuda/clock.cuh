/* SPDX-License-Identifier: MIT
 * Ticks -> nanoseconds, as gs_clock_ns() has it (analyzer/clock.h, TRACE_FORMAT.md section 6).
 * Neighbours nearly always lie in one segment, so the search for it takes the same way in a whole
 * warp and its loads are broadcasts. Before the first segment a tick needs a 128-bit division; that
 * is slow, and rare.
 */
#ifndef GS_CLOCK_CUH
#define GS_CLOCK_CUH

#include "cuda/device.cuh"

#define GS_NS_MAX (UINT64_MAX / 2)

/* Sorted by epoch, then t0. Filled by gs_tick_segment_of(). */
struct gs_tick_segment {
    gs_u64 t0, ns0;
    gs_u64 d_ticks, d_ns;
    gs_u64 whole, frac, magic; /* d_ns = whole * d_ticks + frac; magic = frac * 2^64 / d_ticks */
    uint32_t epoch, unused;
};
struct gs_ticks {
    const struct gs_tick_segment *segments; /* the device's */
    size_t n_segments;
    gs_u64 dur_ticks, dur_ns; /* overall slope, where there is no segment */
    bool identity;            /* ticks are ns */
};

inline struct gs_tick_segment gs_tick_segment_of(uint32_t epoch, uint64_t t0, uint64_t ns0,
                                                 uint64_t d_ticks, uint64_t d_ns)
{
    uint64_t frac = d_ns % d_ticks;
    uint64_t magic = (uint64_t)(((unsigned __int128)frac << 64) / d_ticks);
    return {t0, ns0, d_ticks, d_ns, d_ns / d_ticks, frac, magic, epoch, 0};
}

/* ---- on the device ---- */

struct gs_wide {
    gs_u64 high, low;
};

__device__ inline gs_wide gs_wide_product(gs_u64 a, gs_u64 b)
{
    return {__umul64hi(a, b), a * b};
}

__device__ inline gs_wide gs_wide_sum(gs_wide a, gs_u64 b)
{
    gs_u64 low = a.low + b;
    return {a.high + (low < b), low};
}

__device__ inline gs_u64 gs_clock_saturate(gs_wide v)
{
    return v.high || v.low > GS_NS_MAX ? GS_NS_MAX : v.low;
}

/* The last segment of the epoch that begins at or before ticks; the epoch's first where none does;
 * the nearest one below for an epoch without any. */
__device__ inline size_t gs_clock_find_segment(const gs_ticks &c, uint32_t epoch, gs_u64 ticks)
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
__device__ inline gs_u64 gs_clock_forwards(const gs_tick_segment &s, gs_u64 dt)
{
    gs_u64 q = __umul64hi(dt, s.magic);
    gs_wide all = gs_wide_product(dt, s.frac), taken = gs_wide_product(q, s.d_ticks);
    gs_u64 rest_low = all.low - taken.low;
    gs_u64 rest_high = all.high - taken.high - (all.low < taken.low);
    if (rest_high || rest_low >= s.d_ticks)
        q++;
    return gs_clock_saturate(gs_wide_sum(gs_wide_sum(gs_wide_product(dt, s.whole), q), s.ns0));
}

__device__ inline gs_u64 gs_clock_backwards(const gs_tick_segment &s, gs_u64 dt)
{
    unsigned __int128 back = ((unsigned __int128)dt * s.d_ns + s.d_ticks - 1) / s.d_ticks;
    return back < s.ns0 ? s.ns0 - (gs_u64)back : 0;
}

__device__ inline gs_u64 gs_clock_by_slope(const gs_ticks &c, gs_u64 ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * c.dur_ns / c.dur_ticks;
    return ns < GS_NS_MAX ? (gs_u64)ns : GS_NS_MAX;
}

__device__ inline gs_u64 gs_device_ns(const gs_ticks &c, uint32_t epoch, gs_u64 ticks)
{
    if (c.identity)
        return min(ticks, (gs_u64)GS_NS_MAX);
    if (c.n_segments == 0)
        return gs_clock_by_slope(c, ticks);
    const gs_tick_segment &s = c.segments[gs_clock_find_segment(c, epoch, ticks)];
    return ticks >= s.t0 ? gs_clock_forwards(s, ticks - s.t0) : gs_clock_backwards(s, s.t0 - ticks);
}

#endif

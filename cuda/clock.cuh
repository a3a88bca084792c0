/* SPDX-License-Identifier: MIT
 * Ticks -> nanoseconds, as gs_clock_ns() has it (analyzer/clock.h, TRACE_FORMAT.md section 6).
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

/* In place: n ticks of one epoch. */
cudaError_t gs_launch_ticks_to_ns(const struct gs_ticks *clock, uint32_t epoch, gs_u64 *ticks,
                                  size_t n, cudaStream_t stream);

#endif

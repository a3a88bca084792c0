/* SPDX-License-Identifier: MIT
 * Ticks -> nanoseconds of CLOCK_MONOTONIC_RAW: piecewise linear between clock records, in exact
 * integers (floor). One clock per process; epochs (clock steps) are separate lines.
 */
#ifndef GS_CLOCK_H
#define GS_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records nearer than this to the last kept one are dropped: their bracket error would bend the
 * slope. */
#define GS_CLOCK_MIN_STEP_NS 500000000u

struct gs_clock_point {
    uint64_t ticks, ns;
    uint32_t epoch;
};
struct gs_clock_segment { /* holds for ticks >= t0, up to the next segment's t0 */
    uint64_t t0, ns0;
    uint64_t d_ticks, d_ns;      /* slope; d_ticks > 0 */
    uint64_t whole, frac, magic; /* d_ns = whole * d_ticks + frac; magic = frac * 2^64 / d_ticks */
    uint64_t quick_ticks;        /* below it one multiplication by magic + 1 is exact, and inside */
    uint32_t epoch;
};
struct gs_clock {
    struct gs_clock_point *points;
    size_t n_points, cap_points;
    struct gs_clock_segment *segments; /* by epoch, t0 */
    size_t n_segments;
    uint64_t dur_ticks, dur_ns; /* slope for durations: first to last point of the longest epoch */
    bool identity;              /* ticks are ns */
    bool guessed;               /* no two records: tick_hz, or 1 ns a tick */
};

void gs_clock_add(struct gs_clock *c, uint32_t epoch, uint64_t ticks, uint64_t ns);
/* tick_hz: from the settings, 0 if not there. Call once, before the first conversion. */
void gs_clock_build(struct gs_clock *c, bool ticks_are_ns, uint64_t tick_hz);
/* Any tick of any epoch; before the first and behind the last point by the nearest segment. 0 and
 * UINT64_MAX / 2 are the bounds. */
uint64_t gs_clock_ns(const struct gs_clock *c, uint32_t epoch, uint64_t ticks);
/* A duration, by the clock's overall slope. */
uint64_t gs_clock_duration_ns(const struct gs_clock *c, uint64_t ticks);
void gs_clock_free(struct gs_clock *c);

/* The segment for a tick, to convert many neighbours: *hint is kept by the caller, starts at 0. */
uint64_t gs_clock_ns_hint(const struct gs_clock *c, uint32_t epoch, uint64_t ticks, size_t *hint);
/* The same for n ticks of one epoch, in place: quickest where they are near each other. */
void gs_clock_convert(const struct gs_clock *c, uint32_t epoch, uint64_t *ticks, size_t n);
/* The line that all ticks from min to max lie on, whose bits are those of the conversion. false:
 * they are too far apart, or not all in the quick part of one segment. */
struct gs_line;
bool gs_clock_line(const struct gs_clock *c, uint32_t epoch, uint64_t min, uint64_t max,
                   struct gs_line *out);

#endif

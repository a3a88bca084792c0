/* SPDX-License-Identifier: MIT
 * Each loop stands here once and is compiled twice, with AVX2 and without; which one runs is a
 * plain branch (an ifunc would run before sanitizers are there).
 */
#include "analyzer/column_math.h"

#include "preload/trace/trace_format.h"

#define BODY static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define TWICE(type, name, params, args)                                                            \
    __attribute__((target("avx2"))) static type name##_avx2 params                                 \
    {                                                                                              \
        return name##_body args;                                                                   \
    }                                                                                              \
    type name params                                                                               \
    {                                                                                              \
        if (__builtin_cpu_supports("avx2"))                                                        \
            return name##_avx2 args;                                                               \
        return name##_body args;                                                                   \
    }
#else
#define TWICE(type, name, params, args)                                                            \
    type name params                                                                               \
    {                                                                                              \
        return name##_body args;                                                                   \
    }
#endif

BODY uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

BODY uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* All bits where the flag is set. */
BODY uint64_t mask_of(uint64_t flags, uint64_t flag)
{
    return 0 - (uint64_t)((flags & flag) != 0);
}

BODY struct gs_range gs_column_range_body(const uint64_t *v, size_t n)
{
    struct gs_range r = {UINT64_MAX, 0};
    for (size_t i = 0; i < n; i++) {
        r.min = min_u64(r.min, v[i]);
        r.max = max_u64(r.max, v[i]);
    }
    return r;
}
TWICE(struct gs_range, gs_column_range, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_ascends_body(const uint64_t *v, size_t n)
{
    uint64_t falls = 0;
    for (size_t i = 1; i < n; i++)
        falls |= v[i] <= v[i - 1];
    return !falls;
}
TWICE(bool, gs_column_ascends, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_rises_body(const uint64_t *v, size_t n)
{
    uint64_t falls = 0;
    for (size_t i = 1; i < n; i++)
        falls |= v[i] < v[i - 1];
    return !falls;
}
TWICE(bool, gs_column_rises, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_all_have_body(const uint64_t *v, size_t n, uint64_t bits)
{
    uint64_t without = 0;
    for (size_t i = 0; i < n; i++)
        without |= (v[i] & bits) == 0;
    return !without;
}
TWICE(bool, gs_column_all_have, (const uint64_t *v, size_t n, uint64_t bits), (v, n, bits))

BODY void gs_column_times_body(const uint64_t *flags, const uint64_t *acq, uint64_t *restrict hold,
                               uint64_t *restrict wait, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t rel = acq[i] + (hold[i] & mask_of(flags[i], GS_SLICE_TURN));
        uint64_t back = wait[i] & mask_of(flags[i], GS_SLICE_WAIT);
        hold[i] = rel < acq[i] ? UINT64_MAX : rel;
        wait[i] = acq[i] > back ? acq[i] - back : 0;
    }
}
TWICE(void, gs_column_times,
      (const uint64_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait, size_t n),
      (flags, acq, hold, wait, n))

BODY struct gs_range gs_column_releases_body(const uint64_t *flags, const uint64_t *acq,
                                             const uint64_t *hold, size_t n)
{
    struct gs_range r = {UINT64_MAX, 0};
    for (size_t i = 0; i < n; i++) {
        uint64_t rel = acq[i] + (hold[i] & mask_of(flags[i], GS_SLICE_TURN));
        rel = rel < acq[i] ? UINT64_MAX : rel;
        r.min = min_u64(r.min, rel);
        r.max = max_u64(r.max, rel);
    }
    return r;
}
TWICE(struct gs_range, gs_column_releases,
      (const uint64_t *flags, const uint64_t *acq, const uint64_t *hold, size_t n),
      (flags, acq, hold, n))

BODY uint64_t gs_column_limit_ds_body(const uint64_t *flags, const uint64_t *seq,
                                      uint64_t *restrict ds, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        ds[i] = min_u64(min_u64(ds[i], UINT32_MAX), seq[i]);
        sum += ds[i] & mask_of(flags[i], GS_SLICE_WAIT);
    }
    return sum;
}
TWICE(uint64_t, gs_column_limit_ds,
      (const uint64_t *flags, const uint64_t *seq, uint64_t *ds, size_t n), (flags, seq, ds, n))

BODY uint64_t gs_column_reach_body(const uint64_t *flags, const uint64_t *seq, const uint64_t *ds,
                                   size_t n)
{
    uint64_t reach = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        reach = min_u64(reach, (seq[i] - ds[i]) | ~mask_of(flags[i], GS_SLICE_WAIT));
    return reach;
}
TWICE(uint64_t, gs_column_reach,
      (const uint64_t *flags, const uint64_t *seq, const uint64_t *ds, size_t n),
      (flags, seq, ds, n))

BODY struct gs_thread_sets gs_column_threads_body(const uint64_t *flags, const uint64_t *threads,
                                                  size_t n)
{
    struct gs_thread_sets s = {0, 0};
    uint64_t ids = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = UINT64_C(1) << (threads[i] & 63);
        ids |= threads[i] > 62;
        s.any |= bit;
        s.with_turn |= bit & mask_of(flags[i], GS_SLICE_TURN);
    }
    return ids ? (struct gs_thread_sets){UINT64_MAX, UINT64_MAX} : s;
}
TWICE(struct gs_thread_sets, gs_column_threads,
      (const uint64_t *flags, const uint64_t *threads, size_t n), (flags, threads, n))

/* In halves of 32 bits, as vector units multiply them; no sum overflows: (2^32 - 1)^2 + 2 * (2^32 -
 * 1) = 2^64 - 1. */
BODY void gs_column_line_body(uint64_t *restrict v, size_t n, struct gs_line l)
{
    uint64_t slope_low = (uint32_t)l.slope, slope_high = l.slope >> 32;
    uint64_t rest_low = (uint32_t)l.rest, rest_high = l.rest >> 32;
    for (size_t i = 0; i < n; i++) {
        uint64_t d = (uint32_t)(v[i] - l.from);
        uint64_t low = (d * slope_low + rest_low) >> 32;
        v[i] = l.ns + d * (uint32_t)l.whole + ((d * slope_high + rest_high + low) >> 32);
    }
}
TWICE(void, gs_column_line, (uint64_t * v, size_t n, struct gs_line line), (v, n, line))

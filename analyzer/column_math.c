/* SPDX-License-Identifier: MIT
 * Each loop stands here once and is compiled three times: with AVX-512, with AVX2 and without.
 * Which one runs is a plain branch (an ifunc would run before sanitizers are there).
 */
#include "analyzer/column_math.h"

#include <string.h>

#include "preload/trace/trace_format.h"

#define BODY static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512bw,avx512dq,avx512vl")))

static inline bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

#define VARIANTS(type, name, params, args)                                                         \
    AVX2 static type name##_avx2 params                                                            \
    {                                                                                              \
        return name##_body args;                                                                   \
    }                                                                                              \
    AVX512 static type name##_avx512 params                                                        \
    {                                                                                              \
        return name##_body args;                                                                   \
    }                                                                                              \
    type name params                                                                               \
    {                                                                                              \
        if (has_avx512())                                                                          \
            return name##_avx512 args;                                                             \
        if (__builtin_cpu_supports("avx2"))                                                        \
            return name##_avx2 args;                                                               \
        return name##_body args;                                                                   \
    }
#else
#define VARIANTS(type, name, params, args)                                                         \
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
VARIANTS(struct gs_range, gs_column_range, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_ascends_body(const uint64_t *v, size_t n)
{
    uint64_t falls = 0;
    for (size_t i = 1; i < n; i++)
        falls |= v[i] <= v[i - 1];
    return !falls;
}
VARIANTS(bool, gs_column_ascends, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_rises_body(const uint64_t *v, size_t n)
{
    uint64_t falls = 0;
    for (size_t i = 1; i < n; i++)
        falls |= v[i] < v[i - 1];
    return !falls;
}
VARIANTS(bool, gs_column_rises, (const uint64_t *v, size_t n), (v, n))

BODY bool gs_column_within_body(const uint64_t *v, const uint64_t *limit, size_t n)
{
    uint64_t above = 0;
    for (size_t i = 0; i < n; i++)
        above |= v[i] > limit[i];
    return !above;
}
VARIANTS(bool, gs_column_within, (const uint64_t *v, const uint64_t *limit, size_t n),
         (v, limit, n))

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
VARIANTS(void, gs_column_times,
         (const uint64_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait, size_t n),
         (flags, acq, hold, wait, n))

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
VARIANTS(uint64_t, gs_column_limit_ds,
         (const uint64_t *flags, const uint64_t *seq, uint64_t *ds, size_t n), (flags, seq, ds, n))

/* In halves of 32 bits, as vector units multiply them; no sum overflows: (2^32 - 1)^2 + 2 * (2^32 -
 * 1) = 2^64 - 1. */
BODY uint64_t on_line(uint64_t v, struct gs_line l)
{
    uint64_t slope_low = (uint32_t)l.slope, slope_high = l.slope >> 32;
    uint64_t rest_low = (uint32_t)l.rest, rest_high = l.rest >> 32;
    uint64_t d = (uint32_t)(v - l.from);
    uint64_t low = (d * slope_low + rest_low) >> 32;
    return l.ns + d * (uint32_t)l.whole + ((d * slope_high + rest_high + low) >> 32);
}

BODY void gs_column_line_body(uint64_t *restrict v, size_t n, struct gs_line l)
{
    for (size_t i = 0; i < n; i++)
        v[i] = on_line(v[i], l);
}
VARIANTS(void, gs_column_line, (uint64_t * v, size_t n, struct gs_line line), (v, n, line))

BODY void gs_column_step_words_body(const uint64_t *v, size_t n, unsigned bits,
                                    uint64_t *restrict out)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t step = v[i] - v[i - 1];
        out[i] = (step << bits) + (step != 0);
    }
}
VARIANTS(void, gs_column_step_words, (const uint64_t *v, size_t n, unsigned bits, uint64_t *out),
         (v, n, bits, out))

/* ---- of rows whose flags, threads and ds are columns of 32 bits ---- */

BODY bool gs_narrow_all_have_body(const uint32_t *v, size_t n, uint32_t bits)
{
    uint32_t without = 0;
    for (size_t i = 0; i < n; i++)
        without |= (v[i] & bits) == 0;
    return !without;
}
VARIANTS(bool, gs_narrow_all_have, (const uint32_t *v, size_t n, uint32_t bits), (v, n, bits))

BODY void gs_narrow_times_body(const uint32_t *flags, const uint64_t *acq, uint64_t *restrict hold,
                               uint64_t *restrict wait, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t rel = acq[i] + (hold[i] & mask_of(flags[i], GS_SLICE_TURN));
        uint64_t back = wait[i] & mask_of(flags[i], GS_SLICE_WAIT);
        hold[i] = rel < acq[i] ? UINT64_MAX : rel;
        wait[i] = acq[i] > back ? acq[i] - back : 0;
    }
}
VARIANTS(void, gs_narrow_times,
         (const uint32_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait, size_t n),
         (flags, acq, hold, wait, n))

BODY struct gs_tick_bounds gs_column_tick_bounds_body(const uint64_t *acq, const uint64_t *hold,
                                                      const uint64_t *wait, size_t n)
{
    struct gs_tick_bounds b = {UINT64_MAX, 0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        b.min_acq = min_u64(b.min_acq, acq[i]);
        b.max_acq = max_u64(b.max_acq, acq[i]);
        b.max_hold = max_u64(b.max_hold, hold[i]);
        b.max_wait = max_u64(b.max_wait, wait[i]);
    }
    return b;
}
VARIANTS(struct gs_tick_bounds, gs_column_tick_bounds,
         (const uint64_t *acq, const uint64_t *hold, const uint64_t *wait, size_t n),
         (acq, hold, wait, n))

BODY void times_on_line(const uint32_t *flags, uint64_t *restrict acq, uint64_t *restrict hold,
                        uint64_t *restrict wait, uint64_t *restrict copy, size_t n,
                        struct gs_line l)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = acq[i];
        hold[i] = on_line(at + (hold[i] & mask_of(flags[i], GS_SLICE_TURN)), l);
        wait[i] = on_line(at - (wait[i] & mask_of(flags[i], GS_SLICE_WAIT)), l);
        acq[i] = copy[i] = on_line(at, l);
    }
}
/* Most ticks are shorter than a ns: that is a multiplication less. */
BODY void gs_narrow_line_times_body(const uint32_t *flags, uint64_t *restrict acq,
                                    uint64_t *restrict hold, uint64_t *restrict wait,
                                    uint64_t *restrict copy, size_t n, struct gs_line l)
{
    struct gs_line fraction = {l.from, l.ns, 0, l.slope, l.rest};
    if (l.whole)
        times_on_line(flags, acq, hold, wait, copy, n, l);
    else
        times_on_line(flags, acq, hold, wait, copy, n, fraction);
}
VARIANTS(void, gs_narrow_line_times,
         (const uint32_t *flags, uint64_t *acq, uint64_t *hold, uint64_t *wait, uint64_t *copy,
          size_t n, struct gs_line line),
         (flags, acq, hold, wait, copy, n, line))

BODY uint64_t gs_narrow_limit_ds_body(const uint32_t *flags, const uint64_t *seq,
                                      uint32_t *restrict ds, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t seen = min_u64(ds[i], seq[i]);
        ds[i] = (uint32_t)seen;
        sum += seen & mask_of(flags[i], GS_SLICE_WAIT);
    }
    return sum;
}
VARIANTS(uint64_t, gs_narrow_limit_ds,
         (const uint32_t *flags, const uint64_t *seq, uint32_t *ds, size_t n), (flags, seq, ds, n))

BODY void gs_narrow_mark_body(uint32_t *restrict flags, size_t n, uint32_t clear, uint32_t of,
                              const uint32_t *v, uint32_t limit, uint32_t set)
{
    for (size_t i = 0; i < n; i++) {
        bool marked = ((flags[i] & of) != 0) & (v[i] <= limit);
        flags[i] = (flags[i] & ~clear) | (set & (0 - (uint32_t)marked));
    }
}
VARIANTS(void, gs_narrow_mark,
         (uint32_t * flags, size_t n, uint32_t clear, uint32_t of, const uint32_t *v,
          uint32_t limit, uint32_t set),
         (flags, n, clear, of, v, limit, set))

BODY struct gs_range gs_narrow_releases_body(const uint32_t *flags, const uint64_t *acq,
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
VARIANTS(struct gs_range, gs_narrow_releases,
         (const uint32_t *flags, const uint64_t *acq, const uint64_t *hold, size_t n),
         (flags, acq, hold, n))

BODY uint64_t gs_narrow_reach_body(const uint32_t *flags, const uint64_t *seq, const uint32_t *ds,
                                   size_t n)
{
    uint64_t reach = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        reach =
            min_u64(reach, (seq[i] - min_u64(ds[i], seq[i])) | ~mask_of(flags[i], GS_SLICE_WAIT));
    return reach;
}
VARIANTS(uint64_t, gs_narrow_reach,
         (const uint32_t *flags, const uint64_t *seq, const uint32_t *ds, size_t n),
         (flags, seq, ds, n))

bool gs_narrow_last_rows(const uint32_t *flags, const uint32_t *threads, size_t n,
                         struct gs_last_rows *last)
{
    uint32_t ids = 0;
    memset(last, 0xff, sizeof(*last));
    for (size_t i = 0; i < n; i++) {
        last->at[flags[i] & GS_SLICE_TURN][threads[i] % GS_LAST_THREADS] = (uint16_t)i;
        ids |= threads[i];
    }
    return ids < GS_LAST_THREADS;
}

/* SPDX-License-Identifier: MIT
 * Loops over whole columns of 64-bit numbers, for the vector units the machine has.
 */
#ifndef GS_COLUMN_MATH_H
#define GS_COLUMN_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_range {
    uint64_t min, max;
};
/* n > 0. */
struct gs_range gs_column_range(const uint64_t *v, size_t n);
/* Whether each is greater than the one before. */
bool gs_column_ascends(const uint64_t *v, size_t n);
/* Whether none is less than the one before. */
bool gs_column_rises(const uint64_t *v, size_t n);
/* Whether no v[i] is greater than limit[i]. */
bool gs_column_within(const uint64_t *v, const uint64_t *limit, size_t n);

/* Of rows of a SLICE chunk: hold -> acq + hold and wait -> acq - wait, of rows whose flags say that
 * they have such a half; else -> acq. Saturates at UINT64_MAX and 0. */
void gs_column_times(const uint64_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait,
                     size_t n);
/* ds = min(ds, seq, UINT32_MAX); returns their sum over rows that wait. */
uint64_t gs_column_limit_ds(const uint64_t *flags, const uint64_t *seq, uint64_t *ds, size_t n);
/* v = ns + floor(((v - from) * slope + rest) / 2^64) + (v - from) * whole, slope and rest being
 * fractions of 2^64; every v - from and `whole` are below 2^32. */
struct gs_line {
    uint64_t from, ns, whole, slope, rest;
};
void gs_column_line(uint64_t *v, size_t n, struct gs_line line);

/* out[i] = step << bits | (step > 0) of the step from v[i - 1] to v[i]; not out[0]. */
void gs_column_step_words(const uint64_t *v, size_t n, unsigned bits, uint64_t *out);

/* ---- of rows whose flags, threads and ds are columns of 32 bits ---- */

/* Whether all of them have one of these bits at least. */
bool gs_narrow_all_have(const uint32_t *v, size_t n, uint32_t bits);
/* As gs_column_times(). */
void gs_narrow_times(const uint32_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait,
                     size_t n);
/* n > 0. */
struct gs_tick_bounds {
    uint64_t min_acq, max_acq, max_hold, max_wait;
};
struct gs_tick_bounds gs_column_tick_bounds(const uint64_t *acq, const uint64_t *hold,
                                            const uint64_t *wait, size_t n);
/* The same times, of which none would saturate, and the acquires, all by one line; `copy` is of the
 * acquires. */
void gs_narrow_line_times(const uint32_t *flags, uint64_t *acq, uint64_t *hold, uint64_t *wait,
                          uint64_t *copy, size_t n, struct gs_line line);
/* ds = min(ds, seq); returns their sum over rows that wait. */
uint64_t gs_narrow_limit_ds(const uint32_t *flags, const uint64_t *seq, uint32_t *ds, size_t n);

/* flags lose the bits `clear`, and get the bit `set` where they have `of` and v is not above limit.
 */
void gs_narrow_mark(uint32_t *flags, size_t n, uint32_t clear, uint32_t of, const uint32_t *v,
                    uint32_t limit, uint32_t set);

/* Times acq + hold; saturated. n > 0. */
struct gs_range gs_narrow_releases(const uint32_t *flags, const uint64_t *acq, const uint64_t *hold,
                                   size_t n);
/* Least seq - min(ds, seq) of rows that wait; UINT64_MAX where none does. */
uint64_t gs_narrow_reach(const uint32_t *flags, const uint64_t *seq, const uint32_t *ds, size_t n);
/* Of each thread the last row without a TURN, and the last with one: UINT16_MAX where there is
 * none. false: an id is not below GS_LAST_THREADS. n < UINT16_MAX. */
#define GS_LAST_THREADS 64u
struct gs_last_rows {
    uint16_t at[2][GS_LAST_THREADS];
};
bool gs_narrow_last_rows(const uint32_t *flags, const uint32_t *threads, size_t n,
                         struct gs_last_rows *last);

#endif

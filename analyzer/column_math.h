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
/* Whether all of them have one of these bits at least. */
bool gs_column_all_have(const uint64_t *v, size_t n, uint64_t bits);

/* Of rows of a SLICE chunk: hold -> acq + hold and wait -> acq - wait, of rows whose flags say that
 * they have such a half; else -> acq. Saturates at UINT64_MAX and 0. */
void gs_column_times(const uint64_t *flags, const uint64_t *acq, uint64_t *hold, uint64_t *wait,
                     size_t n);
/* Of these times acq + hold, those alone. n > 0. */
struct gs_range gs_column_releases(const uint64_t *flags, const uint64_t *acq, const uint64_t *hold,
                                   size_t n);
/* ds = min(ds, seq, UINT32_MAX); returns their sum over rows that wait. */
uint64_t gs_column_limit_ds(const uint64_t *flags, const uint64_t *seq, uint64_t *ds, size_t n);
/* Least seq - ds of rows that wait; UINT64_MAX where none does. */
uint64_t gs_column_reach(const uint64_t *flags, const uint64_t *seq, const uint64_t *ds, size_t n);

/* Bit t: thread t is there; in a row with a TURN. All bits of both where an id is above 62. */
struct gs_thread_sets {
    uint64_t any, with_turn;
};
struct gs_thread_sets gs_column_threads(const uint64_t *flags, const uint64_t *threads, size_t n);

/* v = ns + floor(((v - from) * slope + rest) / 2^64) + (v - from) * whole, slope and rest being
 * fractions of 2^64; every v - from and `whole` are below 2^32. */
struct gs_line {
    uint64_t from, ns, whole, slope, rest;
};
void gs_column_line(uint64_t *v, size_t n, struct gs_line line);

#endif

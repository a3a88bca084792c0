/* SPDX-License-Identifier: MIT
 * Log-linear histograms: 16 buckets an octave (a bucket is at most 6.25 % wide), exact below 16 ns.
 */
#ifndef GS_HIST_H
#define GS_HIST_H

#include <stdint.h>

#include "analyzer/profile.h"

#define GS_HIST_BUCKETS 976u

static inline unsigned gs_hist_bucket_of(uint64_t ns)
{
    if (ns < 16)
        return (unsigned)ns;
    unsigned e = 63 - (unsigned)__builtin_clzll(ns);
    return (e - 3) * 16 + (unsigned)(ns >> (e - 4) & 15);
}

static inline uint64_t gs_hist_lower_ns(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    unsigned e = bucket / 16 + 3;
    return (uint64_t)(16 + bucket % 16) << (e - 4);
}

/* Dense counts -> sorted buckets without empties. */
void gs_hist_compact(const uint64_t *counts, struct gs_hist *out);
/* into += from */
void gs_hist_merge(struct gs_hist *into, const struct gs_hist *from);
/* Lower bound of the bucket that holds the value of rank ceil(n * percent / 100); 0 when empty. */
uint64_t gs_hist_percentile(const struct gs_hist *h, unsigned percent);
uint64_t gs_hist_count(const struct gs_hist *h);

#endif

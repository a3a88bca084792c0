/* SPDX-License-Identifier: MIT */
#include "preload/sampler.h"

uint64_t gs_sampler_mean_ticks = 1000000;

#define MAX_DRAWS 64 /* what is longer than so many means is counted by its length */

static uint64_t next_random(uint64_t *rng)
{
    uint64_t x = *rng;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *rng = x;
}

/* -ln(u) without libm: u = m * 2^-k, m in [0.5, 1); ln m by the series of atanh. */
static double minus_log(uint64_t r)
{
    int k = __builtin_clzll(r | 1);
    double m = (double)((r << k) >> 11) * 0x1p-53; /* [0.5, 1) */
    double z = (m - 1) / (m + 1), z2 = z * z;
    double ln_m = 2 * z * (1 + z2 * (1.0 / 3 + z2 * (1.0 / 5 + z2 * (1.0 / 7 + z2 / 9))));
    return k * 0.69314718055994531 - ln_m;
}

/* Rounded up, an exponential gap of mean a is a geometric one of mean 1 / (1 - exp(-1/a)): the
 * series of -1 / ln(1 - 1/mean) makes that the mean asked for. Without it a mean of 16 were 16.5.
 */
int64_t gs_poisson_gap(uint64_t mean, uint64_t *rng)
{
    double m = (double)mean, inverse = 1 / m;
    double a = m - 0.5 - inverse * (1.0 / 12 + inverse / 24);
    return mean > 1 ? 1 + (int64_t)(a * minus_log(next_random(rng))) : 1;
}

/* A length in means is rounded up as often as it must be for the average to be right. The gap that
 * was under way is forgotten: what is left of one is as long as a new one. */
static uint32_t points_by_length(int64_t *left, uint64_t mean, uint64_t *rng, uint64_t len)
{
    uint64_t points = len / mean + (next_random(rng) % mean < len % mean);
    *left = gs_poisson_gap(mean, rng);
    return points < UINT32_MAX ? (uint32_t)points : UINT32_MAX;
}

uint32_t gs_poisson_points(int64_t *left, uint64_t mean, uint64_t *rng, uint64_t len)
{
    uint32_t points = 0;
    if (len / MAX_DRAWS > mean)
        return points_by_length(left, mean, rng, len);
    for (*left -= (int64_t)len; *left <= 0; points++)
        *left += gs_poisson_gap(mean, rng);
    return points;
}

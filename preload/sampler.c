/* SPDX-License-Identifier: MIT */
#include "preload/sampler.h"

uint64_t gs_sampler_mean_ticks = 1000000;

#define MAX_DRAWS 64 /* a hold of more means is counted by its length */

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

int64_t gs_sampler_draw(uint64_t *rng)
{
    return 1 + (int64_t)((double)gs_sampler_mean_ticks * minus_log(next_random(rng)));
}

uint32_t gs_sampler_points(int64_t *left, uint64_t *rng, uint64_t hold)
{
    uint32_t points = 0;
    if (hold > MAX_DRAWS * gs_sampler_mean_ticks) {
        *left = gs_sampler_draw(rng);
        return (uint32_t)(hold / gs_sampler_mean_ticks);
    }
    for (*left -= (int64_t)hold; *left <= 0; points++)
        *left += gs_sampler_draw(rng);
    return points;
}

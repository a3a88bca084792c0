/* SPDX-License-Identifier: MIT
 * Poisson sampling: of uncontended hold time (each thread carries the ticks left until its next
 * point) and of allocated bytes (one count for the process). Gaps are drawn exponentially, so that
 * whatever is sampled is hit in proportion to its length.
 */
#ifndef GS_SAMPLER_H
#define GS_SAMPLER_H

#include <stdint.h>

/* Units to the next point, >= 1; each unit is one with probability 1/mean. CTX: any hook. */
int64_t gs_poisson_gap(uint64_t mean, uint64_t *rng);

/* Consumes `len` units from *left; the number of points that fell into them, on average exactly
 * len/mean. CTX: any hook. */
uint32_t gs_poisson_points(int64_t *left, uint64_t mean, uint64_t *rng, uint64_t len);

/* ---- of time ---- */

extern uint64_t gs_sampler_mean_ticks; /* set by the constructor, raised by the governor */

static inline int64_t gs_sampler_draw(uint64_t *rng)
{
    return gs_poisson_gap(gs_sampler_mean_ticks, rng);
}

static inline uint32_t gs_sampler_points(int64_t *left, uint64_t *rng, uint64_t hold)
{
    return gs_poisson_points(left, gs_sampler_mean_ticks, rng, hold);
}

#endif

/* SPDX-License-Identifier: MIT
 * Poisson sampling of uncontended hold time: each thread carries the ticks left until the next
 * point, drawn exponentially, so that a hold is hit in proportion to its length.
 */
#ifndef GS_SAMPLER_H
#define GS_SAMPLER_H

#include <stdint.h>

extern uint64_t gs_sampler_mean_ticks; /* set by the constructor, raised by the governor */

/* Ticks to the next point. CTX: any hook. */
int64_t gs_sampler_draw(uint64_t *rng);

/* Consumes `hold` ticks from *left; the number of points that fell into it. CTX: any hook. */
uint32_t gs_sampler_points(int64_t *left, uint64_t *rng, uint64_t hold);

#endif

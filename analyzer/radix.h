/* SPDX-License-Identifier: MIT */
#ifndef GS_RADIX_H
#define GS_RADIX_H

#include <stddef.h>
#include <stdint.h>

/* order[k]: index of the k-th of n keys, equal ones as they stand. n < 2^32; the caller frees.
 * Cheap where keys lie near each other. */
uint32_t *gs_radix_order(const uint64_t *keys, size_t n);

#endif

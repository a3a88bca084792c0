/* SPDX-License-Identifier: MIT */
#ifndef GS_RADIX_H
#define GS_RADIX_H

#include <stddef.h>
#include <stdint.h>

/* n elements of `size` bytes, in the order of the uint64_t that each begins with, equal ones as
 * they stand: a new array; `from` is freed. n < 2^32. Cheap where keys lie near each other. */
void *gs_radix_sort(void *from, size_t n, size_t size);

#endif

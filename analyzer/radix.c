/* SPDX-License-Identifier: MIT
 * Least digit first; as many passes as the keys' span has digits.
 */
#include "analyzer/radix.h"

#include <stdlib.h>

#include "analyzer/xalloc.h"

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)

static void pass(const uint64_t *keys, uint64_t min, unsigned shift, const uint32_t *from,
                 uint32_t *to, size_t n)
{
    size_t count[DIGITS + 1] = {0};
    for (size_t i = 0; i < n; i++)
        count[((keys[from[i]] - min) >> shift & (DIGITS - 1)) + 1]++;
    for (size_t b = 1; b < DIGITS; b++)
        count[b] += count[b - 1];
    for (size_t i = 0; i < n; i++)
        to[count[(keys[from[i]] - min) >> shift & (DIGITS - 1)]++] = from[i];
}

uint32_t *gs_radix_order(const uint64_t *keys, size_t n)
{
    uint32_t *from = gs_xmalloc(n, sizeof(*from)), *to = gs_xmalloc(n, sizeof(*to));
    uint64_t min = UINT64_MAX, max = 0;
    for (size_t i = 0; i < n; i++) {
        from[i] = (uint32_t)i;
        min = keys[i] < min ? keys[i] : min;
        max = keys[i] > max ? keys[i] : max;
    }
    for (unsigned shift = 0; n && shift < 64 && (max - min) >> shift; shift += DIGIT_BITS) {
        pass(keys, min, shift, from, to, n);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    free(to);
    return from;
}

/* SPDX-License-Identifier: MIT
 * Least digit first; as many passes as the keys' span has digits.
 */
#include "analyzer/radix.h"

#include <stdlib.h>
#include <string.h>

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

/* order[k]: index of the k-th key. */
static uint32_t *order_of(const uint64_t *keys, size_t n)
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

void *gs_radix_sort(void *from, size_t n, size_t size)
{
    const char *old = from;
    char *sorted = gs_xmalloc(n, size);
    uint64_t *keys = gs_xmalloc(n, sizeof(*keys));
    for (size_t i = 0; i < n; i++)
        memcpy(&keys[i], old + i * size, sizeof(*keys));
    uint32_t *order = order_of(keys, n);
    for (size_t i = 0; i < n; i++)
        memcpy(sorted + i * size, old + order[i] * size, size);
    free(keys);
    free(order);
    free(from);
    return sorted;
}

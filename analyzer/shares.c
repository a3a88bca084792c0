/* SPDX-License-Identifier: MIT */
#include "analyzer/shares.h"

#include <stdlib.h>

typedef unsigned __int128 u128;

static int by_rest(const void *pa, const void *pb)
{
    const struct gs_share *a = pa, *b = pb;
    if (a->rest != b->rest)
        return a->rest > b->rest ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

void gs_shares_divide(struct gs_share *s, size_t n, uint64_t total)
{
    u128 weights = 0;
    uint64_t left = total;
    for (size_t i = 0; i < n; i++)
        weights += s[i].weight;
    for (size_t i = 0; i < n; i++) {
        u128 product = (u128)total * s[i].weight;
        s[i].part = (uint64_t)(product / weights);
        s[i].rest = (uint64_t)(product % weights);
        left -= s[i].part;
    }
    if (n)
        qsort(s, n, sizeof(*s), by_rest);
    for (size_t i = 0; i < left; i++) /* left < n */
        s[i].part++;
}

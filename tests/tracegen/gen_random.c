/* SPDX-License-Identifier: MIT */
#include "tests/tracegen/gen_random.h"

#include <stdlib.h>

#include "tests/tracegen/tracegen.h"

int64_t gen_log2(uint64_t v)
{
    int64_t whole = 63 - __builtin_clzll(v);
    uint64_t f = (whole >= 16 ? v >> (whole - 16) : v << (16 - whole)) & 0xffff;
    return (whole << 16) + (int64_t)(f * (88244 - (f * 22708 >> 16)) >> 16);
}

/* mean * -ln(u); ln 2 is 45426 / 65536. */
uint64_t gen_draw_exponential(struct gen_rng *r, uint64_t mean)
{
    uint64_t u = gen_next(r) | 1;
    uint64_t bits = (uint64_t)((INT64_C(64) << 16) - gen_log2(u));
    return (uint64_t)((unsigned __int128)mean * (bits * 45426 >> 16) >> 16);
}

/* What of a column of the table is its own: weight * n of the sum of all weights. */
static uint32_t share(uint64_t weight_n, uint64_t sum)
{
    unsigned __int128 v = ((unsigned __int128)weight_n << 32) / sum;
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* Vose: columns that lack weight are filled from those that have too much. left: of both kinds,
 * from its two ends. */
static void fill(struct gen_zipf *z, uint64_t *weight_n, uint32_t *left, uint64_t sum)
{
    uint32_t small = 0, large = z->n;
    for (uint32_t i = 0; i < z->n; i++)
        *(weight_n[i] < sum ? &left[small++] : &left[--large]) = i;
    while (small > 0 && large < z->n) {
        uint32_t lacks = left[--small], gives = left[large];
        z->limit[lacks] = share(weight_n[lacks], sum);
        z->other[lacks] = gives;
        weight_n[gives] -= sum - weight_n[lacks];
        if (weight_n[gives] < sum) {
            large++;
            left[small++] = gives;
        }
    }
}

void gen_zipf_open(struct gen_zipf *z, uint32_t n)
{
    uint64_t sum = 0, *weight_n = gen_alloc(n, sizeof(*weight_n));
    uint32_t *left = gen_alloc(n, sizeof(*left));
    z->n = n;
    z->limit = gen_alloc(n, sizeof(*z->limit));
    z->other = gen_alloc(n, sizeof(*z->other));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t weight = (UINT64_C(1) << 32) / (i + 1);
        sum += weight;
        weight_n[i] = weight * n;
        z->limit[i] = UINT32_MAX;
        z->other[i] = i;
    }
    fill(z, weight_n, left, sum);
    free(weight_n);
    free(left);
}

void gen_zipf_close(struct gen_zipf *z)
{
    free(z->limit);
    free(z->other);
}

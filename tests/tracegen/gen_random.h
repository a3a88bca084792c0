/* SPDX-License-Identifier: MIT
 * Random numbers that are the same on every machine: integers only, no libm, whose last digits
 * differ. Distributions are drawn through powers of two in 16.16 fixed point.
 */
#ifndef GS_GEN_RANDOM_H
#define GS_GEN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct gen_rng {
    uint64_t state;
};

/* wyrand: one multiplication. */
static inline uint64_t gen_next(struct gen_rng *r)
{
    r->state += UINT64_C(0xa0761d6478bd642f);
    unsigned __int128 m = (unsigned __int128)r->state * (r->state ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

/* A number that (seed, a, b) stand for; for what must not depend on the order of drawing. */
static inline uint64_t gen_mix(uint64_t seed, uint64_t a, uint64_t b)
{
    struct gen_rng r = {seed ^ (a + 1) * UINT64_C(0x9e3779b97f4a7c15)};
    uint64_t x = gen_next(&r);
    r.state ^= x + (b + 1) * UINT64_C(0xd1342543de82ef95);
    return gen_next(&r);
}

static inline uint32_t gen_below(struct gen_rng *r, uint32_t n)
{
    return (uint32_t)((gen_next(r) >> 32) * n >> 32);
}

/* 2^(e / 65536), within 0.3 % of it. */
static inline uint64_t gen_exp2(int64_t e)
{
    if (e < 0)
        return 0;
    if (e > 60 << 16)
        e = 60 << 16;
    uint64_t whole = (uint64_t)e >> 16, f = (uint64_t)e & 0xffff;
    uint64_t m = 65536 + (f * (43029 + (f * 22507 >> 16)) >> 16);
    return whole >= 16 ? m << (whole - 16) : m >> (16 - whole);
}

/* Median 2^(mu / 65536). The normal number is the sum of four uniform ones: its tails end at 3.5
 * standard deviations. */
struct gen_lognormal {
    int64_t mu, spread;
};
#define GEN_SPREAD(sigma_log2_thousandths) ((sigma_log2_thousandths)*113512 / 1000)

static inline uint64_t gen_draw_lognormal(struct gen_rng *r, struct gen_lognormal d)
{
    uint64_t x = gen_next(r);
    int64_t sum = (int64_t)((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return gen_exp2(d.mu + (sum - 131070) * d.spread / 65536);
}

/* log2 of v > 0 in 16.16. */
int64_t gen_log2(uint64_t v);
uint64_t gen_draw_exponential(struct gen_rng *r, uint64_t mean);

/* Rank 0 to n - 1, rank k with weight 1 / (k + 1): an alias table, one draw. */
struct gen_zipf {
    uint32_t n;
    uint32_t *limit, *other;
};
void gen_zipf_open(struct gen_zipf *z, uint32_t n);
void gen_zipf_close(struct gen_zipf *z);

static inline uint32_t gen_draw_zipf(struct gen_rng *r, const struct gen_zipf *z)
{
    uint64_t x = gen_next(r);
    uint32_t i = (uint32_t)((x >> 32) * z->n >> 32);
    return (uint32_t)x < z->limit[i] ? i : z->other[i];
}

#endif

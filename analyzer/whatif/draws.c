/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/draws.h"

#include <math.h>
#include <string.h>

const char *const gs_unknown_texts[GS_N_UNKNOWNS] = {
#define GS_UNKNOWN_TEXT(id, text) text,
    GS_UNKNOWNS(GS_UNKNOWN_TEXT)
#undef GS_UNKNOWN_TEXT
};

/* Published and measured: pyperformance, python.org; nine kernels from 0.75 to 2.18. */
/* From 3.14 on a collection marks first what is surely alive, and waits for 40 times as many new
 * containers where the process has not grown. */
#define GS_GC_DEFERRED (40 * GS_GC_THRESHOLD)
static const struct gs_target targets[] = {
    {"3.13t", {1.10, 1.35, 1.80}, {25, 40, 80}, GS_GC_THRESHOLD},
    {"3.14t", {1.00, 1.08, 1.22}, {12, 28, 80}, GS_GC_DEFERRED},
    {"3.15t", {1.00, 1.08, 1.22}, {12, 28, 80}, GS_GC_DEFERRED},
};

const struct gs_target *gs_target_find(const char *name)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

/* ---- Sobol's sequence: primitive polynomials and first direction numbers of Joe and Kuo ---- */

static const struct {
    unsigned degree, coefficients;
    uint32_t m[5];
} polynomials[GS_N_UNKNOWNS - 1] = {
    {1, 0, {1}},          {2, 1, {1, 3}},        {3, 1, {1, 3, 1}},        {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}}, {4, 4, {1, 3, 5, 13}}, {5, 2, {1, 1, 5, 5, 17}},
};

static uint32_t direction(unsigned dimension, unsigned bit)
{
    uint32_t v[32];
    if (dimension == 0)
        return UINT32_C(1) << (31 - bit);
    unsigned s = polynomials[dimension - 1].degree, a = polynomials[dimension - 1].coefficients;
    for (unsigned i = 0; i <= bit; i++) {
        if (i < s) {
            v[i] = polynomials[dimension - 1].m[i] << (31 - i);
            continue;
        }
        v[i] = v[i - s] ^ (v[i - s] >> s);
        for (unsigned k = 1; k < s; k++)
            if (a >> (s - 1 - k) & 1)
                v[i] ^= v[i - k];
    }
    return v[bit];
}

void gs_sobol_point(uint32_t i, double u[GS_N_UNKNOWNS])
{
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++) {
        uint32_t x = 0;
        for (unsigned bit = 0; i >> bit; bit++)
            if (i >> bit & 1)
                x ^= direction(d, bit);
        u[d] = ((double)x + 0.5) / 4294967296.0;
        u[d] = fmin(fmax(u[d], 0.001), 0.999);
    }
}

/* ---- ranges ---- */

/* z with a share u of the normal distribution below it. */
static double normal_quantile(double u)
{
    double lo = -8, hi = 8;
    for (int i = 0; i < 60; i++) {
        double mid = (lo + hi) / 2;
        *(0.5 * erfc(-mid / sqrt(2)) < u ? &lo : &hi) = mid;
    }
    return lo;
}

double gs_range_at(const struct gs_range_of *range, double u)
{
    const double z90 = 1.2815515655446004;
    double z = normal_quantile(u);
    double end = z < 0 ? range->p10 : range->p90;
    return range->p50 * pow(end / range->p50, fabs(z) / z90);
}

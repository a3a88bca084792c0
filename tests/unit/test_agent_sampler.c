/* SPDX-License-Identifier: MIT
 * Poisson sampling: of holds, unbiased by time; of allocations, by bytes, whatever their sizes.
 * LINK: gs_agent_objects
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/sampler.h"

#define MEAN 10000u

static void draws_are_exponential(void **state)
{
    uint64_t rng = 42;
    double sum = 0, above = 0;
    const int n = 400000;
    (void)state;
    gs_sampler_mean_ticks = MEAN;
    for (int i = 0; i < n; i++) {
        int64_t d = gs_sampler_draw(&rng);
        assert_true(d > 0);
        sum += (double)d;
        above += d > 3 * MEAN;
    }
    assert_true(fabs(sum / n / MEAN - 1) < 0.01);
    assert_true(fabs(above / n - exp(-3)) < 0.002);
}

/* Points per tick must be 1/MEAN for short and for long holds alike. */
static void expect_rate(uint64_t hold, uint64_t n)
{
    uint64_t rng = hold + 1, points = 0;
    int64_t left = gs_sampler_draw(&rng);
    for (uint64_t i = 0; i < n; i++)
        points += gs_sampler_points(&left, &rng, hold);
    double expected = (double)hold * (double)n / MEAN;
    assert_true(fabs((double)points / expected - 1) < 5 / sqrt(expected) + 0.01);
}

static void points_fall_in_proportion_to_time(void **state)
{
    (void)state;
    gs_sampler_mean_ticks = MEAN;
    expect_rate(7, 20000000);
    expect_rate(MEAN / 3, 300000);
    expect_rate(MEAN, 100000);
    expect_rate(20 * MEAN, 5000);
    expect_rate(1000 * MEAN, 100); /* longer than the draws it is worth */
}

/* Each unit is a point with probability 1/mean, also where a mean is a few units. */
static void a_mean_is_met_exactly(void **state)
{
    static const uint64_t means[] = {1, 2, 3, 16, 100, 65536};
    (void)state;
    for (size_t k = 0; k < sizeof(means) / sizeof(means[0]); k++) {
        const int n = 1000000;
        uint64_t rng = means[k];
        double sum = 0, m = (double)means[k];
        for (int i = 0; i < n; i++)
            sum += (double)gs_poisson_gap(means[k], &rng);
        assert_true(fabs(sum / n / m - 1) < (means[k] == 2 ? 0.01 : 4 / sqrt(n)));
    }
}

/* Points of a block of `len`: mean and variance are len/mean; a block of many means varies less. */
static void points_are_poisson(void **state)
{
    const uint64_t mean = 1024, len = 3 * 1024 + 100;
    const int n = 300000;
    uint64_t rng = 9;
    int64_t left = gs_poisson_gap(mean, &rng);
    double sum = 0, squares = 0, expected = (double)len / (double)mean;
    (void)state;
    for (int i = 0; i < n; i++) {
        double points = gs_poisson_points(&left, mean, &rng, len);
        sum += points;
        squares += points * points;
    }
    double average = sum / n, variance = squares / n - average * average;
    assert_true(fabs(average - expected) < 4 * sqrt(expected / n));
    assert_true(fabs(variance / expected - 1) < 0.02);
}

/* What is over 64 means is counted by its length: rounded so that nothing is lost on average. */
static void long_ones_are_rounded_fairly(void **state)
{
    const uint64_t mean = 1000, len = 70 * 1000 + 500;
    const int n = 100000;
    uint64_t rng = 3, points = 0;
    int64_t left = 1;
    (void)state;
    for (int i = 0; i < n; i++)
        points += gs_poisson_points(&left, mean, &rng, len);
    assert_true(fabs((double)points / n - 70.5) < 4 * 0.5 / sqrt(n));
}

static uint64_t some_size(uint64_t *rng)
{
    uint64_t r = (*rng = *rng * 6364136223846793005u + 1) >> 33;
    return r % 100 < 90 ? 1 + r % 512 : r % 100 < 99 ? 512 + r % 20000 : r % 5000000;
}

/* 10^6 allocations of all sizes, of which two of three are freed at once: what the samples that
 * live stand for is what lives. A block's variance is at most mean * size. */
static void live_bytes_are_unbiased(void **state)
{
    const uint64_t mean = 65536;
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t rng = seed * 77, sizes = seed;
        int64_t left = gs_poisson_gap(mean, &rng);
        double live = 0, estimated = 0;
        for (int i = 0; i < 1000000; i++) {
            uint64_t size = some_size(&sizes);
            uint32_t points = gs_poisson_points(&left, mean, &rng, size);
            if (i % 3)
                continue;
            live += (double)size;
            estimated += (double)points * (double)mean;
        }
        assert_true(fabs(estimated - live) < 3 * sqrt((double)mean * live));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_exponential),
        cmocka_unit_test(points_fall_in_proportion_to_time),
        cmocka_unit_test(a_mean_is_met_exactly),
        cmocka_unit_test(points_are_poisson),
        cmocka_unit_test(long_ones_are_rounded_fairly),
        cmocka_unit_test(live_bytes_are_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

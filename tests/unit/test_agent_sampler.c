/* SPDX-License-Identifier: MIT
 * Poisson sampling of holds: unbiased by time, whatever the lengths of the holds.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_exponential),
        cmocka_unit_test(points_fall_in_proportion_to_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

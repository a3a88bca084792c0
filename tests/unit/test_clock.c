/* SPDX-License-Identifier: MIT
 * Ticks to nanoseconds: TRACE_FORMAT.md §6, against 128-bit arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/clock.h"
#include "tests/unit/capture_builder.h"

#define SEC UINT64_C(1000000000)

static void nanoseconds_pass_through(void **state)
{
    struct gs_clock c = {0};
    (void)state;
    gs_clock_add(&c, 0, 5, 100);
    gs_clock_build(&c, true, 0);
    assert_int_equal(gs_clock_ns(&c, 0, 12345), 12345);
    assert_int_equal(gs_clock_duration_ns(&c, 99), 99);
    assert_int_equal(gs_clock_ns(&c, 0, UINT64_MAX), UINT64_MAX / 2);
    gs_clock_free(&c);
}

static void a_line_through_two_points(void **state)
{
    struct gs_clock c = {0};
    (void)state;
    gs_clock_add(&c, 0, 4000000000u, 2 * SEC); /* out of order on purpose */
    gs_clock_add(&c, 0, 1000000000u, 1 * SEC);
    gs_clock_build(&c, false, 0);
    assert_int_equal(gs_clock_ns(&c, 0, 1000000000u), SEC);
    assert_int_equal(gs_clock_ns(&c, 0, 1000000001u), SEC); /* floor of a third */
    assert_int_equal(gs_clock_ns(&c, 0, 1000000003u), SEC + 1);
    assert_int_equal(gs_clock_ns(&c, 0, 7000000000u), 3 * SEC); /* behind the last */
    assert_int_equal(gs_clock_ns(&c, 0, 999999999u), SEC - 1);  /* floor of minus a third */
    assert_int_equal(gs_clock_ns(&c, 0, 0), 666666666u);
    assert_int_equal(gs_clock_duration_ns(&c, 3001), 1000);
    gs_clock_free(&c);
}

static void near_readings_are_dropped(void **state)
{
    struct gs_clock c = {0};
    (void)state;
    gs_clock_add(&c, 0, 0, 0);
    gs_clock_add(&c, 0, 100, SEC / 10); /* wild: 0.1 s after the first */
    gs_clock_add(&c, 0, 2000000000u, SEC);
    gs_clock_add(&c, 0, 2000000900u, SEC + 400);
    gs_clock_build(&c, false, 0);
    assert_int_equal(c.n_segments, 1);
    assert_int_equal(gs_clock_ns(&c, 0, 1000), 500);
    gs_clock_free(&c);
}

static void the_last_reading_counts_when_it_must(void **state)
{
    struct gs_clock c = {0};
    (void)state;
    gs_clock_add(&c, 0, 0, 0);
    gs_clock_add(&c, 0, 10, 10);
    gs_clock_add(&c, 0, 600, 200);
    gs_clock_build(&c, false, 0);
    assert_int_equal(gs_clock_ns(&c, 0, 300), 100);
    assert_false(c.guessed);
    gs_clock_free(&c);
}

static void one_reading_needs_a_rate(void **state)
{
    struct gs_clock c = {0}, d = {0};
    (void)state;
    gs_clock_add(&c, 0, 1000, 50);
    gs_clock_build(&c, false, 2 * SEC);
    assert_true(c.guessed);
    assert_int_equal(gs_clock_ns(&c, 0, 1100), 100);
    gs_clock_build(&d, false, 0);
    assert_int_equal(gs_clock_ns(&d, 0, 77), 77);
    gs_clock_free(&c);
    gs_clock_free(&d);
}

static void epochs_are_lines_of_their_own(void **state)
{
    struct gs_clock c = {0};
    (void)state;
    gs_clock_add(&c, 0, 0, 0);
    gs_clock_add(&c, 0, 2000000000u, SEC);
    gs_clock_add(&c, 1, 500, 3 * SEC); /* the counter started again: one point, slope borrowed */
    gs_clock_add(&c, 2, 0, 10 * SEC);
    gs_clock_add(&c, 2, 1000000000u, 11 * SEC);
    gs_clock_build(&c, false, 0);
    assert_int_equal(gs_clock_ns(&c, 0, 4000000000u), 2 * SEC);
    assert_int_equal(gs_clock_ns(&c, 1, 700), 3 * SEC + 100);
    assert_int_equal(gs_clock_ns(&c, 1, 300), 3 * SEC - 100);
    assert_int_equal(gs_clock_ns(&c, 2, 5), 10 * SEC + 5);
    assert_int_equal(gs_clock_ns(&c, 7, 5), 10 * SEC + 5); /* no such epoch: the one before */
    gs_clock_free(&c);
}

static uint64_t by_definition(const struct gs_clock *c, uint64_t t)
{
    size_t i = 0;
    while (i + 1 < c->n_segments && c->segments[i + 1].t0 <= t)
        i++;
    const struct gs_clock_segment *s = &c->segments[i];
    __int128 product = ((__int128)t - s->t0) * (__int128)s->d_ns;
    __int128 q = product / s->d_ticks - (product < 0 && product % s->d_ticks != 0);
    __int128 ns = q + s->ns0;
    return ns < 0 ? 0 : ns > INT64_MAX ? INT64_MAX : (uint64_t)ns;
}

/* Neighbours, and now and then one from elsewhere, or not: all at once, in place. */
static void check_many_at_once(const struct gs_clock *c, uint64_t *rng, uint64_t span)
{
    uint64_t ticks[300], ns[300], t = cap_random(rng) % span;
    bool only_near = cap_random(rng) % 2; /* then they are converted as one block */
    for (unsigned i = 0; i < 300; i++) {
        t = only_near              ? t + cap_random(rng) % 9
            : cap_random(rng) % 40 ? t + cap_random(rng) % (span / 100 + 1)
                                   : cap_random(rng) % span;
        ticks[i] = ns[i] = t;
    }
    gs_clock_convert(c, 0, ns, 300);
    for (unsigned i = 0; i < 300; i++)
        assert_true(ns[i] == by_definition(c, ticks[i]));
}

static void every_tick_equals_the_definition(void **state)
{
    uint64_t rng = 1;
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct gs_clock c = {0};
        uint64_t ticks = cap_random(&rng) >> 20, ns = cap_random(&rng) >> 24;
        for (unsigned i = 0; i < 2 + round % 5; i++) {
            gs_clock_add(&c, 0, ticks, ns);
            ticks += 1 + (cap_random(&rng) >> (25 + round % 30));
            ns += GS_CLOCK_MIN_STEP_NS + (cap_random(&rng) >> (30 + round % 20));
        }
        gs_clock_build(&c, false, 0);
        uint64_t last = 0, hint_t = 0;
        size_t hint = 0;
        for (unsigned i = 0; i < 500; i++) {
            hint_t += cap_random(&rng) % (2 * (ticks / 500) + 1);
            uint64_t got = gs_clock_ns_hint(&c, 0, hint_t, &hint);
            assert_true(got == by_definition(&c, hint_t));
            assert_true(got >= last);
            last = got;
        }
        check_many_at_once(&c, &rng, 2 * ticks);
        gs_clock_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nanoseconds_pass_through),
        cmocka_unit_test(a_line_through_two_points),
        cmocka_unit_test(near_readings_are_dropped),
        cmocka_unit_test(the_last_reading_counts_when_it_must),
        cmocka_unit_test(one_reading_needs_a_rate),
        cmocka_unit_test(epochs_are_lines_of_their_own),
        cmocka_unit_test(every_tick_equals_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

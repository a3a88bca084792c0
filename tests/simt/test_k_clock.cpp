/* SPDX-License-Identifier: MIT
 * gs_device_ns() against gs_clock_ns().
 */
#include "cuda/clock.cuh"
#include "tests/simt/simt_test.h"

extern "C" {
#include "analyzer/clock.h"
}

__global__ void gs_k_ticks_to_ns(gs_ticks clock, uint32_t epoch, gs_u64 *ticks, size_t n)
{
    size_t i = gs_global_thread();
    if (i < n)
        ticks[i] = gs_device_ns(clock, epoch, ticks[i]);
}

/* The same ticks through both, in every epoch up to `epochs`. */
static void compare(const gs_clock &c, const std::vector<uint64_t> &ticks, uint32_t epochs)
{
    std::vector<gs_tick_segment> segments;
    for (size_t i = 0; i < c.n_segments; i++)
        segments.push_back(gs_tick_segment_of(c.segments[i].epoch, c.segments[i].t0,
                                              c.segments[i].ns0, c.segments[i].d_ticks,
                                              c.segments[i].d_ns));
    gs_ticks device = {segments.data(), segments.size(), c.dur_ticks, c.dur_ns, c.identity};
    for (uint32_t epoch = 0; epoch <= epochs; epoch++) {
        std::vector<gs_u64> got(ticks.begin(), ticks.end()), want;
        for (uint64_t t : ticks)
            want.push_back(gs_clock_ns(&c, epoch, t));
        GS_LAUNCH(gs_k_ticks_to_ns, gs_blocks_for(got.size(), 256), 256, 0, nullptr, device, epoch,
                  got.data(), got.size());
        assert_ran(cudaGetLastError());
        assert_same(got, want);
    }
}

/* Around every point, at both ends of all there is, and anywhere. */
static std::vector<uint64_t> ticks_for(const gs_clock &c, test_random *r)
{
    std::vector<uint64_t> out = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2};
    for (size_t i = 0; i < c.n_points; i++)
        for (uint64_t d : {0, 1, 2, 1000})
            for (uint64_t sign : {1, -1})
                out.push_back(c.points[i].ticks + sign * d);
    for (unsigned i = 0; i < 300; i++)
        out.push_back(r->of_width(1 + i % 64));
    return out;
}

static void clocks_of_all_kinds(void **state)
{
    test_random r(1);
    (void)state;
    for (unsigned round = 0; round < 120; round++) {
        gs_clock c = {};
        uint32_t epochs = (uint32_t)r.below(4);
        unsigned width = 34 + (unsigned)r.below(31), n = (unsigned)r.below(12);
        for (unsigned i = 0; i < n; i++)
            gs_clock_add(&c, 2 * (uint32_t)r.below(epochs + 1), r.of_width(width),
                         r.of_width(30 + (unsigned)r.below(35)));
        gs_clock_build(&c, round % 20 == 0, round % 3 ? 2600000000u : 0);
        compare(c, ticks_for(c, &r), 2 * epochs + 1);
        gs_clock_free(&c);
    }
}

static void a_recording_of_hours(void **state)
{
    test_random r(2);
    gs_clock c = {};
    uint64_t ticks = 1u << 30, ns = 77;
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        gs_clock_add(&c, 0, ticks, ns);
        ticks += 2599999000u + r.below(2000);
        ns += 1000000000u - 400 + r.below(800);
    }
    gs_clock_build(&c, false, 0);
    assert_int_equal(c.n_segments, 4999);
    std::vector<uint64_t> all;
    for (unsigned i = 0; i < 4097; i++)
        all.push_back(r.below(ticks + 5000000000u));
    compare(c, all, 0);
    gs_clock_free(&c);
}

static void no_ticks_at_all(void **state)
{
    gs_clock c = {};
    (void)state;
    gs_clock_build(&c, false, 0);
    compare(c, {}, 0);
    gs_clock_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_of_all_kinds),
        cmocka_unit_test(a_recording_of_hours),
        cmocka_unit_test(no_ticks_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * gs_k_timeline against the overlap of each stretch with each bin.
 */
#include "cuda/timeline.cuh"
#include "tests/simt/rows_model.h"

struct timeline {
    uint64_t origin_ns, bin_ns;
    size_t n;
};

static uint64_t overlap(uint64_t from, uint64_t to, uint64_t bin_from, uint64_t bin_to)
{
    from = std::max(from, bin_from);
    to = std::min(to, bin_to);
    return to > from ? to - from : 0;
}

static void compare(const std::vector<model_row> &rows, const timeline &t)
{
    std::vector<gs_u64> hold(t.n), wait(t.n), want_hold(t.n), want_wait(t.n);
    device_rows device(rows);
    gs_rows columns = device.columns();
    gs_device_bins bins = {t.origin_ns, t.bin_ns, t.n, hold.data(), wait.data()};
    for (const model_row &r : rows)
        for (size_t b = 0; b < t.n; b++) {
            uint64_t from = t.origin_ns + b * t.bin_ns, to = from + t.bin_ns;
            if (r.flags & GS_SLICE_TURN)
                want_hold[b] += overlap(r.acq_ns, r.rel_ns, from, to);
            if (r.flags & GS_SLICE_WAIT)
                want_wait[b] += overlap(r.begin_ns, r.a_ns, from, to);
        }
    assert_ran(gs_launch_timeline(&columns, rows.size(), &bins, nullptr));
    assert_same(hold, want_hold);
    assert_same(wait, want_wait);
}

/* Timelines that hold the rows wholly, in part or not at all, with bins from tiny to huge. */
static void stretches_over_bins(void **state)
{
    test_random r(1);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 255, 1024, 1025, 4097}) {
            std::vector<model_row> rows = tell({n, 9, 18, 10, 60, 6, false}, &r);
            uint64_t first = rows.front().acq_ns, length = rows.back().a_ns + 1 - first;
            gs::simt::set_seed(seed);
            compare(rows, {first, length / 1000 + 1, 1000});
            compare(rows, {first + length / 3, length / 2000 + 1, 700});
            compare(rows, {0, 1u << 30, 2});
        }
}

/* Waits that began long before, far outside of the bins that a block keeps. */
static void waits_from_far_away(void **state)
{
    test_random r(2);
    std::vector<model_row> rows = tell({300, 9, 12, 0, 100, 250, false}, &r);
    uint64_t first = rows.front().begin_ns, length = rows.back().a_ns + 1 - first;
    (void)state;
    compare(rows, {first, length / 2500 + 1, 2500});
}

static void no_bins_and_no_rows(void **state)
{
    test_random r(3);
    std::vector<model_row> rows = tell({40, 9, 12, 0, 50, 5, false}, &r);
    (void)state;
    compare(rows, {0, 0, 0});
    compare(rows, {UINT64_MAX / 2, 1000, 10});
    compare({}, {0, 1000, 10});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_over_bins),
        cmocka_unit_test(waits_from_far_away),
        cmocka_unit_test(no_bins_and_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

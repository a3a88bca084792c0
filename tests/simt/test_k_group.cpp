/* SPDX-License-Identifier: MIT
 * gs_k_group against plain loops and the analyzer's histogram.
 */
#include "cuda/group.cuh"
#include "tests/simt/rows_model.h"

extern "C" {
#include "analyzer/hist.h"
}

static_assert(GS_DEVICE_HIST_BUCKETS == GS_HIST_BUCKETS, "one histogram");

static const unsigned THREADS_SEEN = 7;

/* Of the thread of an actor: many actors are of one, some of none. */
static uint32_t class_of(uint32_t actor)
{
    return actor % 9 == 8 ? GS_NO_CLASS : actor % THREADS_SEEN;
}

struct grouped {
    model_sums sums;
    std::vector<gs_u64> hold_hist, wait_hist, thread_hists;
    gs_u64 wait_ns;

    explicit grouped(uint32_t n_actors)
        : sums((size_t)GS_SUM_KINDS * n_actors), hold_hist(GS_HIST_BUCKETS),
          wait_hist(GS_HIST_BUCKETS), thread_hists(THREADS_SEEN * GS_HIST_BUCKETS), wait_ns(0)
    {
    }
};

static grouped by_loops(const std::vector<model_row> &rows, uint32_t n_actors,
                        const std::vector<uint8_t> &is_cut)
{
    grouped g(n_actors);
    model_group(rows, n_actors, &g.sums);
    for (size_t i = 0; i < rows.size(); i++) {
        uint64_t hold_ns = rows[i].rel_ns - rows[i].acq_ns;
        uint64_t wait_ns = rows[i].a_ns - rows[i].begin_ns;
        if (rows[i].flags & GS_SLICE_TURN) {
            g.hold_hist[gs_hist_bucket_of(hold_ns)]++;
            if (is_cut.empty() || !is_cut[i]) {
                g.sums[(size_t)GS_SUM_HOLD_NS * n_actors + rows[i].hold_actor] += hold_ns;
                g.sums[(size_t)GS_SUM_HOLD_COUNT * n_actors + rows[i].hold_actor]++;
            }
        }
        if (rows[i].flags & GS_SLICE_WAIT) {
            g.wait_hist[gs_hist_bucket_of(wait_ns)]++;
            g.wait_ns += wait_ns;
            if (class_of(rows[i].wait_actor) != GS_NO_CLASS)
                g.thread_hists[class_of(rows[i].wait_actor) * GS_HIST_BUCKETS +
                               gs_hist_bucket_of(wait_ns)]++;
        }
    }
    return g;
}

static void compare(const std::vector<model_row> &rows, uint32_t n_actors,
                    const std::vector<uint8_t> &is_cut)
{
    device_rows device(rows);
    gs_rows columns = device.columns();
    grouped got(n_actors), want = by_loops(rows, n_actors, is_cut);
    std::vector<uint32_t> classes;
    for (uint32_t a = 0; a < n_actors; a++)
        classes.push_back(class_of(a));
    gs_group_out out = {{got.sums.data(), n_actors},
                        got.hold_hist.data(),
                        got.wait_hist.data(),
                        &got.wait_ns,
                        classes.data(),
                        got.thread_hists.data()};
    assert_ran(gs_launch_group(&columns, rows.size(), is_cut.empty() ? NULL : is_cut.data(), &out,
                               nullptr));
    assert_same(got.sums, want.sums);
    assert_same(got.hold_hist, want.hold_hist);
    assert_same(got.wait_hist, want.wait_hist);
    assert_int_equal(got.wait_ns, want.wait_ns);
    assert_same(got.thread_hists, want.thread_hists);
}

static void stories_of_all_sizes(void **state)
{
    test_random r(1);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {0, 1, 31, 32, 255, 1023, 1024, 1025, 4096, 4097}) {
            story s = {n, 1 + (uint32_t)r.below(2000), 24, 10, 60, 9, false};
            gs::simt::set_seed(seed);
            compare(tell(s, &r), s.n_actors, {});
        }
}

/* One actor, a hot one, slots that several actors want; holds of years. */
static void crowds_and_loners(void **state)
{
    test_random r(2);
    (void)state;
    for (uint32_t n_actors : {1u, 2u, 513u, 5000u})
        for (unsigned bits : {0u, 16u, 33u, 52u})
            for (bool hot : {false, true})
                compare(tell({3000, n_actors, bits, 0, 50, 3, hot}, &r), n_actors, {});
}

static void turns_that_others_count(void **state)
{
    test_random r(3);
    std::vector<model_row> rows = tell({2500, 40, 20, 5, 50, 4, false}, &r);
    std::vector<uint8_t> is_cut;
    (void)state;
    for (size_t i = 0; i < rows.size(); i++)
        is_cut.push_back(r.below(3) == 0);
    compare(rows, 40, is_cut);
}

/* 4096 terms of 2^32 - 1 in one slot: the halves must not run over. */
static void the_fullest_slot(void **state)
{
    model_row full = {1, 0, UINT32_MAX, 0, UINT32_MAX, 7, 7, 1, GS_SLICE_TURN | GS_SLICE_WAIT, 0};
    model_row other = full;
    std::vector<model_row> rows(4096, full);
    (void)state;
    compare(rows, 8, {});
    other.hold_actor = other.wait_actor = 6; /* so that no warp adds as one */
    for (size_t i = 0; i < rows.size(); i += 32)
        rows[i] = other;
    compare(rows, 8, {});
}

static void buckets(void **state)
{
    test_random r(4);
    (void)state;
    for (unsigned i = 0; i < 64 * 200; i++) {
        uint64_t ns = r.of_width(i % 65);
        assert_int_equal(gs_device_hist_bucket_of(ns), gs_hist_bucket_of(ns));
    }
    assert_int_equal(gs_device_hist_bucket_of(UINT64_MAX), GS_HIST_BUCKETS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_of_all_sizes),
        cmocka_unit_test(crowds_and_loners),
        cmocka_unit_test(turns_that_others_count),
        cmocka_unit_test(the_fullest_slot),
        cmocka_unit_test(buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

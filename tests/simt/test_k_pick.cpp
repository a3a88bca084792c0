/* SPDX-License-Identifier: MIT
 * gs_launch_pick and gs_launch_gather against one loop.
 */
#include "cuda/pick.cuh"
#include "tests/simt/simt_test.h"

static std::vector<gs_u64> gathered(const gs_u64 *from, const uint32_t *at, uint32_t n)
{
    std::vector<gs_u64> out(n + 1, 77);
    assert_ran(gs_launch_gather(from, at, n, out.data(), nullptr));
    assert_int_equal(out[n], 77);
    out.pop_back();
    return out;
}

static void compare(const std::vector<gs_u64> &count, const std::vector<gs_u64> &ns)
{
    std::vector<gs_u64> places, sums;
    std::vector<char> work(gs_pick_work_bytes((uint32_t)count.size()));
    gs_picked picked;
    for (size_t i = 0; i < count.size(); i++)
        if (count[i]) {
            places.push_back(i);
            sums.push_back(ns[i]);
        }
    assert_ran(gs_launch_pick(count.data(), (uint32_t)count.size(), work.data(), work.size(),
                              &picked, nullptr));
    assert_int_equal(*picked.n, places.size());
    assert_same(gathered(nullptr, picked.at, *picked.n), places);
    assert_same(gathered(ns.data(), picked.at, *picked.n), sums);
}

/* None, some, all; one count in 2^32, which is 0 in half a word. */
static void places_that_are_not_empty(void **state)
{
    test_random r(5);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 31, 255, 256, 257, 1024, 5001})
            for (uint64_t one_in : {0, 1, 2, 900}) {
                std::vector<gs_u64> count(n), ns(n);
                for (size_t i = 0; i < n; i++) {
                    ns[i] = r.next();
                    if (one_in && r.below(one_in) == 0)
                        count[i] = r.below(9) ? 1 + r.below(1000) : (gs_u64)1 << 32;
                }
                gs::simt::set_seed(seed);
                compare(count, ns);
            }
}

static void too_little_memory_is_refused(void **state)
{
    std::vector<gs_u64> count(1000, 1);
    std::vector<char> work(gs_pick_work_bytes(1000));
    gs_picked picked;
    (void)state;
    assert_int_equal(
        gs_launch_pick(count.data(), 1000, work.data(), work.size() - 256, &picked, nullptr),
        cudaErrorInvalidValue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_that_are_not_empty),
        cmocka_unit_test(too_little_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

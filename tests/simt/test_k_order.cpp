/* SPDX-License-Identifier: MIT
 * gs_launch_order against a stable sort and halves merged one by one, and the primitives it stands
 * on.
 */
#include "cuda/order.cuh"
#include "cuda/primitives.cuh"
#include "tests/simt/rows_model.h"

/* ---- the definition ---- */

static void merge_halves(model_row *into, const model_row &from)
{
    uint32_t news = from.flags & ~into->flags;
    if ((from.flags & into->flags & GS_SLICE_WAIT) && from.ds > into->ds)
        news |= GS_SLICE_WAIT;
    into->a_ns = std::max(into->a_ns, from.a_ns);
    if (news & GS_SLICE_TURN) {
        into->rel_ns = into->acq_ns + (from.rel_ns - from.acq_ns);
        into->hold_actor = from.hold_actor;
        into->flags |= from.flags &
                       (GS_SLICE_TURN | GS_SLICE_WAITED_FOR | GS_SLICE_FORCED | GS_ROW_KNOWN_STACK);
    }
    if (news & GS_SLICE_WAIT) {
        into->begin_ns = from.begin_ns;
        into->wait_actor = from.wait_actor;
        into->ds = from.ds;
        into->flags &= ~GS_ROW_BY_HOLDER;
        into->flags |= from.flags & (GS_SLICE_WAIT | GS_ROW_BY_HOLDER);
    }
}

static std::vector<model_row> in_order(std::vector<model_row> rows, uint64_t first, uint64_t span,
                                       uint64_t high_ns)
{
    std::vector<model_row> out;
    std::stable_sort(rows.begin(), rows.end(),
                     [](const model_row &a, const model_row &b) { return a.seq < b.seq; });
    for (model_row &r : rows) {
        r.a_ns = r.acq_ns;
        if (r.seq - first >= span || !(r.flags & (GS_SLICE_TURN | GS_SLICE_WAIT)))
            continue;
        if (!out.empty() && out.back().seq == r.seq)
            merge_halves(&out.back(), r);
        else
            out.push_back(r);
    }
    for (model_row &r : out) {
        high_ns = std::max(high_ns, r.a_ns);
        r.a_ns = high_ns;
        r.begin_ns = std::min(r.begin_ns, high_ns);
    }
    return out;
}

/* ---- rows in the order of a file ---- */

/* Some rows whole, some as two halves far apart, some twice, some with no half, some elsewhere. */
static std::vector<model_row> file_rows(size_t n, uint64_t first, uint64_t span, test_random *r)
{
    std::vector<model_row> rows;
    for (size_t i = 0; i < n; i++) {
        uint64_t acq = 5000 + r->below(100000), hold = r->below(5000), wait = r->below(5000);
        model_row row = {first + r->below(span),
                         acq,
                         acq,
                         acq,
                         0,
                         (uint32_t)r->below(9),
                         0,
                         0,
                         (uint32_t)r->below(4),
                         (uint32_t)r->below(5)};
        if (r->below(30) == 0)
            row.seq = r->below(2) ? first + span + r->below(50) : first - 1 - r->below(50);
        if (row.flags & GS_SLICE_TURN) {
            row.rel_ns += hold;
            row.flags |= (uint32_t)r->below(4) << 2 | (r->below(2) ? GS_ROW_KNOWN_STACK : 0);
        }
        if (row.flags & GS_SLICE_WAIT) {
            row.begin_ns -= wait;
            row.wait_actor = (uint32_t)r->below(9);
            row.ds = 1 + (uint32_t)r->below(5);
            row.flags |= r->below(2) ? GS_ROW_BY_HOLDER : 0;
        }
        rows.push_back(row);
    }
    return rows;
}

static void compare(const std::vector<model_row> &rows, uint64_t first, uint64_t span, bool sparse)
{
    const uint64_t high_ns = 20000;
    std::vector<model_row> want = in_order(rows, first, span, high_ns);
    device_rows in(rows), out(std::min<uint64_t>(rows.size(), span));
    uint32_t n_out = 12345;
    gs_order o = {in.columns(), (uint32_t)rows.size(), first, span, high_ns,
                  sparse,       out.columns(),         &n_out};
    std::vector<char> work(gs_order_work_bytes(&o) + 256);
    char *aligned = work.data() + (256 - (uintptr_t)work.data() % 256) % 256;
    assert_ran(gs_launch_order(&o, aligned, gs_order_work_bytes(&o), nullptr));
    assert_int_equal(n_out, want.size());
    for (size_t i = 0; i < want.size(); i++) {
        model_row got = out.row(i);
        if (memcmp(&got, &want[i], offsetof(model_row, hold_actor)) ||
            got.hold_actor != want[i].hold_actor || got.wait_actor != want[i].wait_actor ||
            got.ds != want[i].ds || got.flags != want[i].flags || got.thread != want[i].thread)
            fail_msg("row %zu of seq %llu differs", i, (unsigned long long)want[i].seq);
    }
}

/* ---- tests ---- */

static void dense_and_sparse_windows(void **state)
{
    test_random r(1);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 2, 255, 256, 257, 1023, 1024, 1025, 4096})
            for (bool sparse : {false, true}) {
                uint64_t first = 60 + r.below(3) * UINT32_MAX, span = 1 + r.below(2 * n + 4);
                gs::simt::set_seed(seed);
                compare(file_rows(n, first, span, &r), first, span, sparse);
            }
}

static void numbers_far_apart(void **state)
{
    test_random r(2);
    (void)state;
    for (unsigned bits : {1u, 11u, 33u, 63u}) {
        uint64_t span = 1ull << bits;
        std::vector<model_row> rows = file_rows(700, 100, span, &r),
                               again = file_rows(300, 100, span, &r);
        for (size_t i = 0; i < again.size(); i++) { /* other halves of rows that are there */
            again[i].seq = rows[2 * i].seq;
            rows.push_back(again[i]);
        }
        compare(rows, 100, span, true);
    }
    compare(file_rows(500, 1, UINT64_MAX - 60, &r), 1, UINT64_MAX - 60, true);
}

static void many_rows_of_few_numbers(void **state)
{
    test_random r(3);
    (void)state;
    for (bool sparse : {false, true}) {
        compare(file_rows(2000, 77, 3, &r), 77, 3, sparse);
        compare(file_rows(2000, 77, 1, &r), 77, 1, sparse);
    }
}

static void nothing_of_ours(void **state)
{
    test_random r(4);
    std::vector<model_row> rows = file_rows(100, 1000, 50, &r);
    (void)state;
    for (bool sparse : {false, true})
        compare(rows, 5000, 20, sparse);
}

static void too_little_memory_is_refused(void **state)
{
    test_random r(5);
    (void)state;
    for (bool sparse : {false, true}) {
        device_rows in(file_rows(100, 1, 50, &r)), out((size_t)50);
        uint32_t n_out = 0;
        gs_order o = {in.columns(), 100, 1, 50, 0, sparse, out.columns(), &n_out};
        size_t wants = gs_order_work_bytes(&o);
        std::vector<char> work(wants);
        for (size_t bytes : {(size_t)0, (size_t)256, wants - 1})
            assert_int_equal(gs_launch_order(&o, work.data(), bytes, nullptr),
                             cudaErrorInvalidValue);
        o.n_in = 0;
        assert_int_equal(gs_launch_order(&o, work.data(), wants, nullptr), cudaErrorInvalidValue);
    }
}

static void the_sort_is_stable_and_minds_its_bits(void **state)
{
    std::vector<gs_u64> keys = {5, 0x105, 1, 4, 0x204, 1}, sorted(6);
    std::vector<uint32_t> rows = {0, 1, 2, 3, 4, 5}, order(6);
    gs_carver asked = {NULL, 0, 0};
    (void)state;
    assert_int_equal(
        gs_sort_pairs(&asked, keys.data(), sorted.data(), rows.data(), order.data(), 6, 8, nullptr),
        cudaSuccess);
    std::vector<char> work(asked.used);
    gs_carver carver = {work.data(), 0, work.size()};
    assert_int_equal(gs_sort_pairs(&carver, keys.data(), sorted.data(), rows.data(), order.data(),
                                   6, 8, nullptr),
                     cudaSuccess);
    assert_same(order, {2, 5, 3, 4, 0, 1});
    carver = {work.data(), 0, 63};
    assert_int_equal(gs_sort_pairs(&carver, keys.data(), sorted.data(), rows.data(), order.data(),
                                   6, 8, nullptr),
                     cudaErrorInvalidValue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_and_sparse_windows),
        cmocka_unit_test(numbers_far_apart),
        cmocka_unit_test(many_rows_of_few_numbers),
        cmocka_unit_test(nothing_of_ours),
        cmocka_unit_test(too_little_memory_is_refused),
        cmocka_unit_test(the_sort_is_stable_and_minds_its_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

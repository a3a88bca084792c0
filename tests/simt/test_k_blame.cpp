/* SPDX-License-Identifier: MIT
 * gs_launch_blame and gs_launch_pairs against the walk over turns: whole recordings, and the same
 * ones cut into windows anywhere.
 */
#include "cuda/blame.cuh"
#include "cuda/group.cuh"
#include "cuda/pairs.cuh"
#include "tests/simt/blame_model.h"

/* ---- the kernels' sums ---- */

class kernel_sums
{
    const model_window &in;
    static const unsigned WIDTH = 40, SLOTS = 2048;
    std::vector<gs_u64> hold_hist, wait_hist, pair_ns, pair_count;
    std::vector<uint32_t> waiter_class, holder_class, no_class;
    std::vector<gs_u64> slot_keys, slot_ns, slot_count; /* the same pairs in a map */
    uint32_t is_full = 0;
    gs_u64 wait_ns = 0;

  public:
    model_sums sums;
    gs_u64 unknown_ns = 0;

    explicit kernel_sums(const model_window &w)
        : in(w), hold_hist(GS_DEVICE_HIST_BUCKETS), wait_hist(GS_DEVICE_HIST_BUCKETS),
          pair_ns(WIDTH * WIDTH), pair_count(WIDTH * WIDTH), slot_keys(SLOTS, UINT64_MAX),
          slot_ns(SLOTS), slot_count(SLOTS), sums((size_t)GS_SUM_KINDS * w.n_actors)
    {
        for (uint32_t a = 0; a < w.n_actors; a++) { /* some share a class, some have none */
            waiter_class.push_back(a % 11 == 10 ? GS_NO_CLASS : a % WIDTH);
            no_class.push_back(GS_NO_CLASS);
            holder_class.push_back(a % 13 == 12 ? GS_NO_CLASS : a * 7 % WIDTH);
        }
    }

    /* Rows [from, to) as a window. */
    void run(size_t from, size_t to)
    {
        const std::vector<model_row> &all = in.rows;
        std::vector<model_row> rows(all.begin() + (ptrdiff_t)from, all.begin() + (ptrdiff_t)to);
        uint64_t next_seq = to < all.size() ? all[to].seq : 0;
        std::vector<model_row> reaching;
        for (size_t i = to; i < all.size(); i++)
            if ((all[i].flags & GS_SLICE_WAIT) && all[i].seq - all[i].ds < next_seq)
                reaching.push_back(all[i]);
        device_rows device(rows), device_reaching(reaching);
        std::vector<uint8_t> is_cut(rows.size(), 0xcc);
        columns_of_samples samples(in.samples, rows.front().seq, rows.back().seq);
        gs_blame b = {};
        b.rows = device.columns();
        b.n = (uint32_t)rows.size();
        b.samples = samples.columns();
        b.shares = in.shares.data();
        b.n_shares = (uint32_t)in.shares.size();
        b.is_first = from == 0;
        b.next_seq = next_seq;
        b.next_a_ns = next_seq ? all[to].a_ns : 0;
        b.reaching = device_reaching.columns();
        b.n_reaching = (uint32_t)reaching.size();
        b.actors = {sums.data(), in.n_actors};
        b.unknown_holder_ns = &unknown_ns;
        b.is_cut = is_cut.data();
        launch(b);
    }

    uint64_t waited_ns() const
    {
        return wait_ns;
    }

    /* is_whole: of one window, so that no stretch is cut in two. */
    void check_pairs(const blame_model &model, bool is_whole) const
    {
        std::vector<gs_u64> want_ns(WIDTH * WIDTH), want_count(WIDTH * WIDTH);
        for (const auto &p : model.pairs) {
            uint32_t row = waiter_class[p.first.first], column = holder_class[p.first.second];
            if (row == GS_NO_CLASS || column == GS_NO_CLASS)
                continue;
            want_ns[row * WIDTH + column] += p.second.first;
            want_count[row * WIDTH + column] += p.second.second;
        }
        assert_same(pair_ns, want_ns);
        if (is_whole)
            assert_same(pair_count, want_count);
        check_slots();
    }

  private:
    class columns_of_samples
    {
        std::vector<gs_u64> seq, t_ns;
        std::vector<uint32_t> thread, actor, kind;

      public:
        columns_of_samples(const std::vector<model_sample> &all, uint64_t first, uint64_t last)
        {
            for (const model_sample &s : all) {
                if (s.seq < first || s.seq > last)
                    continue;
                seq.push_back(s.seq);
                t_ns.push_back(s.t_ns);
                thread.push_back(s.thread);
                actor.push_back(s.actor);
                kind.push_back(s.kind);
            }
        }
        gs_samples columns() const
        {
            return {seq.data(),   t_ns.data(), thread.data(),
                    actor.data(), kind.data(), (uint32_t)seq.size()};
        }
    };

    /* The map has what the matrix has. */
    void check_slots() const
    {
        std::vector<gs_u64> ns(WIDTH * WIDTH), count(WIDTH * WIDTH);
        for (unsigned s = 0; s < SLOTS; s++)
            if (slot_keys[s] != UINT64_MAX) {
                ns[slot_keys[s]] += slot_ns[s];
                count[slot_keys[s]] += slot_count[s];
            }
        assert_int_equal(is_full, 0);
        assert_same(ns, pair_ns);
        assert_same(count, pair_count);
    }

    void launch(const gs_blame &b)
    {
        gs_blame_left left;
        gs_group_out group = {b.actors, hold_hist.data(), wait_hist.data(),
                              &wait_ns, no_class.data(),  NULL};
        gs_pair_table matrix = {waiter_class.data(),
                                holder_class.data(),
                                WIDTH,
                                pair_ns.data(),
                                pair_count.data(),
                                NULL,
                                0};
        gs_pair_table map = {waiter_class.data(), holder_class.data(), WIDTH,    slot_ns.data(),
                             slot_count.data(),   slot_keys.data(),    SLOTS - 1};
        gs_pairs_out pairs = {map, matrix, &is_full};
        std::vector<gs_u64> work(gs_blame_work_bytes(&b) / 8);
        assert_ran(gs_launch_blame(&b, work.data(), work.size() * 8, &left, nullptr));
        assert_ran(gs_launch_group(&b.rows, b.n, b.is_cut, &group, nullptr));
        assert_ran(gs_launch_pairs(&b, &left, &pairs, nullptr));
    }
};

/* ---- stories ---- */

static model_window without_samples(const story &s, test_random *r)
{
    return {tell(s, r), {}, {}, s.n_actors};
}

/* Samples around the turns' times, some of another thread; shares of some actors. */
static model_window with_samples(const story &s, test_random *r)
{
    model_window w = without_samples(s, r);
    for (const model_row &t : w.rows)
        for (uint64_t k = r->below(5); k > 1; k--) {
            uint64_t at =
                t.acq_ns + r->below(t.rel_ns - t.acq_ns + 40) - std::min<uint64_t>(20, t.acq_ns);
            w.samples.push_back({t.seq + (r->below(30) == 0), at,
                                 r->below(9) ? t.thread : t.thread + 1,
                                 r->below(3) ? (uint32_t)r->below(s.n_actors) : t.hold_actor,
                                 1 + (uint32_t)r->below(3)});
        }
    std::sort(w.samples.begin(), w.samples.end(), [](const model_sample &a, const model_sample &b) {
        return a.seq != b.seq     ? a.seq < b.seq
               : a.t_ns != b.t_ns ? a.t_ns < b.t_ns
               : a.kind != b.kind ? a.kind < b.kind
                                  : a.actor < b.actor;
    });
    for (uint32_t a = 0; a < s.n_actors; a++) {
        gs_shares y = {(uint32_t)r->below(GS_TYPICAL_SHARES + 1), {}, {}};
        uint64_t until = 0;
        for (uint32_t k = 0; k < y.n; k++) {
            y.actor[k] = (uint32_t)r->below(s.n_actors);
            y.until[k] = k + 1 < y.n ? until += r->below(UINT64_MAX / 4) : 0;
        }
        w.shares.push_back(y);
    }
    return w;
}

static void check(const model_window &w, const kernel_sums &got, bool is_whole)
{
    blame_model want(w);
    model_group(w.rows, w.n_actors, &want.sums);
    assert_same(got.sums, want.sums);
    assert_int_equal(got.unknown_ns, want.unknown_ns);
    assert_int_equal(want.blamed_ns(), got.waited_ns()); /* nothing of a wait is lost */
    got.check_pairs(want, is_whole);
}

static void check_whole(const model_window &w)
{
    kernel_sums got(w);
    got.run(0, w.rows.size());
    check(w, got, true);
}

static void check_in_windows(const model_window &w, size_t most_rows, test_random *r)
{
    kernel_sums got(w);
    for (size_t from = 0, to; from < w.rows.size(); from = to) {
        to = std::min(w.rows.size(), from + 1 + r->below(most_rows));
        got.run(from, to);
    }
    check(w, got, false);
}

/* ---- tests ---- */

static story some_story(size_t n, test_random *r)
{
    return {n,
            1 + (uint32_t)r->below(60),
            (unsigned)r->below(26),
            (unsigned)r->below(2) * (unsigned)r->below(60),
            20 + (unsigned)r->below(80),
            1 + (unsigned)r->below(12),
            r->below(3) == 0};
}

static void turns_without_samples(void **state)
{
    test_random r(1);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 3, 255, 256, 1025}) {
            gs::simt::set_seed(seed);
            check_whole(without_samples(some_story(n, &r), &r));
        }
}

static void turns_with_samples(void **state)
{
    test_random r(2);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 2, 257, 700}) {
            gs::simt::set_seed(seed);
            check_whole(with_samples(some_story(n, &r), &r));
        }
}

static void windows_anywhere(void **state)
{
    test_random r(3);
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        story s = some_story(1 + r.below(120), &r);
        check_in_windows(round % 2 ? with_samples(s, &r) : without_samples(s, &r),
                         round % 3 ? 40 : 3, &r);
    }
}

/* Everyone waits for hundreds of turns, most of which have no row. */
static void convoys(void **state)
{
    test_random r(4);
    (void)state;
    model_window w = with_samples({250, 9, 22, 70, 95, 200, false}, &r);
    check_whole(w);
    check_in_windows(w, 50, &r);
}

static void more_actors_than_classes(void **state)
{
    test_random r(5);
    (void)state;
    check_whole(with_samples({600, 1000, 20, 5, 80, 5, false}, &r));
}

static void impossible_windows_are_refused(void **state)
{
    test_random r(6);
    device_rows rows(tell({4, 2, 9, 0, 50, 2, false}, &r));
    std::vector<gs_u64> work(4096);
    gs_blame_left left;
    gs_blame b = {};
    (void)state;
    b.rows = rows.columns();
    assert_int_equal(gs_launch_blame(&b, work.data(), 32768, &left, nullptr),
                     cudaErrorInvalidValue);
    b.n = 4;
    size_t wants = gs_blame_work_bytes(&b);
    assert_int_equal(gs_launch_blame(&b, work.data(), wants - 1, &left, nullptr),
                     cudaErrorInvalidValue);
    assert_int_equal(gs_launch_blame(&b, NULL, wants, &left, nullptr), cudaErrorInvalidValue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_without_samples),
        cmocka_unit_test(turns_with_samples),
        cmocka_unit_test(windows_anywhere),
        cmocka_unit_test(convoys),
        cmocka_unit_test(more_actors_than_classes),
        cmocka_unit_test(impossible_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * gs_launch_replay_*, in slices of any length, against gs_replay_run().
 */
#include "tests/simt/simt_test.h"

#include "cuda/replay.cuh"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "tests/unit/random_programs.h"
}
#pragma GCC diagnostic pop

namespace
{
const uint32_t N = 9; /* replays side by side */

void make_random(gs_program *p, uint64_t seed)
{
    random_program(p, seed, 60);
}

struct sweep { /* as engine_sweep.cu has it on a device */
    gs_program program = {};
    gs_replay_params params[N];
    uint32_t cap_q16[N][RANDOM_CORES_MAX];
    std::vector<uint32_t> ring_at;
    std::vector<char> arrays[N];
    std::vector<uint64_t> rate[N], inverse[N];
    std::vector<gs_replay_object> totals[N];
    std::vector<gs_replay> replays;

    explicit sweep(uint64_t seed, void (*make)(gs_program *, uint64_t) = make_random)
    {
        make(&program, seed);
        ring_at.resize(program.n_objects);
        for (uint32_t i = 0; i < N; i++)
            random_params(&params[i], cap_q16[i], seed * N + i);
        for (uint32_t i = 0; i < N; i++)
            add(i, gs__replay_rings(&program, ring_at.data()));
    }
    ~sweep()
    {
        gs_program_free(&program);
    }
    void add(uint32_t i, uint32_t n_puts)
    {
        gs_replay r = {};
        r.p = &program;
        arrays[i].assign(gs__replay_lay_out(&r, n_puts, NULL), 0);
        gs__replay_lay_out(&r, n_puts, arrays[i].data());
        rate[i].resize(program.n_threads + 1);
        inverse[i].resize(program.n_threads + 1);
        totals[i].resize(program.n_objects);
        r.params = &params[i];
        r.ring_at = ring_at.data();
        r.rate = rate[i].data();
        r.inverse = inverse[i].data();
        r.totals = totals[i].data();
        gs__replay_rates(&params[i].machine, program.n_threads, r.rate, r.inverse);
        replays.push_back(r);
    }
};

/* Returns how many launches it took. */
unsigned run(sweep *s, uint64_t budget)
{
    unsigned n = 0;
    uint32_t n_left = N;
    assert_ran(gs_launch_replay_reset(s->replays.data(), N, nullptr));
    while (n_left > 0) {
        uint32_t before = n_left;
        n_left = 0;
        assert_ran(gs_launch_replay_slice(s->replays.data(), N, budget, &n_left, nullptr));
        assert_true(n_left <= before);
        n++;
    }
    return n;
}

void check(const sweep &s, uint32_t i, const gs_replay_result &want)
{
    const gs_replay_result &got = s.replays[i].out;
    assert_int_equal(got.makespan_ns, want.makespan_ns);
    assert_int_equal(got.py_ns, want.py_ns);
    assert_int_equal(got.native_ns, want.native_ns);
    assert_int_equal(got.latency_ns, want.latency_ns);
    assert_int_equal(got.gc_ns, want.gc_ns);
    assert_int_equal(got.flips, want.flips);
    assert_int_equal(got.steps, want.steps);
    assert_int_equal(got.deadlock, want.deadlock);
    for (size_t k = 0; k < s.program.n_objects; k++) {
        assert_int_equal(s.totals[i][k].parked_ns, want.objects[k].parked_ns);
        assert_int_equal(s.totals[i][k].hold_ns, want.objects[k].hold_ns);
    }
}

unsigned n_deadlocks, n_ended;

void compare(sweep *s)
{
    gs_replay *replay = gs_replay_open(&s->program);
    for (uint32_t i = 0; i < N; i++) {
        gs_replay_result want;
        gs_replay_run(replay, &s->params[i], &want);
        check(*s, i, want);
        (want.deadlock ? n_deadlocks : n_ended)++;
    }
    gs_replay_close(replay);
}
} // namespace

static void slices_of_any_length(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        sweep s(seed);
        unsigned most = 0, launches = 0;
        for (uint64_t budget : {1, 2, 7, 50, 1 << 20}) {
            for (std::vector<char> &a : s.arrays)
                a.assign(a.size(), 0); /* in place */
            launches = run(&s, budget);
            most = most ? most : launches;
            compare(&s);
        }
        assert_int_equal(launches, 1);
        assert_true(most >= launches);
    }
    assert_true(n_deadlocks > 100 && n_ended > 100);
}

/* No launch does more than its share, whatever the program. */
static void a_slice_is_a_slice(void **state)
{
    const uint64_t BUDGET = 10;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sweep s(seed);
        std::vector<uint64_t> steps(N, 0);
        uint32_t n_left = N;
        assert_ran(gs_launch_replay_reset(s.replays.data(), N, nullptr));
        while (n_left > 0) {
            n_left = 0;
            assert_ran(gs_launch_replay_slice(s.replays.data(), N, BUDGET, &n_left, nullptr));
            for (uint32_t i = 0; i < N; i++) {
                assert_true(s.replays[i].out.steps - steps[i] <= BUDGET);
                steps[i] = s.replays[i].out.steps;
            }
        }
    }
}

/* Three threads that compute. */
static void make_long(gs_program *p, uint64_t ns)
{
    for (unsigned i = 0; i < 3; i++) {
        gs_op op = gs_op_on(i ? GS_OP_PY : GS_OP_NATIVE, 0);
        op.ns = ns;
        gs_program_begin(p, gs_program_thread(p, "t", false));
        gs_program_op(p, op);
    }
    gs_program_finish(p);
}

/* A collection each nanosecond of Python: moments without an operation are paid for, and what all
 * who compute cost is. */
static void collections_without_end_are_cut(void **state)
{
    const uint64_t BUDGET = 3000;
    uint32_t n_left = 0;
    (void)state;
    sweep s(1000000, make_long);
    for (gs_replay_params &p : s.params) {
        p.gc_every_ns = 1;
        p.gc_pause_ns = 1;
    }
    assert_ran(gs_launch_replay_reset(s.replays.data(), N, nullptr));
    assert_ran(gs_launch_replay_slice(s.replays.data(), N, BUDGET, &n_left, nullptr));
    assert_int_equal(n_left, N);
    for (const gs_replay &r : s.replays) {
        uint64_t pauses = r.gc >> GS__TICK_BITS;
        assert_true(pauses > BUDGET / 6 && pauses <= BUDGET / 4); /* 1 + 3 to begin, 1 to end */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_of_any_length),
        cmocka_unit_test(a_slice_is_a_slice),
        cmocka_unit_test(collections_without_end_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

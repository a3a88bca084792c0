/* SPDX-License-Identifier: MIT
 * Who waited for the GIL while a call of the driver held it: cases by hand, and the definition
 * again, slow, over rows made at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/cuda_blame.h"
#include "tests/unit/capture_builder.h"

#define HELD_SYNC GS_CUDA_WHAT(GS_CUDA_OP_SYNC, 0, GS_CUDA_HELD | GS_CUDA_HAD, 7)
#define HAD_SYNC  GS_CUDA_WHAT(GS_CUDA_OP_SYNC, 0, GS_CUDA_HAD, 7)
#define HELD_FREE GS_CUDA_WHAT(GS_CUDA_OP_FREE, 1, GS_CUDA_HELD | GS_CUDA_HAD, 8)
#define WAIT      (GS_SLICE_TURN | GS_SLICE_WAIT)

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
    cap_code(c, 1, "/app/net.py", "step", 88);
    cap_code(c, 2, "/app/main.py", "main", 3);
    cap_stack2(c, 1, 1, 2);
    cap_stack2(c, 2, 2, 1);
    cap_end_records(c);
}

/* ---- by hand ---- */

static void expect_blame(const struct cap_cuda *rows, size_t n, const struct cap_row *waits,
                         size_t n_waits, uint64_t expected, uint64_t sync)
{
    struct cap c;
    struct gs_profile p;
    begin(&c);
    cap_cuda(&c, rows, n);
    if (n_waits)
        cap_slices(&c, waits, n_waits);
    for (unsigned i = 0; i < 2; i++) {
        cap_profile(c.data, c.len, i ? "cpu" : "reference", &p);
        assert_int_equal(p.processes[0].cuda->blamed_ns, expected);
        assert_int_equal(p.processes[0].cuda->sync_blamed_ns, sync);
        gs_profile_free(&p);
    }
    cap_close(&c);
}

static void waits_of_others_in_the_call_count(void **state)
{
    const struct cap_cuda rows[] = {{1000, 1, HELD_SYNC, 0, 1, 0, 1000, 0, 0, 1}};
    static const struct {
        uint64_t thread, acq, wait, ns;
    } cases[] = {
        {1, 2100, 1100, 1000}, /* over all of it */
        {1, 2000, 1000, 1000}, /* exactly */
        {1, 5000, 4999, 1000}, {1, 1500, 1000, 500}, {1, 2500, 1000, 500},
        {1, 1600, 200, 200},   {1, 1000, 700, 0},  /* ends as it begins */
        {1, 3000, 1000, 0},    {0, 2100, 1100, 0}, /* its own: clocks err */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct cap_row w = {1, cases[i].acq, cases[i].thread, WAIT, 1, 1, cases[i].wait, 1,
                                  1};
        expect_blame(rows, 1, &w, 1, cases[i].ns, cases[i].ns);
    }
}

static void one_wait_lies_over_many_calls(void **state)
{
    const struct cap_cuda rows[] = {
        {1000, 1, HELD_SYNC, 0, 1, 0, 100, 0, 0, 1}, {1200, 2, HELD_FREE, 2, 1, 0, 100, 0, 0, 1},
        {1400, 3, HELD_SYNC, 0, 1, 0, 100, 0, 0, 2}, {1600, 4, HELD_SYNC, 0, 1, 0, 100, 0, 0, 2},
        {1650, 5, HAD_SYNC, 0, 1, 0, 10, 0, 0, 2}, /* it let the GIL go */
        {1800, 6, HELD_SYNC, 0, 1, 0, 0, 0, 0, 2},
    };
    const struct cap_row waits[] = {{5, 1650, 1, WAIT, 1, 1, 600, 1, 1},  /* 50, 100, 100, 50 */
                                    {6, 2000, 2, WAIT, 1, 1, 1500, 1, 1}, /* all but its own */
                                    {7, 2000, 1, WAIT, 1, 1, 100, 1, 1},
                                    {8, 2001, 1, GS_SLICE_TURN, 1, 1, 0, 0, 0}};
    (void)state;
    expect_blame(rows, 6, waits, 4, 300 + 300, 200 + 300);
}

/* Of two that overlap the one that began later begins where the other ends. */
static void calls_on_one_gil_do_not_overlap(void **state)
{
    const struct cap_cuda rows[] = {
        {1000, 1, HELD_SYNC, 0, 1, 0, 300, 0, 0, 1},
        {1100, 2, HELD_SYNC, 2, 1, 0, 100, 0, 0, 1}, /* wholly inside */
        {1200, 3, HELD_SYNC, 3, 1, 0, 200, 0, 0, 1},
    };
    const struct cap_row wait = {5, 1500, 1, WAIT, 1, 1, 1000, 1, 1};
    (void)state;
    expect_blame(rows, 3, &wait, 1, 400, 400);
}

/* Two interpreters with a GIL each; a thread's calls are on the one it takes. */
static void each_gil_has_its_own_waits(void **state)
{
    const struct cap_cuda rows[] = {
        {1000, 1, HELD_SYNC, 0, 1, 0, 100, 0, 0, 1},
        {1000, 2, HELD_SYNC, 2, 1, 0, 100, 0, 0, 1},
        {1000, 3, HELD_SYNC, 9, 1, 0, 100, 0, 0, 1},            /* of a thread nobody knows */
        {1000, 4, HELD_SYNC, GS_NO_THREAD, 1, 0, 100, 0, 0, 1}, /* nor this one's */
    };
    const struct cap_row first[] = {{5, 1090, 1, WAIT, 1, 1, 60, 1, 1}};
    const struct cap_row second[] = {{5, 1050, 3, WAIT, 1, 1, 50, 1, 1}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_records(&c);
    for (uint64_t thread = 0; thread < 4; thread++)
        CAP_REC(&c, GS_RECORD_TOTALS, thread, thread / 2, 9000, 5, 5, 1, 0, 0, 0);
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 1, 9000, 4, 4, 0, 0, 0, 0); /* less often */
    cap_end_records(&c);
    cap_cuda(&c, rows, 4);
    cap_slices(&c, first, 1);
    c.gil = 1;
    cap_slices(&c, second, 1);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_int_equal(p.processes[0].cuda->blamed_ns, 60 + 50);
    gs_profile_free(&p);
    cap_close(&c);
}

/* More rows than are looked at together: waits lie over all of them, and over their edges. */
static void many_rows_are_blamed_as_few_are(void **state)
{
    enum { N = 160000, CHUNK = 4000, CALLS_OF_WAIT = 10 };
    static struct cap_cuda rows[N];
    static struct cap_row waits[N / CALLS_OF_WAIT + 1];
    const struct gs_load_options options = {.engine = "cpu", .window_rows = 200};
    (void)state;
    for (uint64_t i = 0; i < N; i++)
        rows[i] = (struct cap_cuda){1000 + 100 * i, i + 1, HELD_SYNC, 0, 1, 0, 60, 0, 0, 1};
    for (uint64_t i = 0; i < N / CALLS_OF_WAIT; i++)
        waits[i] = (struct cap_row){i + 1, 2000 + 1000 * i, 1, WAIT, 1, 1, 1000, 1, 1};
    waits[N / CALLS_OF_WAIT] = (struct cap_row){N, 1000 + 100 * N, 2, WAIT, 1, 1, 100 * N, 1, 1};
    for (unsigned round = 0; round < 2; round++) {
        struct cap c;
        struct gs_profile p;
        begin(&c);
        for (size_t i = 0; i < N; i += CHUNK)
            cap_cuda(&c, rows + i, CHUNK);
        for (size_t i = 0; i < N / CALLS_OF_WAIT; i += 100)
            cap_slices(&c, waits + i, 100);
        cap_slices(&c, waits + N / CALLS_OF_WAIT, 1);
        struct gs_captures captures = {0};
        assert_int_equal(gs_captures_add(&captures, c.data, c.len, "x", NULL), GS_OK);
        assert_int_equal(gs_profile_build(&captures, &options, &p, NULL), GS_OK);
        gs_captures_close(&captures);
        assert_int_equal(p.processes[0].cuda->blamed_ns, 2 * 60 * N);
        gs_profile_free(&p);
        cap_close(&c);
        uint64_t t = rows[100].t; /* then calls do not begin in order of seq */
        rows[100].t = rows[N - 100].t;
        rows[N - 100].t = t;
    }
}

/* ---- at random ---- */

#define ROUNDS   300
#define MAX_ROWS 40

struct span {
    uint64_t begin, end, thread;
};

/* By begin, then in order of seq; each begins where those before it end. */
static void clip(struct span *spans, size_t n)
{
    uint64_t high = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && spans[k - 1].begin > spans[k].begin; k--) {
            struct span s = spans[k];
            spans[k] = spans[k - 1];
            spans[k - 1] = s;
        }
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin < high)
            spans[i].begin = high;
        if (spans[i].end > high)
            high = spans[i].end;
    }
}

static uint64_t slow_blame(struct span *held, size_t n, const struct span *waits, size_t n_waits)
{
    uint64_t ns = 0;
    clip(held, n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_waits; k++) {
            uint64_t lo = held[i].begin > waits[k].begin ? held[i].begin : waits[k].begin;
            uint64_t hi = held[i].end < waits[k].end ? held[i].end : waits[k].end;
            if (hi > lo && held[i].thread != waits[k].thread)
                ns += hi - lo;
        }
    return ns;
}

static size_t make_calls(struct cap *c, uint64_t *rng, struct span *held)
{
    struct cap_cuda rows[MAX_ROWS];
    size_t n = 1 + cap_random(rng) % MAX_ROWS, n_held = 0;
    uint64_t scale = 1 + cap_random(rng) % 300;
    for (size_t i = 0; i < n; i++) {
        bool holds = cap_random(rng) % 4;
        rows[i] = (struct cap_cuda){.t = 1000 + cap_random(rng) % 2000, .seq = i + 1};
        rows[i].what = holds ? HELD_SYNC : HAD_SYNC;
        rows[i].thread = cap_random(rng) % 4;
        rows[i].duration = cap_random(rng) % scale;
        rows[i].stack = 1 + cap_random(rng) % 2;
        if (holds)
            held[n_held++] = (struct span){rows[i].t, rows[i].t + rows[i].duration, rows[i].thread};
    }
    cap_cuda(c, rows, n);
    return n_held;
}

static size_t make_waits(struct cap *c, uint64_t *rng, struct span *waits)
{
    struct cap_row rows[MAX_ROWS];
    size_t n = 1 + cap_random(rng) % MAX_ROWS;
    uint64_t t = 1000, scale = 1 + cap_random(rng) % 900;
    for (size_t i = 0; i < n; i++) {
        t += cap_random(rng) % 100;
        rows[i] = (struct cap_row){
            i + 1, t, cap_random(rng) % 4, WAIT, 1, 1, cap_random(rng) % scale, 1, 2};
        waits[i] = (struct span){t - rows[i].wait, t, rows[i].thread};
    }
    cap_slices(c, rows, n);
    return n;
}

static void the_slow_definition_gives_the_same(void **state)
{
    uint64_t rng = 99, seen = 0;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct span held[MAX_ROWS], waits[MAX_ROWS];
        struct cap c;
        struct gs_profile p;
        begin(&c);
        size_t n = make_calls(&c, &rng, held), n_waits = make_waits(&c, &rng, waits);
        uint64_t expected = slow_blame(held, n, waits, n_waits), by_stack = 0;
        struct gs_load_options options = {.engine = round % 2 ? "cpu" : "reference",
                                          .jobs = 1 + round % 3,
                                          .window_rows = round % 4 ? 1 + round % 7 : 0};
        cap_profile_with(c.data, c.len, &options, &p);
        assert_int_equal(p.processes[0].cuda->blamed_ns, expected);
        for (size_t i = 0; i < p.n_cuda_held_rows; i++)
            by_stack += p.cuda_held_rows[i].blamed_ns;
        assert_int_equal(by_stack, expected);
        seen += expected > 0;
        gs_profile_free(&p);
        cap_close(&c);
    }
    assert_true(seen > ROUNDS / 2);
}

/* Rows of the greatest times and durations there are. */
static void greatest_numbers_do_not_overflow(void **state)
{
    const uint64_t most = UINT64_MAX;
    const struct cap_cuda rows[] = {
        {0, 1, HELD_SYNC, 0, 1, 0, most, 0, 0, 1},
        {most, 2, HELD_SYNC, 0, 1, 0, most, 0, 0, 1},
        {5, most, HELD_SYNC, most, most, most, most, most, most, most & 0xffffffff},
    };
    struct cap_row waits[64];
    struct cap c;
    struct gs_profile p;
    (void)state;
    for (uint64_t i = 0; i < 64; i++)
        waits[i] = (struct cap_row){i + 1, most, 1 + i % 3, WAIT, most, 1, most, 1, 1};
    begin(&c);
    cap_cuda(&c, rows, 3);
    cap_slices(&c, waits, 64);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_true(p.processes[0].cuda->blamed_ns == most); /* saturated */
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_of_others_in_the_call_count),
        cmocka_unit_test(one_wait_lies_over_many_calls),
        cmocka_unit_test(calls_on_one_gil_do_not_overlap),
        cmocka_unit_test(each_gil_has_its_own_waits),
        cmocka_unit_test(many_rows_are_blamed_as_few_are),
        cmocka_unit_test(the_slow_definition_gives_the_same),
        cmocka_unit_test(greatest_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

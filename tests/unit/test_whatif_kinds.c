/* SPDX-License-Identifier: MIT
 * Loops and open arrivals: captures of which every number is known -> what whatif says of them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/whatif_capture.h"

/* One lock is taken each half millisecond, with the GIL; without, it is held for four fifths of
 * that.
 */
static void a_loop_is_judged_by_what_it_does_per_second(void **state)
{
    (void)state;
    static const char *const names[] = {"run", "app.py:run", "app.py:10", "lock at app.py:10 run"};
    struct cap c;
    begin_locked(&c);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct gs_kind_options kind = {.kind = GS_KIND_LOOP, .names.progress = names[i]};
        struct gs_whatif_job job = predict_kind(&c, 2, kind);
        struct gs_whatif_process *p = &job.processes[0];
        assert_null(p->why_not);
        assert_int_equal(p->kind, GS_KIND_LOOP);
        assert_int_equal(p->n_marks, 38); /* each thread's last one was not seen to end */
        near(p->prediction.per_s, 2000);
        assert_true(p->prediction.at.p50 > 1.25 / TOGETHER * 0.95);
        assert_true(p->prediction.at.p50 < 1.25 / TOGETHER * 1.02);
        near(p->prediction.replayed, 1);
        gs_whatif_job_free(&job);
    }
    struct gs_whatif_job job = predict(&c, 2);
    assert_int_equal(job.processes[0].kind, GS_KIND_BATCH); /* nothing was got from a queue */
    gs_whatif_job_free(&job);
    cap_close(&c);
}

static void a_loop_has_no_number_without_marks(void **state)
{
    (void)state;
    struct cap c;
    begin_locked(&c);
    for (int named = 0; named < 2; named++) {
        struct gs_kind_options kind = {.kind = named ? GS_KIND_BATCH : GS_KIND_LOOP,
                                       .names.progress = named ? "app.py:11" : NULL};
        struct gs_whatif_job job = predict_kind(&c, 2, kind);
        assert_non_null(job.processes[0].why_not);
        assert_non_null(strstr(job.processes[0].why_not, "--progress"));
        assert_false(job.processes[0].has_program);
        gs_whatif_job_free(&job);
    }
    cap_close(&c);
}

/* Two threads take a request each 10 ms, one 5 ms behind the other, and compute 1 ms for each. */
#define REQUESTS 200u

static void begin_server(struct cap *c, const char *file, const char *function)
{
    struct cap_row turns[REQUESTS];
    struct cap_sync looks[REQUESTS];
    begin(c, true);
    cap_code(c, 3, file, function, 290);
    cap_stack2(c, 3, 3, 1);
    cap_end_records(c);
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t t = 1000 + i * 5 * MS;
        turns[i] = (struct cap_row){.seq = i + 1,
                                    .t_acq = t,
                                    .thread = i % 2,
                                    .flags = GS_SLICE_TURN,
                                    .hold = MS,
                                    .hold_stack = 3};
        looks[i] = (struct cap_sync){t, i % 2, GS_SYNC_CPU, 0, (i / 2) * MS, 0};
    }
    cap_slices(c, turns, REQUESTS);
    put_syncs(c, looks, REQUESTS);
}

static void a_server_is_judged_by_what_it_could_do(void **state)
{
    (void)state;
    struct cap c;
    begin_server(&c, "socket.py", "socket.accept");
    struct gs_kind_options kind = {.names.progress = "accept"};
    struct gs_whatif_job job = predict_kind(&c, 2, kind);
    struct gs_whatif_process *p = &job.processes[0];
    struct gs_whatif *w = &p->prediction;
    assert_null(p->why_not);
    assert_int_equal(p->kind, GS_KIND_ARRIVALS);
    assert_true(p->kind_is_guess);
    assert_int_equal(w->grade, GS_GRADE_B);
    assert_int_equal(p->n_marks, REQUESTS - 4); /* what was done before the first wait is none */
    near(w->per_s, 200);
    near(w->gil_per_s, 1000);
    near(w->recorded.p50, MS);
    near(w->with_gil.p50, MS);
    near(w->with_gil.p99, MS);
    near(w->without.p50, MS * TOGETHER);
    assert_true(w->at.p50 > 0.97 * 2 / TOGETHER && w->at.p50 < 1.005 * 2 / TOGETHER);
    near(w->s_max_if_not_faster, 200.0 / 101); /* the second thread begins in the first's turn */
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* The same waits in a function of the program: a batch, unless somebody says what they are for. */
static void what_others_send_may_be_named(void **state)
{
    (void)state;
    struct cap c;
    begin_server(&c, "app.py", "take");
    struct gs_whatif_job job = predict(&c, 2);
    assert_int_equal(job.processes[0].kind, GS_KIND_BATCH);
    double s = job.processes[0].prediction.at.p50;
    assert_true(s > 0.98 && s < 1); /* it waits for what comes, with and without */
    gs_whatif_job_free(&job);
    struct gs_kind_options kind = {.kind = GS_KIND_ARRIVALS, .names.outside = "app.py:take"};
    job = predict_kind(&c, 2, kind);
    assert_false(job.processes[0].kind_is_guess);
    assert_true(job.processes[0].prediction.at.p50 > 0.97 * 2 / TOGETHER);
    gs_whatif_job_free(&job);
    kind.names.outside = NULL;
    job = predict_kind(&c, 2, kind);
    assert_non_null(strstr(job.processes[0].why_not, "--outside"));
    gs_whatif_job_free(&job);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_is_judged_by_what_it_does_per_second),
        cmocka_unit_test(a_loop_has_no_number_without_marks),
        cmocka_unit_test(a_server_is_judged_by_what_it_could_do),
        cmocka_unit_test(what_others_send_may_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

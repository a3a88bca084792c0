/* SPDX-License-Identifier: MIT
 * Captures of which every number is known -> what whatif says of them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/whatif_capture.h"

/* In ns of all threads, and the part's name. Whatever the parts are, they add up. */
static int64_t became(const struct gs_whatif *w, enum gs_time_kind kind, const char *what)
{
    const struct gs_migration *m = &w->migration;
    int64_t found = INT64_MIN, sum = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct gs_time_part *part = &m->parts[i];
        sum += part->became_ns;
        if (part->kind == kind && (what ? part->what && !strcmp(part->what, what) : !part->what))
            found = part->became_ns;
    }
    assert_int_equal(sum, m->gil_wait_ns);
    assert_true(found > INT64_MIN);
    return found;
}

static const struct gs_change *change_named(const struct gs_whatif *w, const char *what)
{
    for (size_t i = 0; i < w->n_changes; i++)
        if (strcmp(w->changes[i].what, what) == 0)
            return &w->changes[i];
    fail_msg("nobody asks: %s", what);
    return NULL;
}

/* Two threads that compute 10 ms each, half a millisecond at a time. */
static void threads_that_share_nothing(void **state)
{
    (void)state;
    struct cap c;
    begin(&c, true);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    struct gs_whatif_job job = predict(&c, 2);
    struct gs_whatif_process *p = &job.processes[0];
    assert_null(p->why_not);
    assert_int_equal(p->py_ns, 20 * MS);
    assert_int_equal(p->gil_wait_ns, 38 * (MS / 2));
    assert_int_equal(p->prediction.grade, GS_GRADE_A);
    assert_int_equal(p->prediction.verdict, GS_VERDICT_GAIN);
    near(p->prediction.s_max_if_not_faster, 20.0 / 10.5); /* the second one began half a ms later */
    /* The draws of what two cores do together are cut off at two. */
    assert_true(p->prediction.at.p50 > 0.97 * 20 / 10.5 / TOGETHER);
    assert_true(p->prediction.at.p50 < 1.005 * 20 / 10.5 / TOGETHER);
    near(p->prediction.curve[0].p50, 1);
    /* 20 ms of two threads: 10.5 ms of each 20.8 of work and 1.04 of nothing, 20 / 10.92 times */
    near((double)became(&p->prediction, GS_TIME_PYTHON, NULL), 18.095 * MS);
    near((double)became(&p->prediction, GS_TIME_IDLE, NULL), 0.905 * MS);
    assert_int_equal(became(&p->prediction, GS_TIME_LOCK, NULL), 0);
    /* Without one thread's work the other's 10 ms are left. */
    const struct gs_change *f = change_named(&p->prediction, "if other (app.py) took no time");
    near(f->s, 20 / 10.4);
    assert_int_equal(f->stack->n, 2);
    assert_string_equal(f->stack->frames[1].func, "other");
    near(change_named(&p->prediction, "if run (app.py) took no time")->s, 20 / 10.4);
    /* Who keeps the GIL: the other one asks for it after half a ms and has it 5 ms later, lets it
     * go and computes 10 ms beside the first. */
    f = change_named(&p->prediction, "keeping the GIL, if other (app.py) let it go");
    near(f->now, 1);
    near(f->s, 20 / 15.5);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Of one interpreter: `full` collections of the oldest generation, all asked for or all not. */
static void put_gc(struct cap *c, uint64_t t, uint64_t enabled, uint64_t live, uint64_t hit_ns,
                   uint64_t full)
{
    CAP_REC(c, GS_RECORD_GC, t, 0, enabled, live, 50, 20 * MS, 9, hit_ns, 0, 0);
    CAP_REC(c, GS_RECORD_GC_GENERATION, t, 0, 2, full, 600 * full, 0, 20, 2);
}

static double alone(const struct cap *c, uint64_t py_ns)
{
    struct gs_whatif_job job = predict(c, 2);
    near((double)job.processes[0].py_ns, (double)py_ns);
    double s = job.processes[0].prediction.curve[0].p50;
    gs_whatif_job_free(&job);
    return s;
}

/* Of the main thread's 10 ms of turns 8 were collections; 100,000 containers, 40 ns for each. */
static void collections_are_those_of_the_other_build(void **state)
{
    (void)state;
    struct cap c;
    begin(&c, true);
    put_gc(&c, 1000, 0, 100000, 0, 0);
    put_gc(&c, 20 * MS, 0, 100000, 8 * MS, 4);
    CAP_REC(&c, GS_RECORD_GC_THREAD, 0, 8 * MS);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    near(alone(&c, 12 * MS), 20.0 / (12 + 4 * 4)); /* gc.collect(): as many as there were */
    cap_close(&c);

    begin(&c, true); /* nobody knows whose they were, and by themselves there would be none */
    put_gc(&c, 1000, 1, 100000, 0, 0);
    put_gc(&c, 20 * MS, 1, 100000, 8 * MS, 0);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    near(alone(&c, 12 * MS), 20.0 / 12);
    cap_close(&c);

    begin(&c, true); /* 51,000 more live: 2.04 times a quarter of 100,000 are new */
    put_gc(&c, 1000, 1, 74500, 0, 0);
    put_gc(&c, 1001, 1, 100000, 0, 0);
    put_gc(&c, 20 * MS, 1, 125500, 8 * MS, 0);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    near(alone(&c, 12 * MS), 20.0 / (12 + 2 * 5)); /* of those that live and those that are new */
    cap_close(&c);
}

static void hostile_collections_do_no_harm(void **state)
{
    (void)state;
    struct cap c;
    begin(&c, true);
    put_gc(&c, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX / 600);
    put_gc(&c, 5, 1, UINT64_MAX, UINT64_MAX, UINT64_MAX / 600);
    CAP_REC(&c, GS_RECORD_GC_THREAD, 0, UINT64_MAX);
    CAP_REC(&c, GS_RECORD_GC_THREAD, 1, 1);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    struct gs_whatif_job job = predict(&c, 2);
    assert_true(job.processes[0].py_ns <= 20 * MS);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

static void a_lock_that_the_gil_kept_free(void **state)
{
    (void)state;
    struct cap c;
    begin_locked(&c);
    struct gs_whatif_job job = predict(&c, 2);
    struct gs_whatif *w = &job.processes[0].prediction;
    near(w->s_max_if_not_faster, 20.0 / 16);
    assert_string_equal(w->limited_by, "lock at app.py:10 run");
    assert_true(w->at.p50 > 1.1 && w->at.p50 <= 20.0 / 16 / TOGETHER + 0.01);
    assert_true(became(w, GS_TIME_LOCK, "lock at app.py:10 run") > 3 * MS);
    const struct gs_change *free = change_named(w, "without waiting for lock at app.py:10 run");
    near(free->s, 20.0 / 10.5 / TOGETHER);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Thread 1 lets go what thread 0 took and took again: thread 0 waits for it, whoever comes first.
 */
static void what_another_thread_lets_go_is_a_signal(void **state)
{
    (void)state;
    static const struct cap_row turns[] = {
        {1, 1000, 0, GS_SLICE_TURN, MS, 1, 0, 0, 0},
        {2, 1000 + MS, 1, GS_SLICE_TURN, 5 * MS, 1, 0, 0, 0},
        {3, 1000 + 6 * MS, 0, GS_SLICE_TURN, MS, 1, 0, 0, 0},
    };
    const struct cap_sync rows[] = {
        {1000 + MS / 4, 0, GS_SYNC_ACQUIRED, LOCK, 100, 1},
        {1000 + 6 * MS - 1000, 1, GS_SYNC_RELEASED, LOCK, 0, 1},
        {1000 + 6 * MS + 1000, 0, GS_SYNC_ACQUIRED, LOCK, 5 * MS + MS / 2, 1},
    };
    struct cap c;
    begin(&c, true);
    cap_end_records(&c);
    cap_slices(&c, turns, 3);
    put_syncs(&c, rows, 3);
    struct gs_whatif_job job = predict(&c, 2);
    struct gs_whatif_process *p = &job.processes[0];
    assert_null(p->why_not);
    assert_int_equal(p->blocked_ns, 5 * MS);
    assert_int_equal(p->prediction.migration.parts[GS_TIME_WAKE].recorded_ns, 5 * MS);
    assert_true(p->prediction.at.p50 < 1.15); /* one behind the other, as before */
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Thread 0 makes thread 2, which gets no core before thread 1 has run for 9 ms, so that thread 1
 * has the GIL as thread 2 first asks for it. Who waits for thread 2 to say that it runs has made
 * it. */
static void who_waits_for_a_thread_to_run_has_made_it(void **state)
{
    (void)state;
    static const struct cap_row turns[] = {
        {1, 1000, 0, GS_SLICE_TURN, MS, 1, 0, 0, 0},
        {2, 1000 + MS, 1, GS_SLICE_TURN, 10 * MS, 1, 0, 0, 0},
        {3, 1000 + 11 * MS, 2, GS_SLICE_TURN | GS_SLICE_WAIT, MS, 1, MS, 0, 1},
        {4, 1000 + 12 * MS, 0, GS_SLICE_TURN, 10 * MS, 1, 0, 0, 0},
    };
    const struct cap_sync rows[] = {
        {1000 + MS / 2, 0, GS_SYNC_ACQUIRED, LOCK, 100, 1},
        {1000 + 12 * MS - 1000, 2, GS_SYNC_RELEASED, LOCK, 0, 3},
        {1000 + 12 * MS + 1000, 0, GS_SYNC_ACQUIRED, LOCK, 11 * MS + 2000, 1},
    };
    struct cap c;
    begin(&c, true);
    cap_thread(&c, 2, "late");
    cap_code(&c, 4, "threading.py", "Condition.notify", 370);
    cap_code(&c, 3, "threading.py", "_bootstrap_inner", 1000);
    cap_stack2(&c, 3, 4, 3);
    cap_end_records(&c);
    cap_slices(&c, turns, 4);
    put_syncs(&c, rows, 3);
    struct gs_whatif_job job = predict(&c, 3);
    assert_null(job.processes[0].why_not);
    near(job.processes[0].prediction.s_max_if_not_faster, 22.0 / 12);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

struct cap_edge {
    uint64_t t_wake, blocked, wakee, waker, delay, wakee_stack, waker_stack, result;
};

/* Thread 0 joins thread 1, by no lock, and is woken after 6 ms. Thread 1 has one turn of 5 ms, and
 * another one of 1 ms where it goes on. */
static struct gs_whatif_job joins(struct cap *c, bool goes_on, const struct gs_calibration *with)
{
    static const struct cap_row turns[] = {
        {1, 1000, 0, GS_SLICE_TURN, MS, 1, 0, 0, 0},
        {2, 1000 + MS, 1, GS_SLICE_TURN | GS_SLICE_FORCED, 5 * MS, 1, 0, 0, 0},
        {3, 1000 + 6 * MS, 0, GS_SLICE_TURN, MS, 1, 0, 0, 0},
        {4, 1000 + 7 * MS, 1, GS_SLICE_TURN, MS, 1, 0, 0, 0},
    };
    const struct cap_edge edge = {6 * MS, 5 * MS, 0, 1, 1000, 3, 0, 0};
    begin(c, true);
    cap_code(c, 3, "threading.py", "Thread.join", 1080);
    cap_stack2(c, 3, 3, 1);
    cap_end_records(c);
    cap_slices(c, turns, goes_on ? 4 : 3);
    cap_columns(c, GS_STREAM_EDGE, (const uint64_t *)&edge, 1, 8);
    return with ? predict_with(c, with, 2) : predict(c, 2);
}

static void who_is_joined_has_ended(void **state)
{
    (void)state;
    struct cap c;
    struct gs_whatif_job job = joins(&c, false, NULL);
    struct gs_whatif *w = &job.processes[0].prediction;
    assert_null(job.processes[0].why_not);
    assert_int_equal(w->grade, GS_GRADE_A); /* nothing is only known to have come */
    near(w->s_max_if_not_faster, 1);
    assert_true(w->at.s_cond_min > 0.3 && w->at.s_cond_min <= w->at.p50);
    gs_whatif_job_free(&job);
    cap_close(&c);

    job = joins(&c, true, NULL); /* that was not its end */
    w = &job.processes[0].prediction;
    assert_int_equal(w->grade, GS_GRADE_B);
    assert_true(isnan(w->at.s_cond_min));
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* The share of each unknown is of all that the draws differ by, and so is the rest. */
static void what_drives_the_range_and_the_verdict(void **state)
{
    (void)state;
    struct cap c;
    begin(&c, true);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    struct gs_whatif_job job = predict(&c, 2);
    const struct gs_whatif *w = &job.processes[0].prediction;
    double sum = w->driven_by_none;
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++)
        sum += w->driven_by[d];
    near(sum, 1);
    near(w->driven_by[GS_UNKNOWN_S] + 1, 1); /* it is known */
    assert_true(w->driven_by[GS_UNKNOWN_THREADS] > 0.7);
    assert_true(w->driven_by_none > 0.001); /* a range bent by its two halves is no straight line */
    assert_true(w->verdict_share > 0.95 && w->verdict_share <= 1);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

#define BASE "gilscope calibration 1\npython 3.13.5\ncap 1 1.9\n"

static void what_a_calibration_says(void **state)
{
    (void)state;
    static struct gs_calibration c;
    const char *why;
    assert_int_equal(gs_calibration_parse(&c,
                                          BASE "wake 3000 5000 9000\ntarget 3.13t\n"
                                               "threads 0.9 1.1 1.5\ns 1.1 1.2 1.3\n",
                                          &why),
                     GS_OK);
    assert_true(c.has_wake && c.has_threads && c.has_s);
    assert_true(c.wake_ns.p50 == 5000 && c.threads.p90 == 1.5);
    assert_int_equal(gs_calibration_parse(&c, BASE, &why), GS_OK);
    assert_true(!c.has_wake && !c.has_threads);

    static const char *const bad[] = {
        "wake 99 100 200\n",  "wake 100 200\n",      "wake 200 100 300\n",  "wake 1 2 1e9\n",
        "wake 100 nan 200\n", "threads 1 1.1 1.2\n", "threads 1 2 1e300\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[200];
        snprintf(text, sizeof(text), BASE "%s", bad[i]);
        assert_int_equal(gs_calibration_parse(&c, text, &why), GS_ERR_CORRUPT);
        assert_true(strstr(why, "'wake'") || strstr(why, "'threads'"));
    }
}

/* What was measured is taken in place of what is assumed. */
static void what_was_measured_of_threads_is_taken(void **state)
{
    (void)state;
    static struct gs_calibration exact = {.n_cap = 2,
                                          .cap = {1, 2},
                                          .has_s = true,
                                          .target = "3.13t",
                                          .s = {1, 1, 1},
                                          .has_threads = true,
                                          .threads = {1.5, 1.5, 1.5},
                                          .has_wake = true,
                                          .wake_ns = {100000, 100000, 100000}};
    struct cap c;
    begin(&c, true);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    struct gs_whatif_job job = predict_with(&c, &exact, 2);
    near(job.processes[0].prediction.s_median, 20.0 / 10.5 / 1.5);
    gs_whatif_job_free(&job);
    cap_close(&c);

    struct gs_whatif_job slow = joins(&c, false, &exact);
    cap_close(&c);
    exact.wake_ns = (struct gs_range_of){100, 100, 100};
    struct gs_whatif_job fast = joins(&c, false, &exact);
    cap_close(&c);
    assert_true(slow.processes[0].prediction.s_median < fast.processes[0].prediction.s_median);
    gs_whatif_job_free(&slow);
    gs_whatif_job_free(&fast);
}

static void says(const struct cap *c, const char *why)
{
    struct gs_whatif_job job = predict(c, 2);
    struct gs_whatif_process *p = &job.processes[0];
    assert_non_null(p->why_not);
    if (!strstr(p->why_not, why))
        fail_msg("'%s' is not in '%s'", why, p->why_not);
    assert_int_equal(p->prediction.grade, GS_GRADE_C);
    assert_int_equal(p->prediction.verdict, GS_VERDICT_INSUFFICIENT);
    assert_true(p->prediction.at.p50 != p->prediction.at.p50);
    near(p->prediction.s_max_if_not_faster, 20.0 / 10.5);
    gs_whatif_job_free(&job);
}

static void no_number_where_something_is_missing(void **state)
{
    (void)state;
    struct cap c;
    begin(&c, false);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    says(&c, "locks was not recorded");
    cap_close(&c);

    begin(&c, true);
    put_lock_event(&c, GS_EVENT_NO_LOCKS, GS_SYNC_LOCK, "the governor left it out");
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    says(&c, "the governor left it out");
    cap_close(&c);

    begin(&c, true);
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 30 * MS, 50, 50, 19, 0, 3, 5000);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    says(&c, "3 turns that nobody waited for have no row");
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_share_nothing),
        cmocka_unit_test(collections_are_those_of_the_other_build),
        cmocka_unit_test(hostile_collections_do_no_harm),
        cmocka_unit_test(a_lock_that_the_gil_kept_free),
        cmocka_unit_test(what_another_thread_lets_go_is_a_signal),
        cmocka_unit_test(who_waits_for_a_thread_to_run_has_made_it),
        cmocka_unit_test(who_is_joined_has_ended),
        cmocka_unit_test(what_drives_the_range_and_the_verdict),
        cmocka_unit_test(what_a_calibration_says),
        cmocka_unit_test(what_was_measured_of_threads_is_taken),
        cmocka_unit_test(no_number_where_something_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

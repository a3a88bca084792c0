/* SPDX-License-Identifier: MIT
 * Captures of which every number is known -> what whatif says of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/whatif/job.h"
#include "tests/unit/capture_builder.h"

#define MS   1000000u
#define LOCK 0x1000u

struct cap_sync {
    uint64_t t, thread, op, object, value, stack;
};

static void put_lock_event(struct cap *c, uint64_t kind, uint64_t types, const char *text)
{
    gs_record_begin(&c->w, GS_RECORD_EVENT);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, kind);
    gs_record_put_u(&c->w, types);
    cap_put_s(c, text);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Threads 0 and 1, and a stack of each. */
static void begin(struct cap *c, bool locks)
{
    cap_open(c, 7);
    cap_records(c);
    cap_process(c, 1000, 0, 1);
    cap_thread(c, 0, "MainThread");
    cap_thread(c, 1, "worker");
    cap_code(c, 1, "app.py", "run", 10);
    cap_stack2(c, 1, 1, 1);
    cap_code(c, 2, "app.py", "other", 30);
    cap_stack2(c, 2, 2, 1);
    if (locks)
        put_lock_event(c, GS_EVENT_LOCKS, GS_SYNC_LOCK | GS_SYNC_RLOCK, "");
}

/* Turns of the GIL one behind another, of threads 0 and 1 in turn, all of one length. Who is not
 * running waits. */
static void put_turns(struct cap *c, size_t n, uint64_t hold_ns)
{
    struct cap_row *rows = calloc(n, sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        bool waited = i > 1;
        rows[i] = (struct cap_row){
            .seq = i + 1,
            .t_acq = 1000 + i * hold_ns,
            .thread = i % 2,
            .flags = GS_SLICE_TURN | GS_SLICE_FORCED | (waited ? GS_SLICE_WAIT : 0),
            .hold = hold_ns,
            .hold_stack = 1 + i % 2,
            .wait = waited ? hold_ns : 0,
            .wait_ds = waited ? 1 : 0,
            .wait_stack = waited ? 1 : 0,
        };
    }
    cap_slices(c, rows, n);
    free(rows);
}

static void put_syncs(struct cap *c, const struct cap_sync *rows, size_t n)
{
    cap_columns(c, GS_STREAM_SYNC, (const uint64_t *)rows, n, 6);
}

/* Nothing is unknown: s = 1, cores that do not slow each other. */
static struct gs_whatif_job predict(const struct cap *c, uint32_t cores)
{
    static struct gs_calibration exact = {
        .n_cap = 4, .cap = {1, 2, 3, 4}, .has_s = true, .target = "3.13t", .s = {1, 1, 1}};
    struct gs_whatif_options options = {gs_target_find("3.13t"), &exact, cores, 1};
    struct gs_captures captures = {0};
    struct gs_whatif_job job;
    struct gs_error err = {0};
    assert_int_equal(gs_captures_add(&captures, c->data, c->len, "unit", &err), GS_OK);
    gs_captures_sort(&captures);
    gs_whatif_build(&captures, &options, &job);
    gs_captures_close(&captures);
    assert_int_equal(job.n_processes, 1);
    return job;
}

/* Of the interpreter's work on two cores, whatever s: model.c. */
#define TOGETHER 1.04

static void near(double got, double wanted)
{
    if (!(got > wanted * 0.995 && got < wanted * 1.005))
        fail_msg("%f is not %f", got, wanted);
}

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
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Each turn but its first and last 50 us is inside of one lock, which nobody waited for. */
static void a_lock_that_the_gil_kept_free(void **state)
{
    (void)state;
    struct cap_sync rows[80];
    struct cap c;
    begin(&c, true);
    cap_end_records(&c);
    put_turns(&c, 40, MS / 2);
    for (size_t i = 0; i < 40; i++) {
        uint64_t t = 1000 + i * (MS / 2);
        rows[2 * i] = (struct cap_sync){t + 50000, i % 2, GS_SYNC_ACQUIRED, LOCK, 100, 1};
        rows[2 * i + 1] = (struct cap_sync){t + 450000, i % 2, GS_SYNC_RELEASED, LOCK, 0, 1};
    }
    put_syncs(&c, rows, 80);
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
        cmocka_unit_test(a_lock_that_the_gil_kept_free),
        cmocka_unit_test(what_another_thread_lets_go_is_a_signal),
        cmocka_unit_test(no_number_where_something_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

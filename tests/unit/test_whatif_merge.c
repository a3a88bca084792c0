/* SPDX-License-Identifier: MIT
 * Captures of processes that made, awaited and told each other -> what whatif says of them as
 * threads of one process. Everything is exact but that threads slow each other (model.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/capture_job.h"

#define US       UINT64_C(1000)
#define TOGETHER 1.04

/* Codes; of _recv_bytes two lines. */
enum { APP = 1, RUN, DUMPS, SEND, SEND_BYTES, RECV, RECV_HEAD, RECV_BODY, LAUNCH, POLL, JOIN };
/* Stacks. */
enum { WORKS = 1, PICKLES, SENDS, READS_HEAD, READS_BODY, BEGINS, JOINS };

static void put_stacks(struct cap *c)
{
    cap_code(c, APP, "app.py", "work", 1);
    cap_multiprocessing_code(c, RUN, "process.py", "BaseProcess.run");
    cap_multiprocessing_code(c, DUMPS, "reduction.py", "ForkingPickler.dumps");
    cap_multiprocessing_code(c, SEND, "connection.py", "Connection._send");
    cap_multiprocessing_code(c, SEND_BYTES, "connection.py", "Connection._send_bytes");
    cap_multiprocessing_code(c, RECV, "connection.py", "Connection._recv");
    cap_multiprocessing_code(c, RECV_HEAD, "connection.py", "Connection._recv_bytes");
    cap_multiprocessing_code(c, RECV_BODY, "connection.py", "Connection._recv_bytes");
    cap_multiprocessing_code(c, LAUNCH, "popen_fork.py", "Popen._launch");
    cap_multiprocessing_code(c, POLL, "popen_fork.py", "Popen.poll");
    cap_multiprocessing_code(c, JOIN, "process.py", "BaseProcess.join");
    CAP_REC(c, GS_RECORD_STACK, WORKS, 0, 2, APP, 0, RUN, 0);
    CAP_REC(c, GS_RECORD_STACK, PICKLES, 0, 2, DUMPS, 0, RUN, 0);
    CAP_REC(c, GS_RECORD_STACK, SENDS, 0, 3, SEND, 0, SEND_BYTES, 0, APP, 0);
    CAP_REC(c, GS_RECORD_STACK, READS_HEAD, 0, 3, RECV, 0, RECV_HEAD, 0, APP, 0);
    CAP_REC(c, GS_RECORD_STACK, READS_BODY, 0, 3, RECV, 0, RECV_BODY, 0, APP, 0);
    CAP_REC(c, GS_RECORD_STACK, BEGINS, 0, 1, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, JOINS, 0, 3, POLL, 0, JOIN, 0, APP, 0);
}

struct turn {
    uint64_t from_us, to_us, stack;
};

/* Its last turn ends it. */
static void put_process(struct cap *c, struct cap_image image, const struct turn *turns, size_t n)
{
    struct cap_row rows[8];
    cap_open(c, image.pid);
    cap_records(c);
    image.word = "app.py";
    cap_process_of(c, &image);
    cap_main_thread(c, image.pid, "MainThread");
    put_stacks(c);
    cap_locks(c);
    CAP_REC(c, GS_RECORD_END, turns[n - 1].to_us * US, 1);
    cap_end_records(c);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct cap_row){i + 1,
                                   turns[i].from_us * US,
                                   0,
                                   GS_SLICE_TURN,
                                   (turns[i].to_us - turns[i].from_us) * US,
                                   turns[i].stack,
                                   0,
                                   0,
                                   0};
    cap_slices(c, rows, n);
}
#define PUT_PROCESS(c, image, turns) put_process(c, image, turns, sizeof(turns) / sizeof(*(turns)))

static void close_all(struct cap *c, size_t n, struct gs_whatif_job *job)
{
    gs_whatif_job_free(job);
    for (size_t i = 0; i < n; i++)
        cap_close(&c[i]);
}

static void near(double got, double wanted)
{
    if (!(got > wanted * 0.98 && got < wanted * 1.02))
        fail_msg("%f is not %f", got, wanted);
}

/* Two children of 10 ms each, side by side; the parent waits for one, then for the other. */
static const struct turn parent_turns[] = {{100, 1100, BEGINS},
                                           {1100, 2100, BEGINS},
                                           {2100, 3100, JOINS},
                                           {10700, 10800, JOINS},
                                           {11700, 12700, WORKS}};
static const struct turn first_turns[] = {{700, 10700, WORKS}};
static const struct turn second_turns[] = {{1700, 11700, WORKS}};

static void put_family(struct cap c[3])
{
    PUT_PROCESS(&c[0], ((struct cap_image){.pid = 10, .ppid = 1, .start = 100 * US}), parent_turns);
    PUT_PROCESS(&c[1], ((struct cap_image){.pid = 11, .ppid = 10, .start = 600 * US}), first_turns);
    PUT_PROCESS(&c[2], ((struct cap_image){.pid = 12, .ppid = 10, .start = 1600 * US}),
                second_turns);
}

static void started_and_joined(void **state)
{
    (void)state;
    struct cap c[3];
    put_family(c);
    struct gs_whatif_job job = cap_whatif(c, 3, 4);
    const struct gs_merged *m = &job.merged;
    assert_null(m->why_not);
    assert_int_equal(m->n_processes, 3);
    assert_int_equal(m->n_threads, 3);
    assert_int_equal(m->wall_ns, 12600 * US);
    assert_int_equal(m->unmatched_ns, 0);
    near((double)m->replayed_ns, 12.6e6);
    /* Both begin at once: what it takes to make a process is left out. */
    near(m->prediction.at.p50, 12.6 / ((10 + 0.1 + 1) * TOGETHER));
    close_all(c, 3, &job);

    put_family(c);
    job = cap_whatif(c, 3, 1); /* as processes they have one core, too */
    near((double)job.merged.replayed_ns, 24.3e6 * 3004 / 3000);
    near(job.merged.prediction.at.p50, 24.3 / 22.1);
    close_all(c, 3, &job);
}

/* Of the children's time half is pickling. */
static void pickling_is_left_out(void **state)
{
    (void)state;
    struct cap_sample samples[10];
    struct cap c[3];
    put_family(c);
    for (unsigned child = 1; child <= 2; child++) {
        uint64_t from_us = child == 1 ? first_turns[0].from_us : second_turns[0].from_us;
        for (size_t i = 0; i < 10; i++)
            samples[i] = (struct cap_sample){1, (from_us + 1000 * i + 500) * US, 0,
                                             GS_HOLDER_BY_DRAIN, i < 5 ? PICKLES : WORKS};
        cap_samples(&c[child], samples, 10);
    }
    struct gs_whatif_job job = cap_whatif(c, 3, 4);
    near(job.merged.prediction.at.p50, 12.6 / ((5 + 0.1 + 1) * TOGETHER));
    assert_int_equal(gs_tax_total(&job.tax).pickle_ns, 10 * CAP_MS);
    close_all(c, 3, &job);
}

/* The parent sends a task, and waits for the result, late_us longer than it takes. */
static struct gs_whatif_job tell(struct cap c[2], uint64_t late_us)
{
    const struct turn parent[] = {{100, 1000, BEGINS},
                                  {1000, 2000, SENDS},
                                  {2010, 2100, READS_HEAD},
                                  {7100 + late_us, 7110 + late_us, READS_BODY},
                                  {7120 + late_us, 8120 + late_us, JOINS},
                                  {8130 + late_us, 9130 + late_us, WORKS}};
    static const struct turn child[] = {{600, 1000, READS_HEAD},
                                        {2020, 2030, READS_BODY},
                                        {2040, 7040, SENDS},
                                        {7050, 8000, WORKS}};
    PUT_PROCESS(&c[0], ((struct cap_image){.pid = 10, .ppid = 1, .start = 100 * US}), parent);
    PUT_PROCESS(&c[1], ((struct cap_image){.pid = 11, .ppid = 10, .start = 500 * US}), child);
    return cap_whatif(c, 2, 4);
}

static void what_they_told_each_other(void **state)
{
    (void)state;
    struct cap c[2];
    struct gs_whatif_job job = tell(c, 0);
    const struct gs_merged *m = &job.merged;
    assert_null(m->why_not);
    assert_int_equal(m->matched, 2);
    assert_int_equal(m->unmatched_ns, 0);
    near((double)m->replayed_ns, 9.03e6);
    near(m->prediction.at.p50, 9.03 / (8.02 * TOGETHER)); /* one behind the other, as before */
    close_all(c, 2, &job);
}

/* A wait that ends long after the message was there did not wait for that. */
static void no_edge_is_invented(void **state)
{
    (void)state;
    struct cap c[2];
    struct gs_whatif_job job = tell(c, 50000);
    const struct gs_merged *m = &job.merged;
    assert_int_equal(m->matched, 1); /* the task */
    assert_int_equal(m->unmatched_ns, 55000 * US);
    assert_non_null(strstr(m->why_not, "who ended the wait is not known"));
    assert_int_equal(m->prediction.verdict, GS_VERDICT_INSUFFICIENT);
    assert_true(m->prediction.at.p50 != m->prediction.at.p50);
    close_all(c, 2, &job);
}

/* Process ids come again, at another time. */
static void who_does_not_belong(void **state)
{
    (void)state;
    static const struct turn later[] = {{20000, 30000, WORKS}};
    struct cap c[2];
    PUT_PROCESS(&c[0], ((struct cap_image){.pid = 10, .ppid = 1, .start = 100 * US}), first_turns);
    PUT_PROCESS(&c[1], ((struct cap_image){.pid = 11, .ppid = 10, .start = 19000 * US}), later);
    struct gs_whatif_job job = cap_whatif(c, 2, 4);
    assert_int_equal(job.n_processes, 2);
    assert_int_equal(job.merged.n_processes, 0);
    close_all(c, 2, &job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(started_and_joined),        cmocka_unit_test(pickling_is_left_out),
        cmocka_unit_test(what_they_told_each_other), cmocka_unit_test(no_edge_is_invented),
        cmocka_unit_test(who_does_not_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Captures of several processes, of which it is known what they did when -> what whatif says of
 * their pickling, of pipes between them and of their beginning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/whatif/job.h"
#include "tests/unit/capture_builder.h"
#include "tests/unit/capture_job.h"

/* Frames of the stacks below, by code. */
enum { APP = 1, RUN, DUMPS, SEND, READ, LAUNCH };
/* Stacks. */
enum { WORKS = 1, PICKLES, SENDS, SENDS_ELSEWHERE, READS, BEGINS };

static void put_stacks(struct cap *c)
{
    cap_code(c, APP, "app.py", "work", 1);
    cap_multiprocessing_code(c, RUN, "process.py", "BaseProcess.run");
    cap_multiprocessing_code(c, DUMPS, "reduction.py", "ForkingPickler.dumps");
    cap_multiprocessing_code(c, SEND, "connection.py", "Connection._send");
    cap_multiprocessing_code(c, READ, "connection.py", "Connection._recv");
    cap_multiprocessing_code(c, LAUNCH, "popen_fork.py", "Popen._launch");
    CAP_REC(c, GS_RECORD_STACK, WORKS, 0, 3, APP, 0, RUN, 0, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, PICKLES, 0, 3, DUMPS, 0, RUN, 0, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, SENDS, 0, 3, SEND, 0, RUN, 0, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, SENDS_ELSEWHERE, 0, 4, SEND, 0, APP, 0, RUN, 0, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, READS, 0, 4, READ, 0, SEND, 0, RUN, 0, LAUNCH, 0);
    CAP_REC(c, GS_RECORD_STACK, BEGINS, 0, 1, LAUNCH, 0);
}

static void begin(struct cap *c, uint64_t key, uint32_t pid, const char *word)
{
    cap_open(c, key);
    cap_records(c);
    cap_process_of(c, &(struct cap_image){.pid = pid, .ppid = 1, .start = 1000, .word = word});
    cap_main_thread(c, pid, "MainThread");
    put_stacks(c);
    cap_locks(c);
}

/* Nothing to say of speed is asked for. */
static struct gs_whatif_job tax_of(const struct cap *caps, size_t n)
{
    return cap_whatif(caps, n, 2);
}

/* Turns of one thread, 1 ms apart. */
static void put_turns(struct cap *c, const uint64_t (*turns)[2], size_t n)
{
    struct cap_row rows[8];
    uint64_t t = 1000;
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct cap_row){i + 1, t, 0, GS_SLICE_TURN, turns[i][0], turns[i][1], 0, 0, 0};
        t += turns[i][0] + CAP_MS;
    }
    cap_slices(c, rows, n);
}

static void put_other(struct cap *c, uint64_t key, uint32_t pid)
{
    static const uint64_t turns[][2] = {{CAP_MS, WORKS}};
    begin(c, key, pid, "app.py");
    cap_end_records(c);
    put_turns(c, turns, 1);
}

static void held_is(const struct gs_tax_process *p, enum gs_tax_class k, uint64_t ns)
{
    if (p->sums.held_ns[k] != ns)
        fail_msg("class %d: %lu ns, not %lu", k, (unsigned long)p->sums.held_ns[k],
                 (unsigned long)ns);
}

static const struct gs_tax_process *process_of(const struct gs_whatif_job *job, uint32_t pid)
{
    for (size_t i = 0; i < job->tax.n_processes; i++)
        if (job->tax.processes[i].pid == pid)
            return &job->tax.processes[i];
    fail_msg("process %u is not there", pid);
    return NULL;
}

/* A turn of 100 ms, looked into every 10 ms: three times it pickled. */
static void pickling_by_samples(void **state)
{
    (void)state;
    static const uint64_t turns[][2] = {{CAP_MS, WORKS}, {100 * CAP_MS, SENDS}};
    struct cap_sample samples[10];
    struct cap c[2];
    begin(&c[0], 7, 50, "app.py");
    cap_end_records(&c[0]);
    put_turns(&c[0], turns, 2);
    for (size_t i = 0; i < 10; i++)
        samples[i] = (struct cap_sample){2, 1000 + 2 * CAP_MS + (10 * i + 5) * CAP_MS, 0,
                                         GS_HOLDER_BY_DRAIN, i >= 4 && i < 7 ? PICKLES : WORKS};
    cap_samples(&c[0], samples, 10);
    put_other(&c[1], 8, 51);
    struct gs_whatif_job job = tax_of(c, 2);
    const struct gs_tax_process *p = process_of(&job, 50);
    assert_null(p->why_not);
    held_is(p, GS_TAX_PICKLE, 30 * CAP_MS);
    held_is(p, GS_TAX_WORK, 71 * CAP_MS);
    held_is(p, GS_TAX_IPC, 0); /* the call that it ended in took none of it */
    assert_int_equal(p->sums.estimated_ns, 30 * CAP_MS);
    assert_int_equal(gs_tax_total(&job.tax).pickle_ns, 30 * CAP_MS);
    gs_whatif_job_free(&job);
    cap_close(&c[0]);
    cap_close(&c[1]);
}

/* Turns that nobody looked into are known by the calls that they lie between. */
static void between_two_calls(void **state)
{
    (void)state;
    static const uint64_t turns[][2] = {
        {1 * CAP_MS, BEGINS},          /* the process begins in it */
        {20 * CAP_MS, WORKS},          /* from there to the work: who knows how far */
        {2 * CAP_MS, SENDS},           /* from the work to a pipe: what it did is not known */
        {3 * CAP_MS, READS},           /* both within one call of `_send` */
        {4 * CAP_MS, SENDS_ELSEWHERE}, /* from one call to another */
    };
    struct cap c[2];
    begin(&c[0], 7, 50, "app.py");
    cap_end_records(&c[0]);
    put_turns(&c[0], turns, 5);
    put_other(&c[1], 8, 51);
    struct gs_whatif_job job = tax_of(c, 2);
    const struct gs_tax_process *p = process_of(&job, 50);
    held_is(p, GS_TAX_START, 1 * CAP_MS);
    held_is(p, GS_TAX_IPC, 3 * CAP_MS);
    held_is(p, GS_TAX_UNSEEN, 26 * CAP_MS);
    gs_whatif_job_free(&job);
    cap_close(&c[0]);
    cap_close(&c[1]);
}

static void what_is_not_known(void **state)
{
    (void)state;
    static const uint64_t turns[][2] = {{CAP_MS, WORKS}, {2 * CAP_MS, 0}};
    struct cap c[2];
    begin(&c[0], 7, 50, "app.py");
    cap_end_records(&c[0]);
    put_turns(&c[0], turns, 2);
    put_other(&c[1], 8, 51);
    struct gs_whatif_job job = tax_of(c, 2);
    assert_string_equal(process_of(&job, 50)->why_not,
                        "for 67 % of the time that it held the GIL no stack was taken");
    struct gs_tax_total all = gs_tax_total(&job.tax);
    assert_int_equal(all.n_known, 1);
    assert_int_equal(all.unseen_ns, 0); /* of those that are known */
    gs_whatif_job_free(&job);
    cap_close(&c[0]);
    cap_close(&c[1]);
}

/* Of a spawned process what its main thread does before the work is its beginning. */
static void a_spawned_process_begins(void **state)
{
    (void)state;
    struct cap c[2];
    begin(&c[0], 7, 50, "from multiprocessing.spawn import spawn_main");
    cap_code(&c[0], 20, "<frozen site>", "main", 5);
    CAP_REC(&c[0], GS_RECORD_STACK, 20, 0, 1, 20, 0);
    cap_end_records(&c[0]);
    put_turns(&c[0], (const uint64_t[][2]){{5 * CAP_MS, 20}}, 1);
    put_other(&c[1], 8, 51);
    struct gs_whatif_job job = tax_of(c, 2);
    held_is(process_of(&job, 50), GS_TAX_START, 5 * CAP_MS);
    gs_whatif_job_free(&job);
    cap_close(&c[0]);
    cap_close(&c[1]);
}

/* What was folded is shared by points; a turn that ended in a pipe may have been work before. */
static void folded_turns(void **state)
{
    (void)state;
    struct cap c[2];
    begin(&c[0], 7, 50, "app.py");
    CAP_REC(&c[0], GS_RECORD_TOTALS, 0, 0, 30 * CAP_MS, 4, 4, 0, 0, 4, 40 * CAP_MS);
    cap_end_records(&c[0]);
    static const uint64_t rows[][5] = {{5 * CAP_MS, 0, CAP_MS, 3, WORKS},
                                       {9 * CAP_MS, 0, CAP_MS, 1, SENDS}};
    cap_columns(&c[0], GS_STREAM_HOLD_SAMPLE, &rows[0][0], 2, 5);
    put_other(&c[1], 8, 51);
    struct gs_whatif_job job = tax_of(c, 2);
    held_is(process_of(&job, 50), GS_TAX_WORK, 30 * CAP_MS);
    held_is(process_of(&job, 50), GS_TAX_UNSEEN, 10 * CAP_MS);
    gs_whatif_job_free(&job);
    cap_close(&c[0]);
    cap_close(&c[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickling_by_samples), cmocka_unit_test(between_two_calls),
        cmocka_unit_test(what_is_not_known),   cmocka_unit_test(a_spawned_process_begins),
        cmocka_unit_test(folded_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Counters by stack: what is exact, what is shared among samples, what is told of no stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzer/export.h"
#include "capture_builder.h"

#define HOLD GS_COUNTS_HOLDING
#define WAIT GS_COUNTS_WAITING
#define AWAY GS_COUNTS_OFF_GIL

static void put_counter(struct cap *c, uint64_t counter, const char *name)
{
    gs_record_begin(&c->w, GS_RECORD_COUNTER);
    gs_record_put_u(&c->w, counter);
    cap_put_s(c, name);
    gs_record_put_u(&c->w, GS_COUNTER_PERF);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Stack i: function i. COUNTS of thread 0: 100 held, 40 waited, 9 away; of thread 1, which was
 * counted half of the time: 50 held. */
static void begin(struct cap *c)
{
    cap_open(c, 7);
    cap_records(c);
    cap_process(c, 42, 0, 1);
    cap_thread(c, 0, "a");
    cap_thread(c, 1, "b");
    for (uint64_t i = 1; i <= 3; i++) {
        cap_code(c, i, "/app/x.py", (const char *[]){"", "one", "two", "three"}[i], (int)i);
        CAP_REC(c, GS_RECORD_STACK, i, 0, 1, i, 0);
    }
    put_counter(c, 5, "faults");
    CAP_REC(c, GS_RECORD_COUNTS, 900, 0, 5, 150, 0, 0, 100, 40, 9, 0);
    CAP_REC(c, GS_RECORD_COUNTS, 900, 1, 5, 50, 2000, 1000, 50, 0, 0, 0);
    cap_end_records(c);
}

static void put(struct cap *c, uint64_t thread, uint64_t what, uint64_t count, uint64_t stack)
{
    const uint64_t row[] = {500, thread, what, count, stack};
    cap_columns(c, GS_STREAM_COUNTED, row, 1, 5);
}

static const struct gs_prof_count_row *row_of(const struct gs_profile *p, const char *func)
{
    for (size_t i = 0; i < p->n_count_rows; i++)
        if (strcmp(p->frames[p->nodes[p->count_rows[i].node].frame].func, func) == 0)
            return &p->count_rows[i];
    return NULL;
}

static void check(const struct gs_profile *p, const char *func, uint64_t held, uint64_t waited,
                  uint64_t away, uint64_t estimated)
{
    const struct gs_prof_count_row *r = row_of(p, func);
    assert_non_null(r);
    assert_int_equal(r->in[HOLD], held);
    assert_int_equal(r->in[WAIT], waited);
    assert_int_equal(r->in[AWAY], away);
    assert_int_equal(r->estimated, estimated);
}

static uint64_t sum_of(const struct gs_profile *p, int state)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->n_count_rows; i++)
        sum += p->count_rows[i].in[state];
    return sum;
}

static void exact_rows_first_then_shares_of_what_is_left(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    (void)state;
    begin(&c);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 0), 30, 1);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 0), 10, 1);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), 2000, 2); /* of 60: 40 */
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), 1000, 3);
    put(&c, 0, GS_COUNTED_WHAT(5, WAIT, 0), 25, 2);
    put(&c, 0, GS_COUNTED_WHAT(5, AWAY, 0), 9, 3);
    put(&c, 1, GS_COUNTED_WHAT(5, HOLD, 0), 7, 3); /* it stands for 14 */
    cap_profile(c.data, c.len, "cpu", &p);
    check(&p, "one", 40, 0, 0, 0);
    check(&p, "two", 40, 25, 0, 40);
    check(&p, "three", 20 + 14, 0, 9, 20);
    check(&p, "(not sampled)", 86, 15, 0, 0);
    assert_int_equal(sum_of(&p, HOLD), 200);
    assert_int_equal(sum_of(&p, HOLD), gs_counters_in(p.processes[0].counters, 0, HOLD));
    assert_int_equal(sum_of(&p, WAIT), gs_counters_in(p.processes[0].counters, 0, WAIT));
    assert_int_equal(sum_of(&p, AWAY), gs_counters_in(p.processes[0].counters, 0, AWAY));
    gs_profile_free(&p);
    cap_close(&c);
}

/* Rows may be newer than the last COUNTS, of a process that was killed. */
static void more_rows_than_counts(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    (void)state;
    begin(&c);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 0), 130, 1);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), 50, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    check(&p, "one", 130, 0, 0, 0);
    assert_null(row_of(&p, "two"));
    gs_profile_free(&p);
    cap_close(&c);
}

/* COUNTS come once a second: a process that was killed before that has rows alone. */
static void rows_without_counts(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    (void)state;
    begin(&c);
    put(&c, 99, GS_COUNTED_WHAT(5, HOLD, 0), 6, 1);
    put(&c, 99, GS_COUNTED_WHAT(5, AWAY, 0), 3, 1);
    put(&c, 99, GS_COUNTED_WHAT(5, HOLD, 1), 3, 2); /* of a whole that is not known */
    cap_profile(c.data, c.len, "cpu", &p);
    check(&p, "one", 6, 0, 3, 0);
    assert_null(row_of(&p, "two"));
    check(&p, "(not sampled)", 200, 40, 9, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void nonsense_is_left_out(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    (void)state;
    begin(&c);
    put(&c, 0, GS_COUNTED_WHAT(5, 3, 0), 1, 1);
    put(&c, 0, GS_COUNTED_WHAT(200, HOLD, 0), 1, 1);
    put(&c, 0, GS_COUNTED_WHAT(6, HOLD, 0), 1, 1); /* no record says what it is */
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), UINT64_MAX, 2);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), 0, 3);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_null(row_of(&p, "one"));
    check(&p, "two", 100, 0, 0, 100);
    assert_int_equal(sum_of(&p, HOLD), 200);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Of a recording whose older part was deleted, samples say only what they saw. */
static void samples_do_not_speak_for_what_was_deleted(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    (void)state;
    begin(&c);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_SEGMENT, 400, 2, 2, 1, 400);
    cap_end_records(&c);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 1), 30, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    check(&p, "two", 30, 0, 0, 30);
    check(&p, "(before the detail)", 70 + 100, 40, 9, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void one_event_is_exported(void **state)
{
    struct gs_profile p = {0};
    struct cap c;
    char *text = NULL;
    size_t len = 0;
    (void)state;
    begin(&c);
    put(&c, 0, GS_COUNTED_WHAT(5, HOLD, 0), 100, 1);
    put(&c, 0, GS_COUNTED_WHAT(5, WAIT, 0), 40, 1);
    put(&c, 0, GS_COUNTED_WHAT(5, AWAY, 0), 9, 2);
    put(&c, 1, GS_COUNTED_WHAT(5, HOLD, 0), 50, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_collapsed(&p, GS_METRIC_COUNTED, f));
    fclose(f);
    assert_non_null(strstr(text, "pid 42;one (/app/x.py:1) 140\n"));
    assert_non_null(strstr(text, "pid 42;two (/app/x.py:2) 109\n"));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_rows_first_then_shares_of_what_is_left),
        cmocka_unit_test(more_rows_than_counts),
        cmocka_unit_test(rows_without_counts),
        cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(samples_do_not_speak_for_what_was_deleted),
        cmocka_unit_test(one_event_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

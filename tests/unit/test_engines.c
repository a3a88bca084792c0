/* SPDX-License-Identifier: MIT
 * Blame by hand, then engine against engine on random captures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engine_stories.h"

static uint64_t row_value(const struct gs_profile *p, const char *func, int what)
{
    uint64_t v = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const struct gs_prof_row *r = &p->rows[i];
        if (strcmp(p->frames[p->nodes[r->node].frame].func, func) == 0)
            v += what == 'b' ? r->blamed_ns : what == 'h' ? r->hold_ns : r->wait_ns;
    }
    return v;
}

static const struct gs_prof_thread *thread_of(const struct gs_profile *p, uint32_t thread)
{
    for (size_t i = 0; i < p->processes[0].n_threads; i++)
        if (p->processes[0].threads[i].thread == thread)
            return &p->processes[0].threads[i];
    fail();
    return NULL;
}

/* Both engines, and windows of many widths on many threads; the result of the reference, after
 * comparing. */
static void profile_both(struct cap *c, struct gs_profile *out)
{
    static const struct gs_load_options ways[] = {
        {.engine = "cpu"},
        {.engine = "cpu", .window_rows = 1, .jobs = 1},
        {.engine = "cpu", .window_rows = 1, .jobs = 3},
        {.engine = "cpu", .window_rows = 100, .jobs = 2},
        {.engine = "reference", .window_rows = 1, .jobs = 2},
    };
    cap_profile(c->data, c->len, "reference", out);
    char *ref = cap_json(out), *times = folded(out);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        char *text = cap_json_with(c->data, c->len, &ways[i]);
        assert_string_equal(text, ref);
        check_without_pairs(c, &ways[i], times);
        free(text);
    }
    free(ref);
    free(times);
}

static void one_wait_over_two_turns(void **state)
{
    /* t0 holds [100,200), t1 [210,300); t2 waits from 150 to 310 over both. */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 100, 1, 0, 0, 0},
        {2, 210, 1, TURN, 90, 2, 0, 0, 0},
        {3, 310, 2, BOTH, 10, 3, 160, 2, 4},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 3);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f1", 'b'), 60);  /* 150..210: the hand-off is the releaser's */
    assert_int_equal(row_value(&p, "f2", 'b'), 100); /* 210..310 */
    assert_int_equal(row_value(&p, "f4", 'w'), 160);
    assert_int_equal(thread_of(&p, 2)->wait_ns, 160);
    assert_int_equal(thread_of(&p, 0)->blamed_ns, 60);
    assert_int_equal(thread_of(&p, 1)->blamed_ns, 100);
    assert_int_equal(p.processes[0].gil.unknown_holder_ns, 0);
    assert_int_equal(p.processes[0].gil.hold_ns, 200);
    assert_int_equal(p.processes[0].n_blame, 2);
    gs_profile_free(&p);
    cap_close(&c);
}

static void a_missing_turn_is_unknown(void **state)
{
    /* turn 2 has no row: from the release of 1 (200) to the acquire of 3 (300) nobody is known. */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 100, 1, 0, 0, 0},
        {3, 300, 1, TURN, 50, 2, 0, 0, 0},
        {4, 360, 2, WAIT, 0, 0, 210, 3, 4},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 3);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f1", 'b'), 50);              /* 150..200 */
    assert_int_equal(p.processes[0].gil.unknown_holder_ns, 100); /* 200..300 */
    assert_int_equal(row_value(&p, "f2", 'b'), 60);              /* 300..360 */
    assert_int_equal(p.processes[0].gil.wait_ns, 210);
    gs_profile_free(&p);
    cap_close(&c);
}

static void first_turn_of_a_wait_missing(void **state)
{
    const struct cap_row rows[] = {
        {5, 300, 1, TURN, 50, 2, 0, 0, 0},
        {6, 360, 2, WAIT, 0, 0, 160, 3, 4}, /* began in turn 3 at 200 */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 2);
    profile_both(&c, &p);
    assert_int_equal(p.processes[0].gil.unknown_holder_ns, 100);
    assert_int_equal(row_value(&p, "f2", 'b'), 60);
    gs_profile_free(&p);
    cap_close(&c);
}

static void halves_of_one_seq_are_one_turn(void **state)
{
    const struct cap_row a[] = {{1, 100, 0, TURN, 100, 1, 0, 0, 0},
                                {2, 210, 1, WAIT, 0, 0, 60, 1, 4}};
    const struct cap_row b[] = {{2, 210, 1, TURN, 40, 2, 0, 0, 0}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, b, 1); /* the later half is written first */
    cap_slices(&c, a, 2);
    profile_both(&c, &p);
    assert_int_equal(thread_of(&p, 1)->acquisitions, 1);
    assert_int_equal(thread_of(&p, 1)->hold_ns, 40);
    assert_int_equal(thread_of(&p, 1)->wait_ns, 60);
    assert_int_equal(row_value(&p, "f1", 'b'), 60);
    gs_profile_free(&p);
    cap_close(&c);
}

static void samples_split_a_turn_at_midpoints(void **state)
{
    /* hold 100..300; seen in f5 at 120 and in f6 at 200; released in f1, because it was asked to.
     */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN | GS_SLICE_FORCED, 200, 1, 0, 0, 0},
        {2, 310, 1, BOTH, 10, 2, 190, 1, 4}, /* waits 120..310 */
    };
    const struct cap_sample samples[] = {{1, 120, 0, GS_HOLDER_AT_WAIT, 5},
                                         {1, 200, 0, GS_HOLDER_BY_DRAIN, 6}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 2);
    cap_samples(&c, samples, 2);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f5", 'b'), 40); /* 120..160 */
    assert_int_equal(row_value(&p, "f6", 'b'), 90); /* 160..250 */
    assert_int_equal(row_value(&p, "f1", 'b'), 60); /* 250..310, with the hand-off */
    assert_int_equal(row_value(&p, "f5", 'h'), 60); /* 100..160 */
    assert_int_equal(row_value(&p, "f6", 'h'), 90);
    assert_int_equal(row_value(&p, "f1", 'h'), 50); /* 250..300 */
    gs_profile_free(&p);
    cap_close(&c);
}

static void a_release_nobody_asked_for_is_no_point(void **state)
{
    /* hold 100..300; seen in f5 at 150; then it blocks in f1, which took no time. */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 200, 1, 0, 0, 0},
        {2, 310, 1, BOTH, 10, 2, 190, 1, 4}, /* waits 120..310 */
    };
    const struct cap_sample samples[] = {{1, 150, 0, GS_HOLDER_AT_WAIT, 5}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 2);
    cap_samples(&c, samples, 1);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f5", 'b'), 190);
    assert_int_equal(row_value(&p, "f1", 'b'), 0);
    assert_int_equal(row_value(&p, "f5", 'h'), 200);
    gs_profile_free(&p);
    cap_close(&c);
}

static void turns_not_looked_at_are_like_those_that_end_alike(void **state)
{
    /* Turn 1 (sampled): 60 in f5, 140 in f6. Turn 3 ends at f1, too, unseen: 30 % and 70 % of it.
     * Turn 5 was asked to end at f1: that is where it was. */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 200, 1, 0, 0, 0},
        {2, 310, 1, BOTH, 10, 2, 10, 1, 4},
        {3, 400, 0, TURN, 100, 1, 0, 0, 0},
        {4, 500, 1, BOTH, 10, 2, 100, 1, 4},
        {5, 600, 0, TURN | GS_SLICE_FORCED, 50, 1, 0, 0, 0},
        {6, 650, 1, BOTH, 10, 2, 50, 1, 4},
    };
    const struct cap_sample samples[] = {{1, 120, 0, GS_HOLDER_AT_WAIT, 5},
                                         {1, 200, 0, GS_HOLDER_BY_DRAIN, 6}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 6);
    cap_samples(&c, samples, 2);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f5", 'h'), 60 + 30);
    assert_int_equal(row_value(&p, "f6", 'h'), 140 + 70);
    assert_int_equal(row_value(&p, "f1", 'h'), 50);
    assert_int_equal(row_value(&p, "f5", 'b'), 30);
    assert_int_equal(row_value(&p, "f6", 'b'), 10 + 70);
    assert_int_equal(row_value(&p, "f1", 'b'), 50);
    gs_profile_free(&p);
    cap_close(&c);
}

/* The story of the design: one C call of 30 ms, then the holder moves on and lets go elsewhere. */
static void an_expired_interval_pins_the_call(void **state)
{
    const uint64_t ms = 1000000;
    const struct cap_row rows[] = {
        {1, 0, 0, TURN, 31 * ms, 1, 0, 0, 0},
        {2, 32 * ms, 1, BOTH, ms, 2, 31 * ms, 1, 4}, /* waits from 1 ms */
    };
    const struct cap_sample samples[] = {{1, 1 * ms, 0, GS_HOLDER_AT_WAIT, 5},
                                         {1, 6 * ms, 0, GS_HOLDER_AT_EXPIRY, 5}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 2);
    cap_samples(&c, samples, 2);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f5", 'b'), 31 * ms);
    assert_int_equal(row_value(&p, "f1", 'b'), 0);
    assert_int_equal(row_value(&p, "f5", 'h'), 31 * ms);
    assert_string_equal(p.findings[0].id, "gil-blame-stack");
    assert_non_null(strstr(p.findings[0].claim, "`f5` (f.py:50)"));
    assert_non_null(strstr(p.verdict, "f.py:50"));
    gs_profile_free(&p);
    cap_close(&c);
}

static void a_killed_holder_is_known_by_its_wait(void **state)
{
    /* turn 2 was never closed: only its WAIT half is there, and it blames nobody but t1. */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 100, 1, 0, 0, 0},
        {2, 210, 1, WAIT, 0, 0, 110, 1, 4},
        {3, 400, 2, WAIT, 0, 0, 190, 1, 5},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 3);
    profile_both(&c, &p);
    assert_int_equal(thread_of(&p, 1)->blamed_ns, 190);
    assert_int_equal(row_value(&p, "(no stack)", 'b'), 190);
    assert_false(p.complete);
    gs_profile_free(&p);
    cap_close(&c);
}

static void clocks_that_run_back_lose_nothing(void **state)
{
    /* acquire 3 seems to lie before acquire 2 (another core's clock) */
    const struct cap_row rows[] = {
        {1, 100, 0, TURN, 100, 1, 0, 0, 0},
        {2, 230, 1, BOTH, 5, 2, 100, 1, 4},
        {3, 220, 2, BOTH, 10, 3, 90, 2, 5},
        {4, 240, 3, WAIT, 0, 0, 1000, 3, 6}, /* began before its first turn */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, rows, 4);
    profile_both(&c, &p);
    assert_int_equal(thread_of(&p, 2)->wait_ns, 100); /* 130..230 */
    assert_int_equal(p.processes[0].gil.unknown_holder_ns, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Chunk 1 is said to be deleted and is here all the same; BASE and ENDED have what it held. */
static void what_is_deleted_is_in_the_totals(void **state)
{
    const struct cap_row gone[] = {{.seq = 1, .t_acq = 100, .flags = 1, .hold = 40}};
    const struct cap_row kept[] = {{2, 200, 0, 3, 10, 1, 5, 1, 2}};
    const uint64_t hold[] = {260, 0, 10, 1, 1};
    struct cap c;
    struct gs_profile p;
    (void)state;
    open_with_definitions(&c);
    cap_slices(&c, gone, 1);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_ENDED, 0, 3, 30, 30, 4, 1, 20, 300, 1, 7, 1, 8, 9, 90, 2, 60, 0);
    CAP_REC(&c, GS_RECORD_SEGMENT, 150, 2, 2, 2, 150);
    CAP_REC(&c, GS_RECORD_SEGMENT, 150, 1, 1, 1, 100);  /* an older one */
    CAP_REC(&c, GS_RECORD_SEGMENT, 150, 9, 9, 99, 150); /* of a chunk to come: no sense */
    CAP_REC(&c, GS_RECORD_BASE, 2, 0, 0, 6, 60, 1, 40, 3, 33);
    CAP_REC(&c, GS_RECORD_BASE, 1, 0, 0, 9, 99, 9, 99, 9, 99); /* of another segment */
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 700, 12, 12, 4, 0, 10, 100, 0, 0, 0, 0, 0, 0, 0);
    CAP_REC(&c, GS_RECORD_END, 750, 1);
    cap_end_records(&c);
    cap_slices(&c, kept, 1);
    cap_columns(&c, GS_STREAM_HOLD_SAMPLE, hold, 1, 5);
    profile_both(&c, &p);
    assert_int_equal(thread_of(&p, 0)->hold_ns, 40 + 10 + 100);
    assert_int_equal(thread_of(&p, 0)->wait_ns, 33 + 5);
    assert_int_equal(row_value(&p, "f1", 'h'), 10 + 40); /* samples share what came after */
    assert_int_equal(row_value(&p, "(before the detail)", 'h'), 40 + 60 + 300 + 90);
    assert_int_equal(row_value(&p, "(before the detail)", 'w'), 33 + 60);
    assert_int_equal(thread_of(&p, GS_THREAD_ENDED)->acquisitions, 30);
    assert_int_equal(p.processes[0].gil.hold_ns, 150 + 300 + 7 + 90);
    assert_int_equal(p.processes[0].lost_chunks, 0);
    assert_int_equal(p.processes[0].lost_events, 0);
    assert_true(p.processes[0].complete);
    assert_true(p.processes[0].detail_from_ns > 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void folded_time_is_shared_by_weight(void **state)
{
    struct cap c;
    struct gs_profile p;
    const uint64_t hold[] = {500, 0, 10, 1, 1,
                             600, 0, 10, 2, 2}; /* t_rel thread hold weight stack */
    (void)state;
    open_with_definitions(&c);
    cap_columns(&c, GS_STREAM_HOLD_SAMPLE, hold, 2, 5);
    cap_records(&c);
    /* thread gil t acq rel cont forced folded_n folded_hold lost_n lost_hold lost_wait_n lost_wait
     */
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 700, 7, 7, 0, 0, 7, 100, 0, 0, 0, 0, 1, 650, 0);
    CAP_REC(&c, GS_RECORD_TOTALS, 1, 0, 700, 3, 3, 1, 0, 2, 50, 1, 20, 1, 30, 2, 690, 0);
    CAP_REC(&c, GS_RECORD_FOLD_HIST, 0, 0, 2, 3, 6, 4, 1);
    CAP_REC(&c, GS_RECORD_END, 750, 1);
    cap_end_records(&c);
    profile_both(&c, &p);
    assert_int_equal(row_value(&p, "f1", 'h'), 33);
    assert_int_equal(row_value(&p, "f2", 'h'), 67); /* 66.67: the larger remainder */
    assert_int_equal(row_value(&p, "(not sampled)", 'h'), 50);
    assert_int_equal(row_value(&p, "(lost)", 'h'), 20);
    assert_int_equal(row_value(&p, "(lost)", 'w'), 30);
    assert_int_equal(thread_of(&p, 0)->hold_ns, 100);
    assert_int_equal(thread_of(&p, 0)->open_hold_ns, 100);
    assert_int_equal(thread_of(&p, 1)->open_wait_ns, 60);
    assert_int_equal(thread_of(&p, 1)->hold_ns, 70);
    assert_int_equal(p.processes[0].gil.unknown_holder_ns, 30);
    assert_int_equal(p.processes[0].gil.hold_hist.n, 2);
    assert_int_equal(p.processes[0].gil.hold_hist.buckets[0].lower_ns, 8);
    assert_true(p.complete);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- random captures ---- */

static void check_story(struct cap *c)
{
    struct gs_profile p;
    profile_both(c, &p); /* the invariants are checked inside */
    gs_profile_free(&p);
    cap_close(c);
}

static void engines_agree_on_random_captures(void **state)
{
    struct cap c;
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        build_random_story(&c, i);
        check_story(&c);
    }
}

/* Whole blocks of 1024 rows, full chunks, more threads than the survey or the tables tell apart,
 * and times that no word of theirs holds. */
static void engines_agree_on_full_chunks(void **state)
{
    static const unsigned threads[] = {1, 4, 62, 63, 64, 300, 5000};
    struct cap c;
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        struct story s = {.rng = 815 + i, .n = 9000, .threads = threads[i], .chunk = 4096};
        s.slow_clock = s.halves = i % 2;
        build_story(&c, s, 0, 1);
        check_story(&c);
    }
}

static void engines_agree_on_shuffled_rows(void **state)
{
    struct story s = {.rng = 4711, .n = 3000, .threads = 4, .drop = 10, .chunk = 1000};
    struct cap c;
    (void)state;
    build_story(&c, s, 3000, 1);
    check_story(&c);
    build_story(&c, s, 3000, 1000003); /* sparse numbers: sorted, not scattered */
    check_story(&c);
}

/* Past the limits of pairs what was blamed still adds up (gs_profile_check), the engines leave out
 * the same, and it is said. */
static void check_limited_pairs(uint64_t n_threads)
{
    struct cap c;
    struct gs_profile p;
    uint64_t left_out = 0;
    build_convoy(&c, n_threads);
    profile_both(&c, &p);
    const struct gs_prof_process *q = &p.processes[0];
    for (size_t i = 0; i < q->n_blame; i++)
        left_out += q->blame[i].waiter == GS_THREAD_NONE ? q->blame[i].ns : 0;
    assert_true(left_out > q->gil.wait_ns / 2);
    assert_non_null(strstr(q->notes, "left out"));
    gs_profile_free(&p);
    cap_close(&c);
}

static void pairs_past_the_limits_are_one(void **state)
{
    (void)state;
    check_limited_pairs(3);    /* too many steps, in the matrix */
    check_limited_pairs(700);  /* in the map */
    check_limited_pairs(3000); /* too many pairs as well */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wait_over_two_turns),
        cmocka_unit_test(a_missing_turn_is_unknown),
        cmocka_unit_test(first_turn_of_a_wait_missing),
        cmocka_unit_test(halves_of_one_seq_are_one_turn),
        cmocka_unit_test(samples_split_a_turn_at_midpoints),
        cmocka_unit_test(a_release_nobody_asked_for_is_no_point),
        cmocka_unit_test(turns_not_looked_at_are_like_those_that_end_alike),
        cmocka_unit_test(an_expired_interval_pins_the_call),
        cmocka_unit_test(a_killed_holder_is_known_by_its_wait),
        cmocka_unit_test(clocks_that_run_back_lose_nothing),
        cmocka_unit_test(what_is_deleted_is_in_the_totals),
        cmocka_unit_test(folded_time_is_shared_by_weight),
        cmocka_unit_test(engines_agree_on_random_captures),
        cmocka_unit_test(engines_agree_on_full_chunks),
        cmocka_unit_test(engines_agree_on_shuffled_rows),
        cmocka_unit_test(pairs_past_the_limits_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

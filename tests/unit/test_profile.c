/* SPDX-License-Identifier: MIT
 * The profile: hostile ids and names, several GILs and processes, findings, both documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/xalloc.h"
#include "tests/unit/capture_builder.h"

#define MS UINT64_C(1000000)

static void cpu_and_reference_agree(const struct cap *c)
{
    char *a = cap_json_of(c->data, c->len, "cpu"), *b = cap_json_of(c->data, c->len, "reference");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* Ids and times at the edges of their types, in every place that takes one. */
static void hostile_ids_are_harmless(void **state)
{
    const uint64_t edge[] = {0,          1,          0xffff,      0x7fffffff,     0x80000000,
                             0xfffffffe, 0xffffffff, 0x100000000, UINT64_MAX / 2, UINT64_MAX - 1,
                             UINT64_MAX};
    const size_t n = sizeof(edge) / sizeof(*edge);
    uint64_t rng = 99;
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct cap c;
        cap_open(&c, UINT64_MAX - round);
        cap_records(&c);
        cap_process(&c, 0xffffffff, edge[round % n], round % 2);
#define EDGE() edge[cap_random(&rng) % n]
        for (unsigned tag = 2; tag <= GS_RECORD_ALLOC_STATE; tag++) {
            if (tag == GS_RECORD_CODE)
                continue;
            CAP_REC(&c, tag, EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE(),
                    EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE(), EDGE());
        }
        cap_end_records(&c);
        for (unsigned stream = 2; stream <= GS_STREAM_FREE; stream++) {
            const struct gs_stream_desc *d = gs_stream_desc((uint8_t)stream);
            uint64_t rows[64 * GS_CHUNK_MAX_COLS];
            for (size_t i = 0; i < 64u * d->n_cols; i++) {
                rows[i] = EDGE();
                if (d->cols[i % d->n_cols].kind == GS_COL_STACK)
                    rows[i] &= 0xffffffff;
            }
            c.gil = (uint32_t)EDGE();
            cap_columns(&c, (uint8_t)stream, rows, 64, d->n_cols);
        }
        struct gs_captures captures = {0};
        struct gs_profile p;
        struct gs_error err = {0};
        gs_captures_add(&captures, c.data, c.len, "hostile", &err);
        gs_captures_sort(&captures);
        enum gs_status s = gs_profile_build(&captures, NULL, &p, &err);
        if (s == GS_OK) { /* sums past 2^64 are found by the check, and are no crash */
            cpu_and_reference_agree(&c);
            gs_profile_free(&p);
        } else {
            assert_non_null(strstr(err.text, "internal:"));
        }
        gs_captures_close(&captures);
        cap_close(&c);
    }
}

static void random_bytes_in_a_sound_chunk(void **state)
{
    uint64_t rng = 5;
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct cap c;
        struct gs_profile p;
        cap_open(&c, 1);
        cap_records(&c);
        cap_process(&c, 7, 0, 1);
        for (unsigned i = 0; i < 400; i++)
            c.w.buf[c.w.len++] = (uint8_t)(cap_random(&rng) >> (round % 8 * 8));
        cap_end_records(&c);
        cap_profile(c.data, c.len, "cpu", &p);
        gs_profile_free(&p);
        cap_close(&c);
    }
}

static void hostile_names_stay_text(void **state)
{
    struct cap c;
    struct gs_profile p;
    char *text = NULL, *json;
    size_t len = 0;
    char *huge = malloc(5001);
    (void)state;
    memset(huge, 'x', 5000);
    huge[5000] = '\0';
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    cap_thread(&c, 0, "</script><b>\033]0;title\007\xff");
    cap_thread(&c, 1, huge);
    cap_code(&c, 1, "/x/\033[2J\n.py", "<lambda>\xe2\x80\xae", 3);
    CAP_REC(&c, GS_RECORD_STACK, 1, 1, 1, 1, 0);
    cap_end_records(&c);
    const struct cap_row rows[] = {{1, 0, 0, 1, 900 * MS, 1, 0, 0, 0},
                                   {2, 900 * MS, 1, 3, 10, 1, 800 * MS, 1, 1}};
    cap_slices(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    json = cap_json(&p);
    assert_null(strchr(json, '<'));
    assert_null(strchr(json, '\033'));
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_stats_text(&p, NULL, f));
    fclose(f);
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_non_null(strstr(text, "<lambda>"));
    assert_int_equal(strlen(p.processes[0].threads[1].name), 1000);
    free(text);
    free(json);
    free(huge);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Lines of the summary fit 80 columns. */
static void the_summary_fits_a_terminal(void **state)
{
    struct cap c;
    struct gs_profile p;
    char *text = NULL;
    size_t len = 0;
    (void)state;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    cap_thread(&c, 0, "MainThread");
    cap_thread(&c, 1, "ThreadPoolExecutor-0_12 with a long name");
    cap_code(&c, 1, "/srv/app/a_rather_long_module_name.py", "Handler.parse_everything", 42);
    cap_stack2(&c, 1, 1, 1);
    cap_end_records(&c);
    const struct cap_row rows[] = {{1, 0, 0, 1, 900 * MS, 1, 0, 0, 0},
                                   {2, 900 * MS, 1, 3, 10, 1, 800 * MS, 1, 1}};
    cap_slices(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    FILE *f = open_memstream(&text, &len);
    gs_stats_text(&p, NULL, f);
    fclose(f);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t columns = 0;
        for (char *s = line; *s; s++)
            columns += ((unsigned char)*s & 0xc0) != 0x80;
        if (columns > 80)
            fail_msg("%zu columns: %s", columns, line);
    }
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

static void gils_are_summed_and_listed(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_row rows[] = {{1, 100, 0, 1, 50, 0, 0, 0, 0}, {2, 160, 1, 3, 40, 0, 30, 1, 0}};
    (void)state;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    CAP_REC(&c, GS_RECORD_GIL, 9, 2 * 3 /* zig-zag of 3 */, 0);
    cap_end_records(&c);
    c.gil = 9;
    cap_slices(&c, rows, 2);
    c.gil = 0;
    cap_slices(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_process *q = &p.processes[0];
    assert_int_equal(q->n_gils, 2);
    assert_int_equal(q->gils[0].interpreter, 0);
    assert_int_equal(q->gils[1].interpreter, 3);
    assert_int_equal(q->gil.hold_ns, 180);
    assert_int_equal(q->gil.wait_ns, 60);
    assert_int_equal(q->n_threads, 4); /* a row for each GIL a thread uses */
    assert_int_equal(q->threads[1].thread, 0);
    assert_int_equal(q->threads[1].gil, 1);
    assert_int_equal(q->n_blame, 1); /* by thread: both GILs together */
    assert_int_equal(q->blame[0].ns, 60);
    cpu_and_reference_agree(&c);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Two images of one pid (exec): two processes, in order of their start; EXEC completes the first.
 */
static void an_exec_makes_two_processes(void **state)
{
    struct cap a, b;
    struct gs_profile p;
    (void)state;
    cap_open(&a, 50);
    cap_records(&a);
    cap_process(&a, 7, 0, 1);
    CAP_REC(&a, GS_RECORD_EVENT, 500, GS_EVENT_EXEC, 0, 0);
    cap_end_records(&a);
    cap_open(&b, 40);
    cap_records(&b);
    cap_process(&b, 7, 0, 1);
    CAP_REC(&b, GS_RECORD_EVENT, 500, GS_EVENT_EXEC, 0, 0);
    CAP_REC(&b, GS_RECORD_EVENT, 600, GS_EVENT_EXEC_FAILED, 0, 0);
    cap_end_records(&b);
    uint8_t *both = malloc(a.len + b.len);
    memcpy(both, a.data, a.len);
    memcpy(both + a.len, b.data, b.len);
    cap_profile(both, a.len + b.len, "cpu", &p);
    assert_int_equal(p.n_processes, 2);
    assert_int_equal(p.n_files, 2);
    assert_false(p.processes[0].complete); /* key 40 comes first: same start, same pid */
    assert_true(p.processes[1].complete);
    assert_false(p.complete);
    gs_profile_free(&p);
    free(both);
    cap_close(&a);
    cap_close(&b);
}

/* Totals newer than the rows, and rows newer than the totals. */
static void counts_take_the_greater(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_row rows[] = {{1, 100, 0, 1, 50, 0, 0, 0, 0}, {2, 160, 0, 1, 40, 0, 0, 0, 0}};
    (void)state;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 170, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 160, 0);
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 90, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); /* older */
    cap_end_records(&c);
    cap_slices(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_thread *t = &p.processes[0].threads[0];
    assert_int_equal(t->acquisitions, 2);
    assert_int_equal(t->releases, 2);
    assert_int_equal(t->open_hold_ns, 0); /* closed by the row at 160 */
    gs_profile_free(&p);
    cap_close(&c);
}

static const struct gs_prof_thread *thread_of(const struct gs_profile *p, uint32_t thread)
{
    const struct gs_prof_process *q = &p->processes[0];
    for (size_t i = 0; i < q->n_threads; i++)
        if (q->threads[i].thread == thread)
            return &q->threads[i];
    fail();
    return NULL;
}

static void counts_are(const struct gs_profile *p, uint32_t thread, uint64_t acquisitions,
                       uint64_t releases, uint64_t open_hold_ns)
{
    const struct gs_prof_thread *t = thread_of(p, thread);
    assert_int_equal(t->acquisitions, acquisitions);
    assert_int_equal(t->releases, releases);
    assert_int_equal(t->open_hold_ns, open_hold_ns);
}

/* TOTALS of one thread and GIL: at t, with turns of which all but the open one were folded. */
static void folded_totals(struct cap *c, uint64_t thread, uint64_t t, uint64_t acquisitions,
                          uint64_t folded, uint64_t open_since)
{
    CAP_REC(c, GS_RECORD_TOTALS, thread, 0, t, acquisitions, folded, 0, 0, folded, folded, 0, 0, 0,
            0, open_since != 0, open_since, 0);
}

/* Killed between rows and TOTALS. Threads 0 and 2 were seen in a turn each, for they were not
 * looked at in one moment; the rows end the turn of thread 0, and tell of one more of thread 1. */
static void one_turn_is_open_whatever_was_written_last(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_row rows[] = {{10, 140, 0, GS_SLICE_TURN, 20, 0, 0, 0, 0},
                                   {11, 161, 1, GS_SLICE_WAIT, 0, 0, 50, 2, 0}};
    (void)state;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    folded_totals(&c, 2, 135, 2, 1, 130);
    folded_totals(&c, 1, 150, 1, 1, 0);
    folded_totals(&c, 0, 150, 3, 2, 140);
    CAP_REC(&c, GS_RECORD_EVENT, 200, GS_EVENT_FORK, 0, 0); /* the last known time */
    cap_end_records(&c);
    cap_slices(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    counts_are(&p, 0, 3, 3, 0);
    counts_are(&p, 1, 2, 1, 200 - 161);
    counts_are(&p, 2, 2, 2, 0); /* who begins a turn finds no other open */
    assert_int_equal(p.processes[0].gil.contended, 1);
    cpu_and_reference_agree(&c);
    gs_profile_free(&p);
    cap_close(&c);
}

/* A turn that began with a wait has a row before it has ended; where it was folded then, no other.
 */
static void a_folded_turn_is_not_open(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_row rows[] = {{1, 100, 0, GS_SLICE_WAIT, 0, 0, 50, 1, 0}};
    (void)state;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    CAP_REC(&c, GS_RECORD_TOTALS, 0, 0, 150, 1, 1, 1, 0, 1, 20, 0, 0, 0, 0, 0, 0, 0);
    cap_end_records(&c);
    cap_slices(&c, rows, 1);
    cap_profile(c.data, c.len, "cpu", &p);
    counts_are(&p, 0, 1, 1, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void pairs_past_a_thousand_are_one_row(void **state)
{
    struct cap c;
    struct gs_profile p;
    struct cap_row *rows = calloc(4000, sizeof(*rows));
    uint64_t ns = 0;
    (void)state;
    for (uint64_t i = 0; i < 4000; i++)
        rows[i] = (struct cap_row){i + 1, 100 * i, i % 61 * 7 % 53, 3, 90, 0, 95, 1, 0};
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    cap_end_records(&c);
    for (unsigned i = 0; i < 4000; i++) /* each pair of neighbours is another pair of threads */
        rows[i].thread = i % 2 ? 1000 + i / 2 : i % 50;
    cap_slices(&c, rows, 4000);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_process *q = &p.processes[0];
    assert_int_equal(q->n_blame, 1001);
    assert_int_equal(q->blame[1000].waiter, -1);
    for (size_t i = 0; i < q->n_blame; i++)
        ns += q->blame[i].ns;
    assert_int_equal(ns, q->gil.wait_ns - q->gil.unknown_holder_ns);
    assert_int_equal(p.n_chains, 1);
    cpu_and_reference_agree(&c);
    gs_profile_free(&p);
    free(rows);
    cap_close(&c);
}

/* A second in which one thread had these totals, and nothing else was recorded. */
static void profile_of_totals(const uint64_t totals[16], struct gs_profile *p)
{
    struct cap c;
    cap_open(&c, 1);
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    cap_rec(&c, GS_RECORD_TOTALS, totals, 16);
    CAP_REC(&c, GS_RECORD_END, 1000 * MS, 1);
    cap_end_records(&c);
    cap_profile(c.data, c.len, NULL, p);
    cap_close(&c);
}

static void nobody_waited(void **state)
{
    const uint64_t totals[16] = {0, 0, 1000 * MS, 9, 9, 0, 0, 9, 500 * MS};
    struct gs_profile p;
    (void)state;
    profile_of_totals(totals, &p);
    assert_string_equal(p.findings[0].id, "gil-free");
    assert_non_null(strstr(p.verdict, "not the problem"));
    assert_string_equal(p.engine, "cpu");
    gs_profile_free(&p);
}

/* Waits without an acquire: the counts of a capture need not agree with each other. */
static void contended_but_never_acquired(void **state)
{
    const uint64_t totals[16] = {
        0, 0, 1000 * MS, [5] = 1000, [11] = 9, [12] = 500 * MS}; /* contended; lost waits */
    struct gs_profile p;
    (void)state;
    profile_of_totals(totals, &p);
    assert_int_equal(p.processes[0].gil.contended, 1000);
    for (size_t i = 0; i < p.n_findings; i++)
        assert_string_not_equal(p.findings[i].id, "gil-convoy");
    gs_profile_free(&p);
}

/* A process of which nothing is known but that it was Python's, and its end. */
static bool says_the_gil_was_unseen(bool ended, bool gil, uint32_t first_chunk)
{
    struct cap c;
    struct gs_profile p;
    cap_open(&c, 1);
    c.chunk_no = first_chunk;
    cap_records(&c);
    cap_process(&c, 7, 0, 1);
    if (gil)
        CAP_REC(&c, GS_RECORD_GIL, 0, 0, 5);
    if (ended)
        CAP_REC(&c, GS_RECORD_END, 10 * MS, 1);
    cap_end_records(&c);
    cap_profile(c.data, c.len, NULL, &p);
    const char *notes = p.processes[0].notes;
    bool said = notes && strstr(notes, "no turn of the GIL was seen");
    assert_true(!said || strstr(notes, "put the agent first in LD_PRELOAD"));
    gs_profile_free(&p);
    cap_close(&c);
    return said;
}

static void a_gil_nobody_saw_is_told_of(void **state)
{
    (void)state;
    assert_true(says_the_gil_was_unseen(true, false, 0));
    assert_false(says_the_gil_was_unseen(true, true, 0));
    assert_false(says_the_gil_was_unseen(false, false, 0)); /* killed before it began, perhaps */
    assert_false(says_the_gil_was_unseen(true, false, 1));  /* what is missing may be its record */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_ids_are_harmless),
        cmocka_unit_test(random_bytes_in_a_sound_chunk),
        cmocka_unit_test(hostile_names_stay_text),
        cmocka_unit_test(the_summary_fits_a_terminal),
        cmocka_unit_test(gils_are_summed_and_listed),
        cmocka_unit_test(an_exec_makes_two_processes),
        cmocka_unit_test(counts_take_the_greater),
        cmocka_unit_test(one_turn_is_open_whatever_was_written_last),
        cmocka_unit_test(a_folded_turn_is_not_open),
        cmocka_unit_test(pairs_past_a_thousand_are_one_row),
        cmocka_unit_test(nobody_waited),
        cmocka_unit_test(contended_but_never_acquired),
        cmocka_unit_test(a_gil_nobody_saw_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

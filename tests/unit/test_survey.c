/* SPDX-License-Identifier: MIT
 * What the survey of a GIL's rows finds, beside a walk over the rows as they were written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/columns.h"
#include "tests/unit/capture_builder.h"

enum { TURN = GS_SLICE_TURN, WAIT = GS_SLICE_WAIT };

static void swap(struct cap_row *a, struct cap_row *b)
{
    struct cap_row r = *a;
    *a = *b;
    *b = r;
}

/* Reads the capture; of its one GIL the survey's results are in rec->gils[0].rows. */
static void read_rows(const struct cap *c, struct gs_captures *captures, struct gs_stacks *stacks,
                      struct gs_recording *rec)
{
    struct gs_error err = {0};
    memset(captures, 0, sizeof(*captures));
    assert_int_equal(gs_captures_add(captures, c->data, c->len, "memory", &err), GS_OK);
    gs_captures_sort(captures);
    gs_stacks_init(stacks);
    gs_recording_open(rec, captures->chunks, captures->n_chunks);
    gs_recording_read(rec, stacks, captures->chunks, captures->n_chunks);
    assert_int_equal(rec->n_gils, 1);
}

static struct gs_thread_last last_of(const struct cap_row *rows, size_t n, uint64_t thread)
{
    struct gs_thread_last last = {0};
    for (size_t i = 0; i < n; i++) {
        if (rows[i].thread != thread)
            continue;
        last.acq_ns = rows[i].t_acq > last.acq_ns ? rows[i].t_acq : last.acq_ns;
        if (!(rows[i].flags & TURN))
            continue;
        last.has_turn = true;
        last.turn_acq_ns = rows[i].t_acq > last.turn_acq_ns ? rows[i].t_acq : last.turn_acq_ns;
    }
    return last;
}

static void check_survey(const struct gs_windows *w, const struct cap_row *rows, size_t n)
{
    uint64_t min_ns = UINT64_MAX, max_ns = 0, reach = UINT64_MAX, found = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t rel_ns = rows[i].t_acq + (rows[i].flags & TURN ? rows[i].hold : 0);
        uint64_t from = rows[i].flags & WAIT ? rows[i].seq - rows[i].wait_ds : UINT64_MAX;
        min_ns = rel_ns < min_ns ? rel_ns : min_ns;
        max_ns = rel_ns > max_ns ? rel_ns : max_ns;
        reach = from < reach ? from : reach;
        assert_int_not_equal(gs_idmap_find(&w->threads, rows[i].thread), GS_IDMAP_NONE);
    }
    for (size_t i = 0; i < w->n_parts; i++)
        found = w->parts[i].reach < found ? w->parts[i].reach : found;
    assert_true(w->min_ns == min_ns && w->max_ns == max_ns && found == reach && w->n_rows == n);
    for (size_t i = 0; i < w->threads.n; i++) {
        struct gs_thread_last last = last_of(rows, n, w->threads.keys[i]);
        assert_true(w->last[i].acq_ns == last.acq_ns);
        assert_true(w->last[i].turn_acq_ns == last.turn_acq_ns);
        assert_true(w->last[i].has_turn == last.has_turn);
    }
}

/* By columns where chunks ascend and times rise; row by row where not, or where threads are many.
 */
static void the_survey_sees_every_row(void **state)
{
    struct cap_row rows[3000];
    uint64_t rng = 5;
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        struct cap c;
        struct gs_captures captures;
        struct gs_stacks stacks;
        struct gs_recording rec;
        for (uint64_t i = 0; i < 3000; i++) {
            uint64_t ds = i < 9 ? 0 : cap_random(&rng) % 9;
            rows[i] = (struct cap_row){i + 100,
                                       5000 + 10 * i,
                                       0,
                                       1 + cap_random(&rng) % 3,
                                       cap_random(&rng) % 3000,
                                       1,
                                       7,
                                       ds,
                                       2};
            rows[i].thread = cap_random(&rng) % (round % 4 ? 7 : 90) * (round % 3 ? 1 : 9);
            if (i % 1000 == 2) { /* a thread that only waits, and only once */
                rows[i].thread = 60;
                rows[i].flags = WAIT;
            }
            if (round % 4 == 3)
                rows[i].t_acq += cap_random(&rng) % 100;
        }
        for (size_t i = 0; i < 2999 && round % 6 == 5; i++)
            swap(&rows[i], &rows[i + cap_random(&rng) % (3000 - i)]);
        cap_open(&c, 77);
        cap_records(&c);
        cap_process(&c, 42, 0, 1);
        cap_end_records(&c);
        for (size_t i = 0; i < 3000; i += 1000)
            cap_slices(&c, rows + i, 1000);
        read_rows(&c, &captures, &stacks, &rec);
        check_survey(&rec.gils[0].rows, rows, 3000);
        gs_recording_free(&rec);
        gs_stacks_free(&stacks);
        gs_captures_close(&captures);
        cap_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_survey_sees_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

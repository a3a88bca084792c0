/* SPDX-License-Identifier: MIT
 * What is added to words arrives in the sums, however much it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/square_sums.h"
#include "tests/unit/capture_builder.h"

enum { WIDTH = 3, CELLS = WIDTH * WIDTH };
enum { TURN = GS_SLICE_TURN, BOTH = GS_SLICE_TURN | GS_SLICE_WAIT };

static void check(struct gs_square_sums *s, const struct gs_sum *plain)
{
    gs_square_sums_empty_words(s);
    for (size_t i = 0; i < CELLS; i++) {
        assert_true(s->sums[i].ns == plain[i].ns);
        assert_true(s->sums[i].count == plain[i].count);
    }
}

static void times_of_any_length(void **state)
{
    struct gs_square_sums s;
    struct gs_sum plain[CELLS] = {{0}};
    uint64_t rng = 1;
    (void)state;
    gs_square_sums_open(&s, WIDTH);
    for (unsigned i = 0; i < 100000; i++) {
        size_t at = cap_random(&rng) % CELLS;
        uint64_t ns = cap_random(&rng) >> (12 + cap_random(&rng) % 52);
        gs_square_sums_reserve(&s, 1, ns);
        gs_square_sums_add(&s, at, ns);
        plain[at].ns += ns;
        plain[at].count += ns != 0;
    }
    check(&s, plain);
    gs_square_sums_close(&s);
}

/* One cell alone gets them: more at once than a word can count, between some that fit. */
static void more_than_a_word_counts(void **state)
{
    static const uint64_t at_once[] = {7, (1u << 20) - 9, 5, (1u << 19) - 1, (1u << 20) + 3,
                                       1, (1u << 19),     2};
    struct gs_square_sums s;
    struct gs_sum plain[CELLS] = {{0}};
    (void)state;
    gs_square_sums_open(&s, WIDTH);
    for (size_t k = 0; k < sizeof(at_once) / sizeof(*at_once); k++) {
        gs_square_sums_reserve(&s, at_once[k], 3 * at_once[k]);
        for (uint64_t i = 0; i < at_once[k]; i++)
            gs_square_sums_add(&s, 4, 3);
        plain[4].ns += 3 * at_once[k];
        plain[4].count += at_once[k];
    }
    check(&s, plain);
    gs_square_sums_close(&s);
}

/* Cells of the CPU engine share words between times and numbers, too. */
static void long_times_are_exact(void **state)
{
    struct cap_row rows[1200];
    struct cap c;
    struct gs_profile p;
    uint64_t t = 1000, rng = 3, hold_ns = 0;
    (void)state;
    for (unsigned i = 0; i < 1200; i++) {
        uint64_t hold = cap_random(&rng) >> (14 + cap_random(&rng) % 40);
        rows[i] = (struct cap_row){
            i + 1, t, i % 3, i ? BOTH : TURN, hold, 1 + i % 8, i ? hold : 0, i ? 1 : 0, 1 + i % 5};
        t += hold / 4 + 1;
        hold_ns += hold;
        if (t > UINT64_MAX / 16)
            t = 1000 + UINT64_MAX / 32;
    }
    cap_open(&c, 77);
    cap_records(&c);
    cap_process(&c, 42, 0, 1);
    cap_end_records(&c);
    cap_slices(&c, rows, 1200);
    cap_profile(c.data, c.len, "cpu", &p);
    char *json = cap_json_of(c.data, c.len, "cpu"),
         *plain = cap_json_of(c.data, c.len, "reference");
    assert_string_equal(json, plain);
    free(json);
    free(plain);
    assert_true(p.processes[0].gil.hold_ns == hold_ns);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_any_length),
        cmocka_unit_test(more_than_a_word_counts),
        cmocka_unit_test(long_times_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

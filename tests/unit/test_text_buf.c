/* SPDX-License-Identifier: MIT
 * Text in memory and to a stream, and what of a name needs no care.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/text_buf.h"
#include "analyzer/utf8.h"

static void check_number(uint64_t v)
{
    char expected[32];
    struct gs_buf t = {0};
    gs_buf_char(&t, '<');
    gs_buf_u64(&t, v);
    gs_buf_char(&t, '>');
    snprintf(expected, sizeof(expected), "<%" PRIu64 ">", v);
    assert_int_equal(t.len, strlen(expected));
    assert_memory_equal(t.s, expected, t.len);
    gs_buf_free(&t);
}

static void numbers_of_every_length_are_whole(void **state)
{
    (void)state;
    for (uint64_t v = 1; v; v = v > UINT64_MAX / 10 ? 0 : v * 10) {
        check_number(v - 1);
        check_number(v);
        check_number(v + 1);
    }
    for (uint64_t v = 0; v < 1100; v++)
        check_number(v);
    check_number(UINT64_MAX);
}

/* Pieces of every size up to more than a buffer holds, in order. */
static void a_stream_gets_all_in_order(void **state)
{
    (void)state;
    enum { PIECES = 1400 };
    char *got = NULL, piece[PIECES];
    size_t len;
    FILE *f = open_memstream(&got, &len);
    struct gs_buf t;
    gs_buf_open(&t, f);
    for (size_t i = 0; i < PIECES; i++) {
        memset(piece, (int)('a' + i % 26), i);
        gs_buf_put(&t, piece, i);
    }
    size_t large_bytes = 3u << 20;
    char *large = malloc(large_bytes);
    memset(large, '!', large_bytes);
    gs_buf_put(&t, large, large_bytes);
    gs_buf_string(&t, "end");
    assert_true(gs_buf_close(&t));
    fclose(f);
    assert_int_equal(len, PIECES * (PIECES - 1) / 2 + large_bytes + 3);
    size_t at = 0;
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(got[at++], 'a' + i % 26);
    assert_memory_equal(got + at, large, large_bytes);
    assert_memory_equal(got + at + large_bytes, "end", 3);
    free(large);
    free(got);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    FILE *f = fopen("/dev/full", "w");
    assert_non_null(f);
    struct gs_buf t;
    gs_buf_open(&t, f);
    gs_buf_char(&t, 'x');
    assert_false(gs_buf_close(&t));
    fclose(f);
}

static void plain_ends_where_care_begins(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t plain;
    } cases[] = {
        {"", 0},
        {"abc ~", 5},
        {"ab;c", 2},
        {"a\x1f", 1},
        {"a\x7f", 1},
        {"\xc3\xa9t\xc3\xa9", 5},
        {"e\xc3", 1},
        {"e\xff", 1},
        {"e\xc2\x85", 1},
        {"\xe2\x82\xac\xe2\x80\xae", 3},
        {"a\xef\xbf\xbd", 1},
        {"\xf0\x9f\x90\x8d.", 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(gs_utf8_plain(cases[i].text, strlen(cases[i].text), ";"), cases[i].plain);
    assert_int_equal(gs_utf8_plain("a;<b", 4, "<"), 2);
    assert_int_equal(gs_utf8_plain("a\0b", 3, "<"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_length_are_whole),
        cmocka_unit_test(a_stream_gets_all_in_order),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(plain_ends_where_care_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

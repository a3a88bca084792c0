/* SPDX-License-Identifier: MIT
 * Text for people, and text that must not harm a terminal or a script element.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/base64.h"
#include "analyzer/fmt_units.h"
#include "analyzer/hist.h"
#include "analyzer/json_writer.h"
#include "analyzer/utf8.h"

static void times_have_three_digits(void **state)
{
    (void)state;
    assert_string_equal(gs_fmt_ns(0).s, "0 ns");
    assert_string_equal(gs_fmt_ns(999).s, "999 ns");
    assert_string_equal(gs_fmt_ns(1000).s, "1.00 us");
    assert_string_equal(gs_fmt_ns(71449999).s, "71.4 ms");
    assert_string_equal(gs_fmt_ns(999499999).s, "999 ms");
    assert_string_equal(gs_fmt_ns(999500000).s, "1.00 s");
    assert_string_equal(gs_fmt_ns(3210000000u).s, "3.21 s");
    assert_string_equal(gs_fmt_ns(125000000000u).s, "125 s");
    assert_string_equal(gs_fmt_ns(726000000000u).s, "12.1 min");
}

static void shares_counts_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(gs_fmt_percent(71, 100).s, "71 %");
    assert_string_equal(gs_fmt_percent(71, 1000).s, "7.1 %");
    assert_string_equal(gs_fmt_percent(1, 100000).s, "<0.1 %");
    assert_string_equal(gs_fmt_percent(0, 5).s, "0 %");
    assert_string_equal(gs_fmt_percent(5, 0).s, "0 %");
    assert_string_equal(gs_fmt_percent(UINT64_MAX, UINT64_MAX).s, "100 %");
    assert_string_equal(gs_fmt_count(1234567).s, "1,234,567");
    assert_string_equal(gs_fmt_count(123).s, "123");
    assert_string_equal(gs_fmt_bytes(1023).s, "1023 B");
    assert_string_equal(gs_fmt_bytes(4u << 20).s, "4.0 MiB");
    assert_string_equal(gs_fmt_basename("/a/b/c.py"), "c.py");
    assert_string_equal(gs_fmt_basename("c.py"), "c.py");
}

static void check_safe(const char *in, size_t width, const char *want)
{
    char *got = gs_fmt_safe(in, width);
    assert_string_equal(got, want);
    free(got);
}

static void check_defused(const char *in, const char *want)
{
    char text[64];
    snprintf(text, sizeof(text), "%s", in);
    gs_utf8_defuse(text);
    assert_string_equal(text, want);
}

static void messages_are_one_plain_line(void **state)
{
    (void)state;
    check_defused("", "");
    check_defused("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x8d", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x8d");
    check_defused("a\nb\033[2J\x7f", "a?b?[2J?");
    check_defused("\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf", "????");
    check_defused("\xff\xed\xa0\x80 cut \xe2\x80", "???? cut ??");
}

static void terminals_are_not_driven(void **state)
{
    (void)state;
    check_safe("plain", 0, "plain");
    check_safe("\033[31mred\007", 0, "\\x1b[31mred\\x07");
    check_safe("\xc2\x9b"
               "2J",
               0, "\\u{9b}2J"); /* C1 CSI */
    check_safe("a\xe2\x80\xae"
               "b",
               0, "a\\u{202e}b"); /* right-to-left override */
    check_safe("\xff\xfe", 0, "\xef\xbf\xbd\xef\xbf\xbd");
    check_safe("gr\xc3\xbc\xc3\x9f"
               "e",
               0,
               "gr\xc3\xbc\xc3\x9f"
               "e");
    check_safe("abcdef", 4, "abc\xe2\x80\xa6");
    check_safe("abcd", 4, "abcd");
}

static void names_are_cleaned_and_cut(void **state)
{
    char *s = gs_utf8_clean("a\0b\xc0\xaf", 5, 100);
    (void)state;
    assert_string_equal(s, "a\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd");
    free(s);
    s = gs_utf8_clean("\xc3\xbc\xc3\xbc", 4, 3); /* not cut inside a character */
    assert_string_equal(s, "\xc3\xbc");
    free(s);
    s = gs_utf8_clean("\xed\xa0\x80", 3, 100); /* a surrogate is no character */
    assert_string_equal(s, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    free(s);
}

static void json_is_valid_and_harmless(void **state)
{
    char *text = NULL;
    size_t len = 0;
    struct gs_json j;
    FILE *f = open_memstream(&text, &len);
    (void)state;
    gs_json_init(&j, f, false);
    gs_json_begin_object(&j);
    gs_json_kv_string(&j, "a\"\\", "</script>\n\x01\x7f\xff");
    gs_json_key(&j, "list");
    gs_json_begin_array_inline(&j);
    gs_json_u64(&j, UINT64_MAX);
    gs_json_i64(&j, INT64_MIN);
    gs_json_begin_array(&j);
    gs_json_end_array(&j);
    gs_json_null(&j);
    gs_json_end_array(&j);
    gs_json_key(&j, "pct");
    gs_json_milli(&j, 1234);
    gs_json_kv_bool(&j, "ok", true);
    gs_json_end_object(&j);
    assert_true(gs_json_finish(&j));
    fclose(f);
    assert_string_equal(text, "{\"a\\\"\\\\\":\"\\u003c/script>\\n\\u0001\\u007f\xef\xbf\xbd\","
                              "\"list\":[18446744073709551615,-9223372036854775808,[],null],"
                              "\"pct\":1.234,\"ok\":true}\n");
    free(text);
}

static void json_columns(void **state)
{
    static const struct {
        uint32_t v;
    } rows[] = {{7}, {7}, {9}, {3}, {UINT32_MAX}};
    char *text = NULL;
    size_t len = 0, none = 0;
    struct gs_json j;
    FILE *f = open_memstream(&text, &len);
    (void)state;
    gs_json_init(&j, f, false);
    gs_json_begin_object(&j);
    GS_JSON_COLUMN(&j, "values", rows, 5, v);
    GS_JSON_STEPS(&j, "steps", rows, 5, v);
    GS_JSON_STEPS(&j, "none", rows, none, v);
    gs_json_end_object(&j);
    assert_true(gs_json_finish(&j));
    fclose(f);
    assert_string_equal(text, "{\"values\":[7,7,9,3,4294967295],"
                              "\"steps\":[7,0,2,-6,4294967292],\"none\":[]}\n");
    free(text);
}

static void json_can_be_pretty(void **state)
{
    char *text = NULL;
    size_t len = 0;
    struct gs_json j;
    FILE *f = open_memstream(&text, &len);
    (void)state;
    gs_json_init(&j, f, true);
    gs_json_begin_object(&j);
    gs_json_key(&j, "a");
    gs_json_begin_array(&j);
    gs_json_u64(&j, 1);
    gs_json_begin_object(&j);
    gs_json_end_object(&j);
    gs_json_end_array(&j);
    gs_json_key(&j, "b");
    gs_json_begin_array_inline(&j);
    gs_json_u64(&j, 1);
    gs_json_u64(&j, 2);
    gs_json_end_array(&j);
    gs_json_end_object(&j);
    gs_json_finish(&j);
    fclose(f);
    assert_string_equal(text, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [1,2]\n}\n");
    free(text);
}

/* The vectors of RFC 4648. */
static void base64_is_padded(void **state)
{
    (void)state;
    static const char *const cases[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
        char *text = gs_base64((const unsigned char *)"foobar", n);
        assert_string_equal(text, cases[n]);
        free(text);
    }
}

static void buckets_are_sixteenths_of_an_octave(void **state)
{
    uint64_t counts[GS_HIST_BUCKETS] = {0};
    struct gs_hist h;
    (void)state;
    for (unsigned b = 0; b < GS_HIST_BUCKETS; b++) {
        assert_int_equal(gs_hist_bucket_of(gs_hist_lower_ns(b)), b);
        if (b > 0)
            assert_int_equal(gs_hist_bucket_of(gs_hist_lower_ns(b) - 1), b - 1);
    }
    assert_int_equal(gs_hist_bucket_of(UINT64_MAX), GS_HIST_BUCKETS - 1);
    counts[gs_hist_bucket_of(5)] = 98;
    counts[gs_hist_bucket_of(1000)] = 2;
    gs_hist_compact(counts, &h);
    assert_int_equal(h.n, 2);
    assert_int_equal(gs_hist_percentile(&h, 50), 5);
    assert_int_equal(gs_hist_percentile(&h, 98), 5);
    assert_int_equal(gs_hist_percentile(&h, 99), 992);
    free(h.buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_three_digits),
        cmocka_unit_test(shares_counts_and_sizes),
        cmocka_unit_test(messages_are_one_plain_line),
        cmocka_unit_test(terminals_are_not_driven),
        cmocka_unit_test(names_are_cleaned_and_cut),
        cmocka_unit_test(json_is_valid_and_harmless),
        cmocka_unit_test(json_columns),
        cmocka_unit_test(json_can_be_pretty),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(buckets_are_sixteenths_of_an_octave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

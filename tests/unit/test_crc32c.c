/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/trace/trace_internal.h"

static void published_values(void **state)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(gs_crc32c(0, "", 0), 0);
    assert_int_equal(gs_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(gs_crc32c(0, zeros, 32), 0x8a9136aau); /* RFC 3720, B.4 */
    assert_int_equal(gs_crc32c(0, ones, 32), 0x62a8ab43u);
    assert_int_equal(gs_crc32c(0, up, 32), 0x46dd794eu);
    assert_int_equal(gs_crc32c(0, down, 32), 0x113fdb5cu);
}

static void table_equals_hardware_at_every_length_and_alignment(void **state)
{
    uint8_t buf[300];

    (void)state;
    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * 167 + 13);
    for (size_t from = 0; from < 16; from++)
        for (size_t len = 0; len + from <= sizeof(buf); len++)
            assert_int_equal(gs_crc32c(7, buf + from, len), gs__crc32c_table(7, buf + from, len));
}

/* Long enough for the path that runs three strips side by side, and for what is left behind it. */
static void long_runs_equal_the_table(void **state)
{
    static uint8_t buf[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * i * 167 + i / 256);
    for (size_t len = 3000; len <= 3200; len++)
        assert_int_equal(gs_crc32c(9, buf + 3, len), gs__crc32c_table(9, buf + 3, len));
    for (size_t len = 6000; len <= sizeof(buf); len += 333)
        assert_int_equal(gs_crc32c(0, buf, len), gs__crc32c_table(0, buf, len));
}

static void pieces_join(void **state)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog";
    uint32_t whole = gs_crc32c(0, text, sizeof(text));

    (void)state;
    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        uint32_t crc = gs_crc32c(0, text, cut);

        assert_int_equal(gs_crc32c(crc, text + cut, sizeof(text) - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(table_equals_hardware_at_every_length_and_alignment),
        cmocka_unit_test(long_runs_equal_the_table),
        cmocka_unit_test(pieces_join),
    };

    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}

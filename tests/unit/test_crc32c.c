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
        cmocka_unit_test(pieces_join),
    };

    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}

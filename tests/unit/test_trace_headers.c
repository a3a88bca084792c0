/* SPDX-License-Identifier: MIT
 * What describes the rest: streams, file headers, statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "preload/trace/trace_internal.h"

static void streams_are_described(void **state)
{
    (void)state;
    assert_null(gs_stream_desc(0));
    assert_null(gs_stream_desc(13));
    assert_int_equal(gs_stream_desc(GS_STREAM_RECORDS)->n_cols, 0);
    assert_string_equal(gs_stream_desc(GS_STREAM_SLICE)->cols[8].name, "wait_stack");
    assert_int_equal(gs_stream_desc(GS_STREAM_SLICE)->time_col, 1);
    assert_int_equal(gs_stream_desc(GS_STREAM_SLICE)->seq_col, 0);
    assert_int_equal(gs_stream_desc(GS_STREAM_SCHED)->seq_col, -1);
}

static void file_header_is_checked(void **state)
{
    struct gs_file_hdr h, back;

    (void)state;
    gs_file_hdr_encode(&h, 0, 99, -5, 0);
    assert_int_equal(gs_file_hdr_decode(&h, sizeof(h), &back), GS_OK);
    assert_int_equal(back.process_key, 99);
    assert_int_equal(back.created_unix_ns, -5);
    for (size_t n = 0; n < sizeof(h); n++)
        assert_int_equal(gs_file_hdr_decode(&h, n, &back), GS_ERR_TRUNCATED);
    for (size_t i = 0; i < sizeof(h); i++) {
        ((uint8_t *)&h)[i] ^= 0x10;
        assert_int_equal(gs_file_hdr_decode(&h, sizeof(h), &back),
                         i < 8 ? GS_ERR_MAGIC : GS_ERR_CRC);
        ((uint8_t *)&h)[i] ^= 0x10;
    }
#define CHANGED(field, value, expected)                                                            \
    do {                                                                                           \
        gs_file_hdr_encode(&h, 0, 99, -5, 0);                                                      \
        h.field = value;                                                                           \
        h.crc = gs_crc32c(0, &h, 60);                                                              \
        assert_int_equal(gs_file_hdr_decode(&h, sizeof(h), &back), expected);                      \
    } while (0)
    CHANGED(major, 2, GS_ERR_VERSION);
    CHANGED(major, 0, GS_ERR_VERSION);
    CHANGED(minor, 9, GS_OK);
    CHANGED(feat_incompat, 1u << 31, GS_ERR_FEATURE);
    CHANGED(feat_compat, UINT32_MAX, GS_OK);
    CHANGED(feat_ro, 1, GS_OK);
    CHANGED(header_len, 63, GS_ERR_CORRUPT);
    CHANGED(header_len, 65, GS_ERR_TRUNCATED);
}

static void statuses_have_messages(void **state)
{
    (void)state;
    assert_string_equal(gs_status_message(GS_OK), "ok");
    assert_string_equal(gs_status_message(GS_ERR_FAULT), "memory could not be read");
    assert_string_equal(gs_status_message((enum gs_status)12345), "unknown status");
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_described),
        cmocka_unit_test(file_header_is_checked),
        cmocka_unit_test(statuses_have_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

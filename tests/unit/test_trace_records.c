/* SPDX-License-Identifier: MIT
 * Tagged records: round trips, a full buffer at every size, damage of every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "preload/trace/trace_internal.h"

static const uint64_t edges_u[] = {0,     1,          127,        128,        16383,
                                   16384, UINT32_MAX, 1ull << 62, 1ull << 63, UINT64_MAX};
static const int64_t edges_z[] = {0, -1, 1, -64, 64, -65, INT32_MIN, INT64_MAX, INT64_MIN};
#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static void write_edges(struct gs_record_writer *w, uint32_t tag)
{
    gs_record_begin(w, tag);
    for (size_t i = 0; i < N_OF(edges_u); i++)
        gs_record_put_u(w, edges_u[i]);
    for (size_t i = 0; i < N_OF(edges_z); i++)
        gs_record_put_z(w, edges_z[i]);
    gs_record_put_bytes(w, "text", 4);
    gs_record_put_bytes(w, NULL, 0);
    gs_record_put_u(w, 77);
}

static void check_edges(struct gs_record *r)
{
    size_t len;

    for (size_t i = 0; i < N_OF(edges_u); i++)
        assert_int_equal(gs_record_get_u(r), edges_u[i]);
    for (size_t i = 0; i < N_OF(edges_z); i++)
        assert_int_equal(gs_record_get_z(r), edges_z[i]);
    assert_memory_equal(gs_record_get_bytes(r, &len), "text", 4);
    assert_int_equal(len, 4);
    assert_non_null(gs_record_get_bytes(r, &len));
    assert_int_equal(len, 0);
    assert_int_equal(gs_record_get_u(r), 77);
    assert_ptr_equal(r->pos, r->end);
}

static void fields_round_trip(void **state)
{
    static const uint32_t tags[] = {1, 127, 128, 300000, UINT32_MAX};
    uint8_t buf[4096];
    const uint8_t *cursor = buf;
    struct gs_record_writer w;
    struct gs_record r;
    enum gs_status status;

    (void)state;
    gs_record_writer_init(&w, buf, sizeof(buf));
    for (size_t i = 0; i < N_OF(tags); i++) {
        write_edges(&w, tags[i]);
        assert_true(gs_record_end(&w));
    }
    for (size_t i = 0; i < N_OF(tags); i++) {
        assert_true(gs_record_next(&cursor, buf + w.len, &r, &status));
        assert_int_equal(r.tag, tags[i]);
        check_edges(&r);
    }
    assert_false(gs_record_next(&cursor, buf + w.len, &r, &status));
    assert_int_equal(status, GS_OK);
}

static void payloads_of_every_length(void **state)
{
    static uint8_t buf[40000], payload[20000];
    struct gs_record_writer w;
    struct gs_record r;
    enum gs_status status;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n < sizeof(payload); n += n < 300 || (n > 16300 && n < 16500) ? 1 : 97) {
        const uint8_t *cursor = buf;

        gs_record_writer_init(&w, buf, sizeof(buf));
        gs_record_begin(&w, 6);
        gs_record_put_bytes(&w, payload, n);
        assert_true(gs_record_end(&w));
        assert_true(gs_record_next(&cursor, buf + w.len, &r, &status));
        assert_memory_equal(gs_record_get_bytes(&r, &len), payload, n);
        assert_int_equal(len, n);
        assert_ptr_equal(cursor, buf + w.len);
    }
}

static void a_full_buffer_keeps_whole_records(void **state)
{
    uint8_t whole[4096];
    struct gs_record_writer w;

    (void)state;
    gs_record_writer_init(&w, whole, sizeof(whole));
    for (unsigned i = 0; i < 3; i++) {
        write_edges(&w, 200 + i);
        assert_true(gs_record_end(&w));
    }
    for (size_t cap = 0; cap < w.len; cap++) {
        uint8_t *buf = malloc(cap ? cap : 1);
        size_t n_good = 0, one = w.len / 3;
        struct gs_record_writer small;

        gs_record_writer_init(&small, buf, cap);
        for (unsigned i = 0; i < 3; i++) {
            write_edges(&small, 200 + i);
            n_good += gs_record_end(&small);
        }
        assert_true(small.overflow);
        assert_int_equal(n_good, cap / one);
        assert_int_equal(small.len, n_good * one);
        assert_memory_equal(buf, whole, small.len);
        free(buf);
    }
}

static void overflow_stays(void **state)
{
    uint8_t buf[16];
    struct gs_record_writer w;

    (void)state;
    gs_record_writer_init(&w, buf, sizeof(buf));
    gs_record_begin(&w, 1);
    gs_record_put_bytes(&w, "0123456789abcdef", 16);
    assert_false(gs_record_end(&w));
    assert_int_equal(w.len, 0);
    gs_record_begin(&w, 1);
    gs_record_put_u(&w, 1);
    assert_false(gs_record_end(&w));
    assert_int_equal(w.len, 0);
}

static void missing_and_malformed_fields_read_as_zero(void **state)
{
    static const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                       0x80, 0x80, 0x80, 0x80, 0x00, 0x07};
    static const uint8_t too_great[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0x02, 0x07};
    static const uint8_t greatest[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0x01, 0x07};
    static const uint8_t padded[] = {0x85, 0x80, 0x00, 0x07};
    static const uint8_t past_end[] = {0x05, 'a', 'b'};
    struct gs_record r;
    size_t len;

    (void)state;
#define RECORD(bytes) (r = (struct gs_record){1, bytes, bytes + sizeof(bytes)}, &r)
    assert_int_equal(gs_record_get_u(RECORD(too_long)), 0);
    assert_int_equal(gs_record_get_u(&r), 0);
    assert_int_equal(gs_record_get_u(RECORD(too_great)), 0);
    assert_int_equal(gs_record_get_u(&r), 0);
    assert_int_equal(gs_record_get_u(RECORD(greatest)), UINT64_MAX);
    assert_int_equal(gs_record_get_u(&r), 7);
    assert_int_equal(gs_record_get_u(RECORD(padded)), 5);
    assert_int_equal(gs_record_get_u(&r), 7);
    assert_non_null(gs_record_get_bytes(RECORD(past_end), &len));
    assert_int_equal(len, 0);
    assert_int_equal(gs_record_get_z(&r), 0);
}

static void read_all(const uint8_t *p, size_t n)
{
    const uint8_t *cursor = p;
    struct gs_record r;
    enum gs_status status;
    size_t len;

    while (gs_record_next(&cursor, p + n, &r, &status))
        for (unsigned i = 0; i < 40; i++) {
            gs_record_get_u(&r);
            assert_non_null(gs_record_get_bytes(&r, &len));
            assert_true(len <= n);
            gs_record_get_z(&r);
        }
    assert_true(status == GS_OK || status == GS_ERR_CORRUPT);
}

static void damage_never_harms(void **state)
{
    uint8_t whole[512], *p;
    struct gs_record_writer w;

    (void)state;
    gs_record_writer_init(&w, whole, sizeof(whole));
    write_edges(&w, 1);
    gs_record_end(&w);
    write_edges(&w, 2);
    gs_record_end(&w);
    for (size_t i = 0; i < w.len; i++) {
        p = malloc(w.len);
        for (unsigned v = 0; v < 256; v++) {
            memcpy(p, whole, w.len);
            p[i] = (uint8_t)v;
            read_all(p, w.len);
        }
        free(p);
        p = malloc(i ? i : 1);
        memcpy(p, whole, i);
        read_all(p, i);
        free(p);
    }
}

static void bad_frames_are_corrupt(void **state)
{
    static const struct {
        uint8_t len, bytes[8];
    } bad[] = {
        {1, {0x01}},                               /* no length */
        {2, {0x01, 0x01}},                         /* payload cut */
        {1, {0x80}},                               /* tag without end */
        {6, {0x80, 0x80, 0x80, 0x80, 0x10, 0x00}}, /* tag 2^32 */
        {6, {0x01, 0xff, 0xff, 0xff, 0xff, 0x0f}}, /* length past the end */
    };

    (void)state;
    for (size_t i = 0; i < N_OF(bad); i++) {
        const uint8_t *cursor = bad[i].bytes;
        enum gs_status status = GS_OK;
        struct gs_record r;

        assert_false(gs_record_next(&cursor, bad[i].bytes + bad[i].len, &r, &status));
        assert_int_equal(status, GS_ERR_CORRUPT);
    }
}

static void a_records_chunk_is_sealed(void **state)
{
    const struct gs_chunk_meta meta = {5, GS_NO_GIL, 6, 0, 1};
    uint8_t buf[1024];
    struct gs_record_writer w;
    struct gs_chunk_hdr h;
    size_t len;

    (void)state;
    gs_record_writer_init(&w, buf + GS_CHUNK_HDR_LEN, sizeof(buf) - GS_CHUNK_HDR_LEN);
    write_edges(&w, 3);
    gs_record_end(&w);
    assert_int_equal(gs_chunk_seal_records(&meta, 1, buf, w.len + 135, w.len, &len), GS_ERR_SPACE);
    assert_int_equal(gs_chunk_seal_records(&meta, 1, buf, w.len + 136, w.len, &len), GS_OK);
    assert_int_equal(len, w.len + 136);
    assert_int_equal(gs_chunk_hdr_decode(buf, len, &h), GS_OK);
    assert_int_equal(gs_chunk_check_payload(buf, &h), GS_OK);
    assert_int_equal(h.stream, GS_STREAM_RECORDS);
    assert_int_equal(h.n_rows, 1);
    assert_int_equal(h.gil, GS_NO_GIL);
    assert_int_equal(gs_chunk_seal_records(&meta, 1, buf, SIZE_MAX, GS_CHUNK_MAX_LEN, &len),
                     GS_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_round_trip),
        cmocka_unit_test(payloads_of_every_length),
        cmocka_unit_test(a_full_buffer_keeps_whole_records),
        cmocka_unit_test(overflow_stays),
        cmocka_unit_test(missing_and_malformed_fields_read_as_zero),
        cmocka_unit_test(damage_never_harms),
        cmocka_unit_test(bad_frames_are_corrupt),
        cmocka_unit_test(a_records_chunk_is_sealed),
    };

    return cmocka_run_group_tests_name("trace_records", tests, NULL, NULL);
}

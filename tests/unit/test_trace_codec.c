/* SPDX-License-Identifier: MIT
 * Chunks: every width, every block length, damage of every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "preload/trace/trace_internal.h"

#define MAX_ROWS GS_CHUNK_MAX_ROWS

static uint64_t rng = 0x9e3779b97f4a7c15u;
static uint64_t cols[GS_CHUNK_MAX_COLS][MAX_ROWS], got[MAX_ROWS];
static struct gs_encode_scratch scratch;
static uint8_t chunk[512u << 10];

static const uint8_t columnar[] = {GS_STREAM_SLICE, GS_STREAM_HOLD_SAMPLE, GS_STREAM_HOLDER_SAMPLE,
                                   GS_STREAM_EDGE, GS_STREAM_SCHED};
#define N_COLUMNAR (sizeof(columnar) / sizeof(columnar[0]))

static uint64_t next_random(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    return rng ^= rng << 17;
}

static uint64_t mask_of(unsigned width)
{
    return width == 64 ? UINT64_MAX : (1ull << width) - 1;
}

/* ---- blocks ---- */

/* A limit that the header vouches for is above every value. */
static void check_limits(const struct gs__block *b, const uint64_t *v)
{
    for (uint64_t limit = 1; limit <= UINT32_MAX; limit *= 2)
        for (unsigned i = 0; i < b->hdr.n && gs__block_is_below(b, (uint32_t)limit); i++)
            assert_true(v[i] < limit);
}

/* Where the narrow way is gone it says the same; it is wherever a header vouches for 31 bits. */
static void check_narrow(const struct gs__block *b, const uint64_t *v)
{
    uint32_t narrow[GS_BLOCK_ROWS];
    bool done = gs__block_decode_narrow(b, narrow);

    if (!done)
        assert_false(gs__block_is_below(b, 1u << 31));
    for (unsigned i = 0; i < b->hdr.n && done; i++)
        assert_int_equal(narrow[i], v[i]);
}

static enum gs_status decode_block(const uint8_t **in, const uint8_t *end, unsigned n,
                                   uint64_t *out)
{
    struct gs__block b;
    enum gs_status status = gs__block_open(in, end, n, &b);

    if (status)
        return status;
    gs__block_decode(&b, out);
    check_limits(&b, out);
    check_narrow(&b, out);
    return GS_OK;
}

static void check_block(enum gs_column_kind kind, const uint64_t *v, unsigned n, int codec)
{
    uint64_t zz[GS_BLOCK_ROWS], back[GS_BLOCK_ROWS];
    uint8_t *out = malloc(GS_BLOCK_HDR_LEN + 8 * n + 1);
    size_t len = gs__block_encode(kind, v, n, zz, out + 1); /* odd address on purpose */
    const uint8_t *in = out + 1;

    assert_true(len <= GS_BLOCK_HDR_LEN + 8 * n);
    if (codec >= 0)
        assert_int_equal(out[2], codec);
    assert_int_equal(decode_block(&in, out + 1 + len, n, back), GS_OK);
    assert_ptr_equal(in, out + 1 + len);
    assert_memory_equal(back, v, n * sizeof(*v));
    in = out + 1;
    assert_int_equal(decode_block(&in, out + len, n, back), GS_ERR_CORRUPT);
    free(out);
}

static void every_width_at_telling_lengths(void **state)
{
    static const unsigned lengths[] = {1, 2, 3, 31, 32, 33, 63, 64, 65, 1000, 1023, 1024};
    uint64_t v[GS_BLOCK_ROWS];

    (void)state;
    for (unsigned width = 0; width <= 64; width++)
        for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            unsigned n = lengths[k];
            uint64_t base = width == 64 ? 0 : next_random() % (UINT64_MAX - mask_of(width));

            for (unsigned i = 0; i < n; i++)
                v[i] = base + (next_random() & mask_of(width));
            v[0] = base;
            v[n - 1] = n > 1 ? base + mask_of(width) : base;
            check_block(GS_COL_FOR, v, n, n == 1 || width == 0 ? GS_CODEC_CONST : -1);
        }
}

static void every_delta_width(void **state)
{
    uint64_t v[GS_BLOCK_ROWS];

    (void)state;
    for (unsigned width = 0; width <= 64; width++)
        for (unsigned n = 1; n <= GS_BLOCK_ROWS; n += n < 70 ? 1 : 53) {
            v[0] = next_random();
            for (unsigned i = 1; i < n; i++) {
                uint64_t z = next_random() & mask_of(width);

                v[i] = v[i - 1] + (z >> 1 ^ (0 - (z & 1))); /* may wrap around */
            }
            check_block(GS_COL_DELTA, v, n, -1);
        }
}

static void codecs_are_chosen_by_size(void **state)
{
    uint64_t v[GS_BLOCK_ROWS];

    (void)state;
    for (unsigned i = 0; i < GS_BLOCK_ROWS; i++)
        v[i] = 1000000 + 100ull * i;
    check_block(GS_COL_FOR, v, GS_BLOCK_ROWS, GS_CODEC_FOR);
    check_block(GS_COL_DELTA, v, GS_BLOCK_ROWS, GS_CODEC_DELTA);
    for (unsigned i = 0; i < GS_BLOCK_ROWS; i++)
        v[i] = i % 2 ? UINT64_MAX : 0; /* differences of 1 around the wrap */
    check_block(GS_COL_FOR, v, GS_BLOCK_ROWS, GS_CODEC_RAW);
    check_block(GS_COL_DELTA, v, GS_BLOCK_ROWS, GS_CODEC_DELTA);
    for (unsigned i = 0; i < GS_BLOCK_ROWS; i++)
        v[i] = next_random() | 1ull << 63;
    v[7] = 0;
    check_block(GS_COL_DELTA, v, GS_BLOCK_ROWS, GS_CODEC_RAW);
}

/* Bit by bit from the words of the specification. */
static uint64_t spec_value(const uint8_t *block, unsigned width, unsigned n, unsigned i)
{
    uint64_t v = 0;
    unsigned low = width < 32 ? width : 32, words_low = (n * low + 31) / 32;

    for (unsigned b = 0; b < width; b++) {
        unsigned part = b < 32 ? low : width - 32, at = b < 32 ? b : b - 32;
        unsigned first = b < 32 ? 0 : words_low, word, bit;

        if (n == GS_BLOCK_ROWS) {
            bit = i / 32 * part + at;
            word = bit / 32 * 32 + i % 32;
        } else {
            bit = i * part + at;
            word = bit / 32;
        }
        bit %= 32;
        v |= (uint64_t)(block[GS_BLOCK_HDR_LEN + 4 * (first + word) + bit / 8] >> bit % 8 & 1) << b;
    }
    return v;
}

static void layout_is_the_specified_one(void **state)
{
    uint64_t v[GS_BLOCK_ROWS], zz[GS_BLOCK_ROWS];
    uint8_t out[GS_BLOCK_HDR_LEN + 8 * GS_BLOCK_ROWS];
    struct gs_block_hdr hdr;

    (void)state;
    for (unsigned width = 1; width < 64; width++)
        for (unsigned n = 77; n <= GS_BLOCK_ROWS; n += GS_BLOCK_ROWS - 77) {
            for (unsigned i = 0; i < n; i++)
                v[i] = next_random() & mask_of(width);
            v[0] = 0;
            v[1] = mask_of(width);
            gs__block_encode(GS_COL_FOR, v, n, zz, out);
            memcpy(&hdr, out, sizeof(hdr));
            assert_int_equal(hdr.codec, GS_CODEC_FOR);
            assert_int_equal(hdr.width, width);
            for (unsigned i = 0; i < n; i++)
                assert_int_equal(spec_value(out, width, n, i), v[i]);
        }
}

static void every_header_is_checked(void **state)
{
    uint8_t block[GS_BLOCK_HDR_LEN + 8 * 40] = {0};
    uint64_t out[40];

    (void)state;
    for (unsigned width = 0; width < 256; width++)
        for (unsigned codec = 0; codec < 8; codec++)
            for (unsigned words = 0; words <= 80; words++) {
                struct gs_block_hdr hdr = {(uint8_t)width, (uint8_t)codec, 40, words, 1};
                const uint8_t *in = block;
                bool packed = codec == GS_CODEC_FOR || codec == GS_CODEC_DELTA;
                bool ok = packed && width <= 64 && words == gs__packed_words(width, 40);

                ok |= codec == GS_CODEC_RAW && width == 64 && words == 80;
                ok |= codec == GS_CODEC_CONST && width == 0 && words == 0;
                memcpy(block, &hdr, sizeof(hdr));
                assert_int_equal(decode_block(&in, block + sizeof(block), 40, out),
                                 ok ? GS_OK : GS_ERR_CORRUPT);
                assert_int_equal(decode_block(&in, block + sizeof(block), 39, out), GS_ERR_CORRUPT);
            }
}

/* ---- chunks ---- */

static uint64_t cell(enum gs_column_kind kind, unsigned mood, unsigned i)
{
    switch (kind) {
    case GS_COL_DELTA:
        return mood == 2 ? next_random() : 1000 + 37ull * i + next_random() % 8;
    case GS_COL_STACK:
        return mood == 2 ? (uint32_t)next_random() : next_random() % 50;
    default:
        return mood == 0 ? 5 : mood == 1 ? next_random() % 5000 : next_random();
    }
}

static size_t make_chunk(uint8_t stream, size_t n, unsigned mood)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);
    const struct gs_chunk_meta meta = {0x1122334455667788u, 3, 41, 17, 2};
    const uint64_t *ptr[GS_CHUNK_MAX_COLS];
    size_t len = 0, bound = gs_chunk_bound(stream, n);

    for (unsigned c = 0; c < desc->n_cols; c++) {
        ptr[c] = cols[c];
        for (unsigned i = 0; i < n; i++)
            cols[c][i] = cell(desc->cols[c].kind, mood, i);
    }
    assert_true(bound <= sizeof(chunk));
    memset(chunk, 0xee, sizeof(chunk));
    assert_int_equal(gs_chunk_encode(stream, &meta, ptr, n, &scratch, chunk, bound - 1, &len),
                     GS_ERR_SPACE);
    assert_int_equal(gs_chunk_encode(stream, &meta, ptr, n, &scratch, chunk, bound, &len), GS_OK);
    assert_true(len <= bound);
    assert_int_equal(chunk[bound], 0xee);
    return len;
}

static void range_of(const uint64_t *v, size_t n, uint64_t *lo, uint64_t *hi)
{
    *lo = *hi = v[0];
    for (size_t i = 1; i < n; i++) {
        *lo = v[i] < *lo ? v[i] : *lo;
        *hi = v[i] > *hi ? v[i] : *hi;
    }
}

static void check_hdr(const struct gs_chunk_hdr *h, const struct gs_stream_desc *desc, size_t n,
                      size_t len)
{
    uint64_t lo, hi;

    assert_int_equal(h->stream, desc->stream);
    assert_int_equal(h->n_rows, n);
    assert_int_equal(h->n_cols, desc->n_cols);
    assert_int_equal(h->total_len, len);
    assert_int_equal(h->process_key, 0x1122334455667788u);
    assert_int_equal(h->gil, 3);
    assert_int_equal(h->chunk_no, 41);
    assert_int_equal(h->lost_before, 17);
    assert_int_equal(h->clock_epoch, 2);
    range_of(cols[desc->time_col], n, &lo, &hi);
    assert_int_equal(h->t0, lo);
    assert_int_equal(h->t1, hi);
    lo = hi = 0;
    if (desc->seq_col >= 0)
        range_of(cols[desc->seq_col], n, &lo, &hi);
    assert_int_equal(h->seq0, lo);
    assert_int_equal(h->seq1, hi);
}

static void round_trip(uint8_t stream, size_t n, unsigned mood)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);
    size_t len = make_chunk(stream, n, mood);
    struct gs_chunk_hdr hdr;

    assert_int_equal(gs_chunk_hdr_decode(chunk, len, &hdr), GS_OK);
    assert_int_equal(gs_chunk_check_payload(chunk, &hdr), GS_OK);
    check_hdr(&hdr, desc, n, len);
    for (unsigned c = 0; c < desc->n_cols; c++) {
        assert_int_equal(gs_chunk_decode_column(chunk, &hdr, c, got), GS_OK);
        assert_memory_equal(got, cols[c], n * sizeof(got[0]));
    }
    assert_int_equal(gs_chunk_decode_column(chunk, &hdr, desc->n_cols, got), GS_ERR_USAGE);
}

static void all_streams_round_trip(void **state)
{
    static const size_t lengths[] = {1, 2, 1023, 1024, 1025, 2048, 3000, 4095, 4096};

    (void)state;
    for (size_t s = 0; s < N_COLUMNAR; s++)
        for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
            for (unsigned mood = 0; mood < 3; mood++)
                round_trip(columnar[s], lengths[k], mood);
}

static void every_row_count_round_trips(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MAX_ROWS; n += n < 80 ? 1 : 29)
        round_trip(GS_STREAM_SLICE, n, n % 3);
}

static void limits_are_refused(void **state)
{
    const uint64_t *ptr[GS_CHUNK_MAX_COLS];
    const struct gs_chunk_meta meta = {0};
    size_t len;

    (void)state;
    for (unsigned c = 0; c < GS_CHUNK_MAX_COLS; c++)
        ptr[c] = cols[c];
#define ENCODE(stream, n)                                                                          \
    gs_chunk_encode(stream, &meta, ptr, n, &scratch, chunk, sizeof(chunk), &len)
    assert_int_equal(ENCODE(GS_STREAM_SLICE, 0), GS_ERR_LIMIT);
    assert_int_equal(ENCODE(GS_STREAM_SLICE, MAX_ROWS + 1), GS_ERR_LIMIT);
    assert_int_equal(ENCODE(GS_STREAM_RECORDS, 1), GS_ERR_USAGE);
    assert_int_equal(ENCODE(99, 1), GS_ERR_USAGE);
    cols[5][0] = 1ull << 32; /* a stack id has 32 bits */
    assert_int_equal(ENCODE(GS_STREAM_SLICE, 1), GS_ERR_LIMIT);
    cols[5][0] = UINT32_MAX;
    assert_int_equal(ENCODE(GS_STREAM_SLICE, 1), GS_OK);
    assert_int_equal(gs_chunk_bound(99, 1), 0);
}

/* ---- damage ---- */

static void seal_again(uint8_t *p, struct gs_chunk_hdr *h)
{
    size_t end = h->total_len - GS_CHUNK_TAIL_LEN;

    h->crc_payload = gs_crc32c(0, p + GS_CHUNK_HDR_LEN, end - GS_CHUNK_HDR_LEN);
    h->crc_header = gs_crc32c(0, h, offsetof(struct gs_chunk_hdr, crc_header));
    memcpy(p, h, sizeof(*h));
}

/* Decodes all it can; a sanitizer or the exact-size heap copy notices a wrong access. */
static enum gs_status decode_all(const uint8_t *p, size_t len)
{
    static uint32_t narrow[GS_CHUNK_MAX_ROWS];
    struct gs_chunk_hdr h;
    enum gs_status s = gs_chunk_hdr_decode(p, len, &h);

    if (!s)
        s = gs_chunk_check_payload(p, &h);
    for (unsigned c = 0; !s && c < h.n_cols; c++) {
        enum gs_status checked = gs_chunk_check_column(p, &h, c, got);

        gs_chunk_decode_indexes(p, &h, c, got);
        if (gs_chunk_decode_narrow(p, &h, c, narrow) == GS_OK) {
            assert_int_equal(checked, GS_OK);
            for (size_t i = 0; i < h.n_rows; i++)
                assert_int_equal(narrow[i], got[i]);
        }
        s = gs_chunk_decode_column(p, &h, c, got);
        assert_int_equal(checked, s); /* what is only looked at is damaged all the same */
    }
    return s;
}

static void every_flipped_bit_is_noticed(void **state)
{
    size_t len = make_chunk(GS_STREAM_SLICE, 9, 1);
    uint8_t *p = malloc(len);

    (void)state;
    memcpy(p, chunk, len);
    for (size_t i = 0; i < len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            p[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(decode_all(p, len), GS_OK);
            p[i] ^= (uint8_t)(1u << bit);
        }
    assert_int_equal(decode_all(p, len), GS_OK);
    free(p);
}

static void every_truncation_is_noticed(void **state)
{
    size_t len = make_chunk(GS_STREAM_EDGE, 1100, 1);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        uint8_t *p = malloc(n ? n : 1);

        memcpy(p, chunk, n);
        assert_int_equal(decode_all(p, n), GS_ERR_TRUNCATED);
        free(p);
    }
}

/* With right checksums, so that the decoder itself meets the nonsense. */
static void forged_bytes_never_harm(void **state)
{
    static const uint8_t telling[] = {0, 1, 0x20, 0x40, 0x7f, 0x80, 0xff};
    size_t len = make_chunk(GS_STREAM_HOLDER_SAMPLE, 1030, 1);
    uint8_t *p = malloc(len);
    struct gs_chunk_hdr h;

    (void)state;
    for (size_t i = 0; i < len; i += i < 300 ? 1 : 7)
        for (size_t k = 0; k < sizeof(telling); k++) {
            memcpy(p, chunk, len);
            p[i] = telling[k];
            memcpy(&h, p, sizeof(h));
            if (h.total_len != len)
                continue;
            seal_again(p, &h);
            decode_all(p, len);
        }
    free(p);
}

static void forge(size_t len, void (*change)(struct gs_chunk_hdr *), enum gs_status expected)
{
    struct gs_chunk_hdr h;

    assert_true(len <= sizeof(chunk));
    memcpy(&h, chunk, sizeof(h));
    change(&h);
    h.crc_header = gs_crc32c(0, &h, offsetof(struct gs_chunk_hdr, crc_header));
    uint8_t *p = malloc(len);
    memcpy(p, chunk, len);
    memcpy(p, &h, sizeof(h));
    assert_int_equal(decode_all(p, len), expected);
    free(p);
}

static void no_rows(struct gs_chunk_hdr *h)
{
    h->n_rows = 0;
}
static void too_many_rows(struct gs_chunk_hdr *h)
{
    h->n_rows = GS_CHUNK_MAX_ROWS + 1;
}
static void more_rows(struct gs_chunk_hdr *h)
{
    h->n_rows++;
}
static void too_many_cols(struct gs_chunk_hdr *h)
{
    h->n_cols = GS_CHUNK_MAX_COLS + 1;
}
static void dict_too_big(struct gs_chunk_hdr *h)
{
    h->n_dict = UINT32_MAX;
}
static void dict_too_small(struct gs_chunk_hdr *h)
{
    h->n_dict = 1;
}
static void hdr_too_short(struct gs_chunk_hdr *h)
{
    h->header_len = 127;
}
static void hdr_too_long(struct gs_chunk_hdr *h)
{
    h->header_len = UINT16_MAX;
}
static void len_too_short(struct gs_chunk_hdr *h)
{
    h->total_len = 135;
}
static void len_too_long(struct gs_chunk_hdr *h)
{
    h->total_len = GS_CHUNK_MAX_LEN + 1;
}
static void col_in_header(struct gs_chunk_hdr *h)
{
    h->col_off[2] = 127;
}
static void col_behind_end(struct gs_chunk_hdr *h)
{
    h->col_off[2] = UINT32_MAX;
}
static void unknown_flag(struct gs_chunk_hdr *h)
{
    h->flags = 0x80;
}
static void columns_absent(struct gs_chunk_hdr *h)
{
    h->n_cols = 8;
    h->col_off[0] = 0;
}

static void forged_headers_are_refused(void **state)
{
    size_t len = make_chunk(GS_STREAM_SLICE, 100, 1);

    (void)state;
    forge(len, no_rows, GS_ERR_CORRUPT);
    forge(len, too_many_rows, GS_ERR_LIMIT);
    forge(len, more_rows, GS_ERR_CORRUPT);
    forge(len, too_many_cols, GS_ERR_LIMIT);
    forge(len, dict_too_big, GS_ERR_CORRUPT);
    forge(len, dict_too_small, GS_ERR_CORRUPT);
    forge(len, hdr_too_short, GS_ERR_CORRUPT);
    forge(len, hdr_too_long, GS_ERR_CORRUPT);
    forge(len, len_too_short, GS_ERR_CORRUPT);
    forge(len, len_too_long, GS_ERR_LIMIT);
    forge(len, col_in_header, GS_ERR_CORRUPT);
    forge(len, col_behind_end, GS_ERR_CORRUPT);
    forge(len, unknown_flag, GS_ERR_FEATURE);
    forge(len, columns_absent, GS_OK);
}

static void absent_columns_read_as_zero(void **state)
{
    size_t len = make_chunk(GS_STREAM_SLICE, 100, 1);
    struct gs_chunk_hdr h;

    (void)state;
    memcpy(&h, chunk, sizeof(h));
    columns_absent(&h);
    seal_again(chunk, &h);
    assert_int_equal(gs_chunk_hdr_decode(chunk, len, &h), GS_OK);
    for (unsigned c = 0; c < 9; c++) {
        memset(got, 0xff, sizeof(got));
        assert_int_equal(gs_chunk_decode_column(chunk, &h, c, got), GS_OK);
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(got[i], c == 0 || c == 8 ? 0 : cols[c][i]);
    }
}

static void longer_header_is_read(void **state)
{
    size_t len = make_chunk(GS_STREAM_SCHED, 50, 1), more = 64;
    struct gs_chunk_hdr h;

    (void)state;
    memmove(chunk + 128 + more, chunk + 128, len - 128);
    len += more;
    memcpy(&h, chunk, sizeof(h));
    h.header_len = 192;
    h.total_len = (uint32_t)len;
    for (unsigned c = 0; c < h.n_cols; c++)
        h.col_off[c] += (uint32_t)more;
    memcpy(chunk + len - 8, &h.total_len, 4);
    seal_again(chunk, &h);
    assert_int_equal(decode_all(chunk, len), GS_OK);
    assert_memory_equal(got, cols[3], 50 * sizeof(got[0]));
}

static void tail_and_checksum_are_told_apart(void **state)
{
    size_t len = make_chunk(GS_STREAM_SCHED, 50, 1);

    (void)state;
    chunk[200] ^= 1;
    assert_int_equal(decode_all(chunk, len), GS_ERR_CRC);
    chunk[len - 1] ^= 1; /* total_len is not to be trusted: this counts more */
    assert_int_equal(decode_all(chunk, len), GS_ERR_CORRUPT);
    chunk[0] ^= 1;
    assert_int_equal(decode_all(chunk, len), GS_ERR_MAGIC);
    chunk[0] ^= 1;
    chunk[20] ^= 1;
    assert_int_equal(decode_all(chunk, len), GS_ERR_CRC);
}

/* ---- descriptions, file header, status ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_at_telling_lengths),
        cmocka_unit_test(every_delta_width),
        cmocka_unit_test(codecs_are_chosen_by_size),
        cmocka_unit_test(layout_is_the_specified_one),
        cmocka_unit_test(every_header_is_checked),
        cmocka_unit_test(all_streams_round_trip),
        cmocka_unit_test(every_row_count_round_trips),
        cmocka_unit_test(limits_are_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(forged_bytes_never_harm),
        cmocka_unit_test(forged_headers_are_refused),
        cmocka_unit_test(absent_columns_read_as_zero),
        cmocka_unit_test(longer_header_is_read),
        cmocka_unit_test(tail_and_checksum_are_told_apart),
    };

    return cmocka_run_group_tests_name("trace_codec", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"

#include <string.h>

static void get_hdr(const struct capture *c, size_t off, struct gs_chunk_hdr *h)
{
    memcpy(h, c->data + off, sizeof(*h));
}

static void put_hdr(struct capture *c, size_t off, struct gs_chunk_hdr *h)
{
    size_t end = h->total_len - GS_CHUNK_TAIL_LEN;

    h->crc_payload = gs_crc32c(0, c->data + off + GS_CHUNK_HDR_LEN, end - GS_CHUNK_HDR_LEN);
    h->crc_header = gs_crc32c(0, h, offsetof(struct gs_chunk_hdr, crc_header));
    memcpy(c->data + off, h, sizeof(*h));
}

static void change_file_hdr(struct capture *c, size_t off, uint16_t major, uint32_t feat_incompat)
{
    struct gs_file_hdr f;

    memcpy(&f, c->data + off, sizeof(f));
    f.major = major;
    f.feat_incompat = feat_incompat;
    f.crc = gs_crc32c(0, &f, offsetof(struct gs_file_hdr, crc));
    memcpy(c->data + off, &f, sizeof(f));
}

static size_t begin(struct capture *c)
{
    put_file_hdr(c, KEY_A);
    return put_definitions(c);
}

static void put_text(struct capture *c, const char *text)
{
    memcpy(c->data + c->len, text, strlen(text));
    c->len += strlen(text);
}

void make_lost_chunks(struct capture *c)
{
    begin(c);
    c->chunk_no = 3;
    put_rows(c, GS_STREAM_SLICE, 5);
    c->chunk_no = 9;
    put_end(c);
    put_file_hdr(c, KEY_B);
    c->chunk_no = 1;
    put_end(c);
}

void make_sigkill(struct capture *c)
{
    size_t off;

    begin(c);
    put_rows(c, GS_STREAM_SLICE, 20);
    off = put_rows(c, GS_STREAM_SLICE, 20);
    c->len = off + 200;
}

void make_damaged_payload(struct capture *c)
{
    size_t off;

    begin(c);
    off = put_rows(c, GS_STREAM_SLICE, 20);
    c->data[off + 300] ^= 4;
    put_rows(c, GS_STREAM_HOLD_SAMPLE, 3);
    put_end(c);
}

void make_damaged_header(struct capture *c)
{
    size_t off;

    begin(c);
    off = put_rows(c, GS_STREAM_SLICE, 20);
    c->data[off + 8] ^= 64; /* total_len */
    put_rows(c, GS_STREAM_HOLD_SAMPLE, 3);
    put_rows(c, GS_STREAM_SCHED, 3);
    c->data[c->len - 2] ^= 1; /* its tail */
    put_end(c);
}

void make_damaged_file_header(struct capture *c)
{
    begin(c);
    c->data[5] = 'p';
    put_end(c);
}

void make_garbage_between(struct capture *c)
{
    begin(c);
    put_text(c, "GSCK is not always a chunk; nor is GILSCOPE always a file header.");
    put_rows(c, GS_STREAM_SLICE, 4);
    put_text(c, "G");
    put_end(c);
    put_text(c, "the end");
}

/* cat a.gsc b.gsc, a having been killed while it wrote. */
void make_torn_then_next(struct capture *c)
{
    size_t off;

    begin(c);
    off = put_rows(c, GS_STREAM_SLICE, 30);
    c->len = off + 150;
    put_file_hdr(c, KEY_B);
    put_definitions(c);
    put_end(c);
}

void make_zero_padding(struct capture *c)
{
    begin(c);
    c->len += 333;
    put_end(c);
    c->len += 4096;
}

void make_unknown_stream(struct capture *c)
{
    struct gs_chunk_hdr h;
    size_t off;

    begin(c);
    off = put_rows(c, GS_STREAM_SLICE, 4);
    get_hdr(c, off, &h);
    h.stream = 77;
    h.n_rows = 1000000;
    put_hdr(c, off, &h);
    off = put_rows(c, GS_STREAM_SLICE, 4);
    get_hdr(c, off, &h);
    h.flags = 1;
    put_hdr(c, off, &h);
    put_end(c);
}

static void change_word(struct capture *c, size_t off, unsigned col, unsigned at, uint8_t value)
{
    struct gs_chunk_hdr h;

    get_hdr(c, off, &h);
    c->data[off + h.col_off[col] + at] = value;
    put_hdr(c, off, &h);
}

/* All checksums are right. */
void make_corrupt_contents(struct capture *c)
{
    struct gs_chunk_hdr h;
    size_t off;

    begin(c);
    change_word(c, put_rows(c, GS_STREAM_SLICE, 4), 0, 0, 65); /* width */
    change_word(c, put_rows(c, GS_STREAM_SLICE, 4), 3, 1, 4);  /* codec */
    change_word(c, put_rows(c, GS_STREAM_SLICE, 4), 2, 2, 5);  /* n */
    off = put_rows(c, GS_STREAM_SLICE, 4);
    get_hdr(c, off, &h);
    h.n_dict = 0; /* every index is too great */
    put_hdr(c, off, &h);
    off = put_definitions(c);
    get_hdr(c, off, &h);
    c->data[off + h.total_len - GS_CHUNK_TAIL_LEN - 8] = 0x7f; /* the STACK record's length */
    put_hdr(c, off, &h);
    put_end(c);
}

/* ---- other versions ---- */

/* What a minor version may add to a file header: meaning and length. */
static void put_future_file_hdr(struct capture *c)
{
    struct gs_file_hdr f;
    const size_t more = 16;

    put_file_hdr(c, KEY_A);
    memcpy(&f, c->data, sizeof(f));
    f.minor = 7;
    f.header_len = (uint16_t)(sizeof(f) + more);
    f.feat_compat = 0x80000001;
    f.feat_ro = 2;
    f.reserved1 = 9;
    f.crc = gs_crc32c(0, &f, offsetof(struct gs_file_hdr, crc));
    memcpy(c->data, &f, sizeof(f));
    memset(c->data + c->len, 0xab, more);
    c->len += more;
}

/* And to a chunk: a longer header, a column more, one that is no longer written. */
static void put_future_chunk(struct capture *c)
{
    struct gs_chunk_hdr h;
    const size_t more = 32;
    size_t off = put_rows(c, GS_STREAM_SCHED, 6);
    uint8_t *payload = c->data + off + sizeof(h);

    get_hdr(c, off, &h);
    memmove(payload + more, payload, h.total_len - sizeof(h));
    memset(payload, 0xcd, more);
    c->len += more;
    h.header_len = (uint16_t)(sizeof(h) + more);
    h.total_len += (uint32_t)more;
    for (unsigned i = 0; i < h.n_cols; i++)
        h.col_off[i] += (uint32_t)more;
    h.col_off[h.n_cols++] = h.col_off[2];
    h.col_off[1] = 0;
    h.reserved0 = h.reserved1 = 1;
    memcpy(c->data + c->len - GS_CHUNK_TAIL_LEN, &h.total_len, sizeof(h.total_len));
    put_hdr(c, off, &h);
}

void make_future_minor(struct capture *c)
{
    put_future_file_hdr(c);
    put_definitions(c);
    put_future_chunk(c);
    put_end(c);
}

void make_future_major(struct capture *c)
{
    begin(c);
    change_file_hdr(c, 0, 2, 0);
}

/* The second of two files is refused, and with it all. */
void make_unknown_incompat(struct capture *c)
{
    size_t off;

    begin(c);
    off = c->len;
    put_file_hdr(c, KEY_B);
    change_file_hdr(c, off, GS_FORMAT_MAJOR, 1u << 4);
    put_end(c);
}

void make_not_a_capture(struct capture *c)
{
    put_text(c, "a text file, or anything else that is not a capture");
}

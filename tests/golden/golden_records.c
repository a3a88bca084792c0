/* SPDX-License-Identifier: MIT */
#include "tests/golden/golden_records.h"

#include <string.h>

struct gs_chunk_meta next_meta(struct capture *c, uint32_t gil)
{
    return (struct gs_chunk_meta){.process_key = c->key, .gil = gil, .chunk_no = c->chunk_no++};
}

static uint32_t n_records;

void begin_chunk(struct capture *c, struct gs_record_writer *w)
{
    n_records = 0;
    gs_record_writer_init(w, c->data + c->len + GS_CHUNK_HDR_LEN, 64u << 10);
}

size_t end_chunk(struct capture *c, const struct gs_record_writer *w)
{
    struct gs_chunk_meta meta = next_meta(c, GS_NO_GIL);
    size_t off = c->len, len = 0;

    gs_chunk_seal_records(&meta, n_records, c->data + off, sizeof(c->data) - off, w->len, &len);
    c->len += len;
    return off;
}

void put_record(struct gs_record_writer *w, uint32_t tag, const struct field *f, size_t n)
{
    gs_record_begin(w, tag);
    for (size_t i = 0; i < n; i++) {
        if (f[i].type == 'u')
            gs_record_put_u(w, f[i].number);
        else if (f[i].type == 'z')
            gs_record_put_z(w, (int64_t)f[i].number);
        else
            gs_record_put_bytes(w, f[i].text, f[i].number);
    }
    n_records += gs_record_end(w);
}

void begin_version(struct capture *c, uint16_t minor)
{
    struct gs_file_hdr hdr;

    c->key = KEY_A;
    gs_file_hdr_encode(&hdr, minor, c->key, 1790000000123456789, 0);
    memcpy(c->data, &hdr, sizeof(hdr));
    c->len = sizeof(hdr);
    put_definitions(c);
}

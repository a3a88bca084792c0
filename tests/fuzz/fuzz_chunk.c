/* SPDX-License-Identifier: MIT
 * Chunks and file headers from anywhere. Checksums would stop a fuzzer at the door, so they are set
 * right in a copy first. What decodes is encoded again and must decode to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "preload/trace/trace_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t cols[GS_CHUNK_MAX_COLS][GS_CHUNK_MAX_ROWS], again[GS_CHUNK_MAX_ROWS];
static struct gs_encode_scratch scratch;
static uint8_t out[512u << 10];

static void mend_checksums(uint8_t *p, size_t size)
{
    struct gs_chunk_hdr h;
    uint32_t tail[2] = {(uint32_t)size, GS_CHUNK_END};

    if (size < sizeof(h) + sizeof(tail))
        return;
    memcpy(&h, p, sizeof(h));
    h.magic = GS_CHUNK_MAGIC;
    h.total_len = (uint32_t)size;
    memcpy(p + size - sizeof(tail), tail, sizeof(tail));
    h.crc_payload = gs_crc32c(0, p + sizeof(h), size - sizeof(h) - sizeof(tail));
    h.crc_header = gs_crc32c(0, &h, offsetof(struct gs_chunk_hdr, crc_header));
    memcpy(p, &h, sizeof(h));
}

static void mend_file_hdr(uint8_t *p, size_t size)
{
    struct gs_file_hdr h;

    if (size < sizeof(h))
        return;
    memcpy(&h, p, sizeof(h));
    memcpy(h.magic, GS_FILE_MAGIC, sizeof(h.magic));
    h.crc = gs_crc32c(0, &h, offsetof(struct gs_file_hdr, crc));
    memcpy(p, &h, sizeof(h));
}

static void check(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void round_trip(const struct gs_stream_desc *desc, const struct gs_chunk_hdr *from)
{
    const struct gs_chunk_meta meta = {from->process_key, from->gil, from->chunk_no,
                                       from->lost_before, from->clock_epoch};
    const uint64_t *ptr[GS_CHUNK_MAX_COLS];
    struct gs_chunk_hdr h;
    size_t len;

    for (unsigned c = 0; c < desc->n_cols; c++)
        ptr[c] = cols[c];
    check(
        !gs_chunk_encode(desc->stream, &meta, ptr, from->n_rows, &scratch, out, sizeof(out), &len));
    check(len <= gs_chunk_bound(desc->stream, from->n_rows));
    check(!gs_chunk_hdr_decode(out, len, &h) && !gs_chunk_check_payload(out, &h));
    for (unsigned c = 0; c < desc->n_cols; c++) {
        check(!gs_chunk_decode_column(out, &h, c, again));
        check(!memcmp(again, cols[c], h.n_rows * sizeof(again[0])));
    }
}

static void try_chunk(const uint8_t *p, size_t size)
{
    const struct gs_stream_desc *desc;
    struct gs_chunk_hdr h;

    if (gs_chunk_hdr_decode(p, size, &h) || gs_chunk_check_payload(p, &h))
        return;
    desc = gs_stream_desc(h.stream);
    if (!desc || !desc->n_cols)
        return;
    for (unsigned c = 0; c < desc->n_cols; c++)
        if (gs_chunk_decode_column(p, &h, c, cols[c]))
            return;
    round_trip(desc, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gs_file_hdr file;
    uint8_t *copy = calloc(size ? size : 1, 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    try_chunk(copy, size);
    gs_file_hdr_decode(copy, size, &file);
    mend_checksums(copy, size);
    try_chunk(copy, size);
    mend_file_hdr(copy, size);
    gs_file_hdr_decode(copy, size, &file);
    free(copy);
    return 0;
}

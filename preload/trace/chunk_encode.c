/* SPDX-License-Identifier: MIT
 * A columnar chunk: header, columns (blocks one after another), stack dictionary, tail. A records
 * chunk: header, tagged records, tail.
 */
#include "preload/trace/trace_internal.h"

#define HDR_CRC_OFF offsetof(struct gs_chunk_hdr, crc_header)

static size_t n_blocks(size_t n_rows)
{
    return (n_rows + GS_BLOCK_ROWS - 1) / GS_BLOCK_ROWS;
}

/* A stack column costs at most 13 bits a row (8192 dictionary entries) and 4 bytes an entry; the
 * last block of a column may end in a word that is not full. */
size_t gs_chunk_bound(uint8_t stream, size_t n_rows)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);
    size_t len = GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN;

    if (!desc)
        return 0;
    for (unsigned c = 0; c < desc->n_cols; c++) {
        bool is_stack = desc->cols[c].kind == GS_COL_STACK;

        len += n_blocks(n_rows) * GS_BLOCK_HDR_LEN + (is_stack ? 2 + 4 : 8) * n_rows;
        len += is_stack ? 4 : 0;
    }
    return len;
}

static struct gs_chunk_hdr make_hdr(uint8_t stream, const struct gs_chunk_meta *meta, size_t n_rows)
{
    return (struct gs_chunk_hdr){.magic = GS_CHUNK_MAGIC,
                                 .header_len = GS_CHUNK_HDR_LEN,
                                 .stream = stream,
                                 .n_rows = (uint32_t)n_rows,
                                 .process_key = meta->process_key,
                                 .gil = meta->gil,
                                 .chunk_no = meta->chunk_no,
                                 .lost_before = meta->lost_before,
                                 .clock_epoch = meta->clock_epoch};
}

/* Payload is in place up to `len` (header included): checksums, header, tail. */
static size_t seal(struct gs_chunk_hdr *hdr, uint8_t *out, size_t len)
{
    uint32_t tail[2] = {(uint32_t)(len + GS_CHUNK_TAIL_LEN), GS_CHUNK_END};

    hdr->total_len = tail[0];
    hdr->crc_payload = gs_crc32c(0, out + GS_CHUNK_HDR_LEN, len - GS_CHUNK_HDR_LEN);
    hdr->crc_header = gs_crc32c(0, hdr, HDR_CRC_OFF);
    memcpy(out, hdr, sizeof(*hdr));
    memcpy(out + len, tail, sizeof(tail));
    return hdr->total_len;
}

/* All blocks of one column; returns the bytes written. */
static size_t encode_column(enum gs_column_kind kind, const uint64_t *v, size_t n_rows,
                            uint64_t *zz, uint8_t *out)
{
    size_t len = 0;

    for (size_t i = 0; i < n_rows; i += GS_BLOCK_ROWS) {
        size_t n = n_rows - i < GS_BLOCK_ROWS ? n_rows - i : GS_BLOCK_ROWS;

        len += gs__block_encode(kind, v + i, (unsigned)n, zz, out + len);
    }
    return len;
}

static void set_range(const uint64_t *v, size_t n_rows, uint64_t *lo, uint64_t *hi)
{
    struct gs__block_stats s = gs__block_stats(v, (unsigned)n_rows);

    *lo = s.min;
    *hi = s.max;
}

static void set_ranges(struct gs_chunk_hdr *hdr, const struct gs_stream_desc *desc,
                       const uint64_t *const *cols)
{
    if (desc->time_col >= 0)
        set_range(cols[desc->time_col], hdr->n_rows, &hdr->t0, &hdr->t1);
    if (desc->seq_col >= 0)
        set_range(cols[desc->seq_col], hdr->n_rows, &hdr->seq0, &hdr->seq1);
}

enum gs_status gs_chunk_encode(uint8_t stream, const struct gs_chunk_meta *meta,
                               const uint64_t *const *cols, size_t n_rows,
                               struct gs_encode_scratch *scratch, void *out, size_t out_cap,
                               size_t *out_len)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);
    struct gs_chunk_hdr hdr = make_hdr(stream, meta, n_rows);
    struct gs__stack_dict dict;
    size_t len = GS_CHUNK_HDR_LEN;

    if (!desc || !desc->n_cols)
        return GS_ERR_USAGE;
    if (!n_rows || n_rows > GS_CHUNK_MAX_ROWS)
        return GS_ERR_LIMIT;
    if (out_cap < gs_chunk_bound(stream, n_rows))
        return GS_ERR_SPACE;
    gs__stack_dict_init(&dict, scratch, n_rows);
    for (unsigned c = 0; c < desc->n_cols; c++) {
        const uint64_t *v = cols[c];

        if (desc->cols[c].kind == GS_COL_STACK) {
            if (!gs__stack_dict_map(&dict, v, n_rows, scratch->values))
                return GS_ERR_LIMIT;
            v = scratch->values;
        }
        hdr.col_off[c] = (uint32_t)len;
        len += encode_column(desc->cols[c].kind, v, n_rows, scratch->values, (uint8_t *)out + len);
    }
    memcpy((uint8_t *)out + len, scratch->dict, 4 * (size_t)dict.n);
    len += 4 * (size_t)dict.n;
    hdr.n_cols = desc->n_cols;
    hdr.n_dict = dict.n;
    set_ranges(&hdr, desc, cols);
    *out_len = seal(&hdr, out, len);
    return GS_OK;
}

enum gs_status gs_chunk_seal_records(const struct gs_chunk_meta *meta, uint32_t n_records,
                                     void *out, size_t out_cap, size_t len, size_t *out_len)
{
    struct gs_chunk_hdr hdr = make_hdr(GS_STREAM_RECORDS, meta, n_records);
    size_t around = GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN;

    if (len > GS_CHUNK_MAX_LEN - around)
        return GS_ERR_LIMIT;
    if (out_cap < around + len)
        return GS_ERR_SPACE;
    *out_len = seal(&hdr, out, GS_CHUNK_HDR_LEN + len);
    return GS_OK;
}

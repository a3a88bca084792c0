/* SPDX-License-Identifier: MIT
 * Reading chunks. Nothing in them is trusted: a checksum keeps accidents out, not malice, so every
 * offset, length and index is checked again before it is used.
 */
#include "preload/trace/trace_internal.h"

#define HDR_CRC_OFF offsetof(struct gs_chunk_hdr, crc_header)

/* What holds for a columnar stream of this version. */
static enum gs_status check_columnar(const struct gs_chunk_hdr *hdr)
{
    if (hdr->n_rows > GS_CHUNK_MAX_ROWS || hdr->n_cols > GS_CHUNK_MAX_COLS)
        return GS_ERR_LIMIT;
    if (hdr->n_rows == 0)
        return GS_ERR_CORRUPT;
    if (hdr->n_dict > (hdr->total_len - GS_CHUNK_TAIL_LEN - hdr->header_len) / 4)
        return GS_ERR_CORRUPT;
    return hdr->n_dict > 2 * GS_CHUNK_MAX_ROWS ? GS_ERR_LIMIT : GS_OK;
}

static enum gs_status check_ranges(const struct gs_chunk_hdr *hdr)
{
    const struct gs_stream_desc *desc = gs_stream_desc(hdr->stream);

    if (hdr->total_len > GS_CHUNK_MAX_LEN)
        return GS_ERR_LIMIT;
    if (hdr->header_len < GS_CHUNK_HDR_LEN ||
        hdr->total_len < (uint32_t)hdr->header_len + GS_CHUNK_TAIL_LEN)
        return GS_ERR_CORRUPT;
    return desc && desc->n_cols ? check_columnar(hdr) : GS_OK;
}

enum gs_status gs_chunk_hdr_decode(const void *data, size_t len, struct gs_chunk_hdr *out)
{
    const uint32_t magic = GS_CHUNK_MAGIC;
    size_t n_magic = len < sizeof(magic) ? len : sizeof(magic);
    enum gs_status status;

    if (n_magic && memcmp(data, &magic, n_magic))
        return GS_ERR_MAGIC;
    if (len < GS_CHUNK_HDR_LEN)
        return GS_ERR_TRUNCATED;
    memcpy(out, data, sizeof(*out));
    if (out->crc_header != gs_crc32c(0, data, HDR_CRC_OFF))
        return GS_ERR_CRC;
    status = check_ranges(out);
    if (status)
        return status;
    return out->total_len > len ? GS_ERR_TRUNCATED : GS_OK;
}

/* The tail first: where it is wrong total_len cannot be trusted either, and the reader searches
 * (GS_ERR_CORRUPT); where only the checksum is, the reader steps over the chunk (GS_ERR_CRC). */
enum gs_status gs_chunk_check_payload(const void *chunk, const struct gs_chunk_hdr *hdr)
{
    const uint8_t *p = chunk;
    size_t len = hdr->total_len - GS_CHUNK_TAIL_LEN;
    uint32_t tail[2];

    memcpy(tail, p + len, sizeof(tail));
    if (tail[0] != hdr->total_len || tail[1] != GS_CHUNK_END)
        return GS_ERR_CORRUPT;
    if (gs_crc32c(0, p + GS_CHUNK_HDR_LEN, len - GS_CHUNK_HDR_LEN) != hdr->crc_payload)
        return GS_ERR_CRC;
    return GS_OK;
}

/* Are all n indexes below n_dict? No branch in the loop: a borrow shows in the top bit, and the
 * high half of an index must be empty for that to be true. */
static bool all_below(const uint64_t *v, size_t n, uint32_t n_dict)
{
    uint64_t high = 0, borrow = 0;

    for (size_t i = 0; i < n; i++) {
        high |= v[i];
        borrow |= (uint64_t)n_dict - 1 - v[i];
    }
    return n_dict && high <= UINT32_MAX && !(borrow >> 63);
}

/* The same of values that fit 32 bits; n_dict is below 2^31. */
static bool all_below_narrow(const uint32_t *v, size_t n, uint32_t n_dict)
{
    uint32_t high = 0, borrow = 0;

    for (size_t i = 0; i < n; i++) {
        high |= v[i];
        borrow |= n_dict - 1 - v[i];
    }
    return n_dict && !((high | borrow) >> 31);
}

static uint32_t dict_offset(const struct gs_chunk_hdr *hdr)
{
    return hdr->total_len - GS_CHUNK_TAIL_LEN - 4 * hdr->n_dict;
}

uint32_t gs_chunk_dict_id(const void *chunk, const struct gs_chunk_hdr *hdr, uint64_t index)
{
    uint32_t id = GS_STACK_NONE;

    if (index < hdr->n_dict)
        memcpy(&id, (const uint8_t *)chunk + dict_offset(hdr) + 4 * index, sizeof(id));
    return id;
}

/* One column: where it begins (NULL: absent) and what it must not pass. */
struct column {
    const uint8_t *in, *end;
    bool is_stack;
};

static enum gs_status open_column(const void *chunk, const struct gs_chunk_hdr *hdr, unsigned col,
                                  struct column *out)
{
    const struct gs_stream_desc *desc = gs_stream_desc(hdr->stream);
    const uint8_t *p = chunk;
    enum gs_status status;
    uint32_t off;

    if (!desc || col >= desc->n_cols)
        return GS_ERR_USAGE;
    if (hdr->flags)
        return GS_ERR_FEATURE;
    status = check_ranges(hdr);
    if (status)
        return status;
    off = col < hdr->n_cols ? hdr->col_off[col] : 0;
    if (off && (off < hdr->header_len || off > dict_offset(hdr)))
        return GS_ERR_CORRUPT;
    *out = (struct column){off ? p + off : NULL, p + dict_offset(hdr),
                           desc->cols[col].kind == GS_COL_STACK};
    return GS_OK;
}

/* A column this writer did not know. */
static void fill_absent(const struct column *c, const struct gs_chunk_hdr *hdr, uint64_t *out)
{
    for (size_t i = 0; i < hdr->n_rows; i++)
        out[i] = c->is_stack ? hdr->n_dict : 0;
}

static bool check_indexes(const struct gs__block *b, uint32_t n_dict, uint64_t *scratch)
{
    uint32_t narrow[GS_BLOCK_ROWS];

    if (gs__block_is_below(b, n_dict))
        return true;
    if (gs__block_decode_narrow(b, narrow))
        return all_below_narrow(narrow, b->hdr.n, n_dict);
    gs__block_decode(b, scratch);
    return all_below(scratch, b->hdr.n, n_dict);
}

static bool decode_block(const struct gs__block *b, const struct column *c, uint32_t n_dict,
                         uint64_t *out)
{
    gs__block_decode(b, out);
    return !c->is_stack || gs__block_is_below(b, n_dict) || all_below(out, b->hdr.n, n_dict);
}

/* only_check: blocks that are sound by their headers are not decoded. */
static enum gs_status decode_blocks(struct column *c, const struct gs_chunk_hdr *hdr,
                                    bool only_check, uint64_t *out)
{
    struct gs__block block;

    for (size_t i = 0; i < hdr->n_rows; i += GS_BLOCK_ROWS) {
        size_t left = hdr->n_rows - i, n = left < GS_BLOCK_ROWS ? left : GS_BLOCK_ROWS;
        enum gs_status status = gs__block_open(&c->in, c->end, (unsigned)n, &block);
        bool ok;

        if (status)
            return status;
        if (only_check)
            ok = !c->is_stack || check_indexes(&block, hdr->n_dict, out);
        else
            ok = decode_block(&block, c, hdr->n_dict, out + i);
        if (!ok)
            return GS_ERR_CORRUPT;
    }
    return GS_OK;
}

enum gs_status gs_chunk_decode_indexes(const void *chunk, const struct gs_chunk_hdr *hdr,
                                       unsigned col, uint64_t *out)
{
    struct column c;
    enum gs_status status = open_column(chunk, hdr, col, &c);

    if (status)
        return status;
    if (c.in)
        return decode_blocks(&c, hdr, false, out);
    fill_absent(&c, hdr, out);
    return GS_OK;
}

static bool decode_block_narrow(const struct gs__block *b, const struct column *c, uint32_t n_dict,
                                uint32_t *out)
{
    return gs__block_decode_narrow(b, out) && (!c->is_stack || gs__block_is_below(b, n_dict) ||
                                               all_below_narrow(out, b->hdr.n, n_dict));
}

enum gs_status gs_chunk_decode_narrow(const void *chunk, const struct gs_chunk_hdr *hdr,
                                      unsigned col, uint32_t *out)
{
    struct column c;
    struct gs__block block;
    enum gs_status status = open_column(chunk, hdr, col, &c);

    if (status)
        return status;
    if (!c.in)
        return GS_ERR_LIMIT;
    for (size_t i = 0; i < hdr->n_rows; i += GS_BLOCK_ROWS) {
        size_t left = hdr->n_rows - i, n = left < GS_BLOCK_ROWS ? left : GS_BLOCK_ROWS;

        status = gs__block_open(&c.in, c.end, (unsigned)n, &block);
        if (status)
            return status;
        if (!decode_block_narrow(&block, &c, hdr->n_dict, out + i))
            return GS_ERR_LIMIT;
    }
    return GS_OK;
}

enum gs_status gs_chunk_check_column(const void *chunk, const struct gs_chunk_hdr *hdr,
                                     unsigned col, uint64_t *scratch)
{
    struct column c;
    enum gs_status status = open_column(chunk, hdr, col, &c);

    return status || !c.in ? status : decode_blocks(&c, hdr, true, scratch);
}

enum gs_status gs_chunk_decode_column(const void *chunk, const struct gs_chunk_hdr *hdr,
                                      unsigned col, uint64_t *out)
{
    const struct gs_stream_desc *desc = gs_stream_desc(hdr->stream);
    enum gs_status status = gs_chunk_decode_indexes(chunk, hdr, col, out);

    if (status || desc->cols[col].kind != GS_COL_STACK)
        return status;
    for (size_t i = 0; i < hdr->n_rows; i++)
        out[i] = gs_chunk_dict_id(chunk, hdr, out[i]);
    return GS_OK;
}

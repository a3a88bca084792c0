/* SPDX-License-Identifier: MIT
 * Encode and decode chunks and records. Bounds-checked, no malloc, no stdio, no errno: the agent's
 * drain thread encodes with it, every reader decodes with it.
 */
#ifndef GS_TRACE_CODEC_H
#define GS_TRACE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/trace/gs_status.h"
#include "preload/trace/trace_format.h"

/* ---- checksums ---- */
uint32_t gs_crc32c(uint32_t crc, const void *data, size_t len); /* hardware where there is one */

/* ---- streams and columns, from the X-macro lists ---- */
enum gs_column_kind { GS_COL_FOR, GS_COL_DELTA, GS_COL_STACK };
struct gs_column_desc {
    const char *name;
    enum gs_column_kind kind;
};
struct gs_stream_desc {
    const char *name;
    uint8_t stream, n_cols;
    int8_t time_col, seq_col; /* which column t0/t1, seq0/seq1 are taken from; -1: none */
    const struct gs_column_desc *cols;
};
/* NULL for an unknown stream. RECORDS has 0 columns. */
const struct gs_stream_desc *gs_stream_desc(uint8_t stream);

/* ---- encoding ---- */
struct gs_encode_scratch { /* owned by the caller, no initialisation needed; ~100 KiB */
    uint64_t values[GS_CHUNK_MAX_ROWS];
    uint32_t dict[2 * GS_CHUNK_MAX_ROWS];
    uint32_t hash_key[4 * GS_CHUNK_MAX_ROWS];
    uint16_t hash_idx[4 * GS_CHUNK_MAX_ROWS];
};
struct gs_chunk_meta {
    uint64_t process_key;
    uint32_t gil, chunk_no, lost_before;
    uint16_t clock_epoch;
};
/* Upper bound of an encoded columnar chunk of n_rows. */
size_t gs_chunk_bound(uint8_t stream, size_t n_rows);
/* Encodes n_rows (1..GS_CHUNK_MAX_ROWS) of one columnar stream. cols[c] points to n_rows values in
 * the stream's column order. Returns the chunk's length in *out_len. */
enum gs_status gs_chunk_encode(uint8_t stream, const struct gs_chunk_meta *meta,
                               const uint64_t *const *cols, size_t n_rows,
                               struct gs_encode_scratch *scratch, void *out, size_t out_cap,
                               size_t *out_len);
/* Wraps `len` bytes of tagged records (already lying at out + GS_CHUNK_HDR_LEN) into a RECORDS
 * chunk in place: writes header and tail. out must have room for len + header + tail. */
enum gs_status gs_chunk_seal_records(const struct gs_chunk_meta *meta, uint32_t n_records,
                                     void *out, size_t out_cap, size_t len, size_t *out_len);
/* feat_incompat: 0, or GS_FEAT_SEGMENTS. */
void gs_file_hdr_encode(struct gs_file_hdr *out, uint16_t minor, uint64_t process_key,
                        int64_t created_unix_ns, uint32_t feat_incompat);

/* ---- decoding ---- */
enum gs_status gs_file_hdr_decode(const void *data, size_t len, struct gs_file_hdr *out);
/* Header and lengths only; GS_ERR_TRUNCATED if fewer than total_len bytes are there, GS_ERR_CRC
 * for a bad header checksum, GS_ERR_MAGIC when it is no chunk. */
enum gs_status gs_chunk_hdr_decode(const void *data, size_t len, struct gs_chunk_hdr *out);
/* The tail first: GS_ERR_CORRUPT, total_len is not to be trusted, search on. Then the checksum:
 * GS_ERR_CRC, step over the chunk. */
enum gs_status gs_chunk_check_payload(const void *chunk, const struct gs_chunk_hdr *hdr);
/* Decodes column `col` into out[hdr->n_rows] (stack columns: through the dictionary). */
enum gs_status gs_chunk_decode_column(const void *chunk, const struct gs_chunk_hdr *hdr,
                                      unsigned col, uint64_t *out);
/* The same, but stacks as indexes of the chunk's dictionary: each at most hdr->n_dict, which stands
 * for GS_STACK_NONE where the column is absent. */
enum gs_status gs_chunk_decode_indexes(const void *chunk, const struct gs_chunk_hdr *hdr,
                                       unsigned col, uint64_t *out);
/* The same where its blocks' headers say that all is below 2^32 - 1, and stacks in the dictionary:
 * GS_ERR_LIMIT where one does not, and where the column is absent. */
enum gs_status gs_chunk_decode_narrow(const void *chunk, const struct gs_chunk_hdr *hdr,
                                      unsigned col, uint32_t *out);
/* Whether the column decodes, which costs less. scratch: room for hdr->n_rows values. */
enum gs_status gs_chunk_check_column(const void *chunk, const struct gs_chunk_hdr *hdr,
                                     unsigned col, uint64_t *scratch);
/* The stack id of such an index, of a header that gs_chunk_hdr_decode() found sound. */
uint32_t gs_chunk_dict_id(const void *chunk, const struct gs_chunk_hdr *hdr, uint64_t index);

/* ---- tagged records ---- */
/* A bounded buffer; once full, `overflow` stays set and nothing is written until init. */
struct gs_record_writer {
    uint8_t *buf;
    size_t cap, len;
    size_t start; /* offset of the open record's payload */
    bool overflow;
};
void gs_record_writer_init(struct gs_record_writer *w, void *buf, size_t cap);
/* begin ... put ... end; on overflow, end() takes the whole record back and returns false. */
void gs_record_begin(struct gs_record_writer *w, uint32_t tag);
void gs_record_put_u(struct gs_record_writer *w, uint64_t v);
void gs_record_put_z(struct gs_record_writer *w, int64_t v);
void gs_record_put_bytes(struct gs_record_writer *w, const void *p, size_t len); /* s and b */
bool gs_record_end(struct gs_record_writer *w);

struct gs_record { /* points into the chunk */
    uint32_t tag;
    const uint8_t *pos, *end;
};
/* Iterates: *cursor starts at the payload's first byte. false at the end or at damage (then
 * *status is set to GS_ERR_CORRUPT, else GS_OK). */
bool gs_record_next(const uint8_t **cursor, const uint8_t *end, struct gs_record *out,
                    enum gs_status *status);
uint64_t gs_record_get_u(struct gs_record *r); /* 0 past the end */
int64_t gs_record_get_z(struct gs_record *r);
const uint8_t *gs_record_get_bytes(struct gs_record *r, size_t *len); /* never NULL */

#endif

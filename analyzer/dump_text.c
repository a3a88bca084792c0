/* SPDX-License-Identifier: MIT
 * A capture as text for people.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/dump.h"
#include "analyzer/xalloc.h"

/* Strings of a capture are untrusted: printable ASCII as it is, the rest as \xNN. */
static void put_string(FILE *out, const uint8_t *s, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"' || s[i] == '\\')
            fprintf(out, "\\%c", s[i]);
        else if (s[i] >= 0x20 && s[i] < 0x7f)
            fputc(s[i], out);
        else
            fprintf(out, "\\x%02x", s[i]);
    }
    fputc('"', out);
}

static void put_hex(FILE *out, const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", s[i]);
}

/* Returns the value of a number, 0 for text. */
static uint64_t put_value(FILE *out, struct gs_record *r, char type)
{
    size_t len;
    uint64_t v = 0;
    if (type == 'u') {
        v = gs_record_get_u(r);
        fprintf(out, "%" PRIu64, v);
    } else if (type == 'z') {
        fprintf(out, "%" PRId64, gs_record_get_z(r));
    } else {
        const uint8_t *s = gs_record_get_bytes(r, &len);
        if (type == 's')
            put_string(out, s, len);
        else
            put_hex(out, s, len);
    }
    return v;
}

static void put_list(FILE *out, struct gs_record *r, char type)
{
    uint64_t n = gs_record_get_u(r);
    fputc('[', out);
    for (uint64_t i = 0; i < n && r->pos < r->end; i++) {
        fputs(i ? ", " : "", out);
        put_value(out, r, type);
    }
    fputc(']', out);
}

/* "[a:1 b:2, a:3 b:4]", as often as the last fixed field said. */
static void put_group(FILE *out, struct gs_record *r, const struct gs_record_spec *spec, uint64_t n)
{
    fputs(" [", out);
    for (uint64_t i = 0; i < n && r->pos < r->end; i++) {
        for (size_t f = spec->n_fixed; f < spec->n; f++) {
            fprintf(out, "%s%s:", f > spec->n_fixed ? " " : i ? ", " : "", spec->field[f].name);
            put_value(out, r, spec->field[f].type);
        }
    }
    fputc(']', out);
}

static void put_record(FILE *out, struct gs_record *r)
{
    const struct gs_record_spec *spec = gs_record_spec(r->tag);
    uint64_t last = 0;
    if (!spec) {
        fprintf(out, "  unknown record %" PRIu32 " ", r->tag);
        put_hex(out, r->pos, (size_t)(r->end - r->pos));
        fputc('\n', out);
        return;
    }
    fprintf(out, "  %s", spec->name);
    for (size_t f = 0; f < spec->n_fixed; f++) {
        fprintf(out, " %s=", spec->field[f].name);
        if (spec->field[f].list)
            put_list(out, r, spec->field[f].type);
        else
            last = put_value(out, r, spec->field[f].type);
    }
    if (spec->n > spec->n_fixed)
        put_group(out, r, spec, last);
    fputc('\n', out);
}

static void put_records(FILE *out, const struct gs_walk_item *item)
{
    const uint8_t *cursor = item->data + item->chunk.header_len;
    const uint8_t *end = item->data + item->chunk.total_len - GS_CHUNK_TAIL_LEN;
    struct gs_record record;
    enum gs_status status = GS_OK;
    while (gs_record_next(&cursor, end, &record, &status))
        put_record(out, &record);
    if (status != GS_OK)
        fprintf(out, "  damage: %s\n", gs_status_message(status));
}

static void put_rows(FILE *out, const struct gs_walk_item *item, const struct gs_stream_desc *desc)
{
    const struct gs_chunk_hdr *h = &item->chunk;
    uint64_t *values = gs_xmalloc(desc->n_cols, GS_CHUNK_MAX_ROWS * sizeof(*values));
    for (unsigned c = 0; c < desc->n_cols; c++) {
        enum gs_status s =
            gs_chunk_decode_column(item->data, h, c, values + (size_t)c * GS_CHUNK_MAX_ROWS);
        if (s != GS_OK) {
            fprintf(out, "  damage: column %s: %s\n", desc->cols[c].name, gs_status_message(s));
            free(values);
            return;
        }
    }
    fputc(' ', out);
    for (unsigned c = 0; c < desc->n_cols; c++)
        fprintf(out, " %s", desc->cols[c].name);
    fputc('\n', out);
    for (uint32_t r = 0; r < h->n_rows && r < GS_CHUNK_MAX_ROWS; r++) {
        fputc(' ', out);
        for (unsigned c = 0; c < desc->n_cols; c++)
            fprintf(out, " %" PRIu64, values[(size_t)c * GS_CHUNK_MAX_ROWS + r]);
        fputc('\n', out);
    }
    free(values);
}

static void put_chunk_hdr(FILE *out, const struct gs_walk_item *item,
                          const struct gs_stream_desc *desc)
{
    const struct gs_chunk_hdr *h = &item->chunk;
    fprintf(out, "chunk at %" PRIu64 ": %s, no %" PRIu32 ", %" PRIu32 " bytes, %" PRIu32 " rows",
            item->off, desc ? desc->name : "unknown stream", h->chunk_no, h->total_len, h->n_rows);
    fprintf(out, ", process %016" PRIx64, h->process_key);
    if (h->gil != GS_NO_GIL)
        fprintf(out, ", gil %" PRIu32, h->gil);
    if (h->seq1)
        fprintf(out, ", seq %" PRIu64 "..%" PRIu64, h->seq0, h->seq1);
    if (h->lost_before)
        fprintf(out, ", %" PRIu32 " rows lost before", h->lost_before);
    if (h->clock_epoch)
        fprintf(out, ", clock epoch %u", h->clock_epoch);
    fputc('\n', out);
}

static void put_file_hdr(FILE *out, const struct gs_walk_item *item)
{
    fprintf(out, "file header at %" PRIu64 ": ", item->off);
    if (item->status != GS_OK) {
        fprintf(out, "%s\n", gs_status_message(item->status));
        return;
    }
    fprintf(out, "format %u.%u, process %016" PRIx64 ", created_unix_ns %" PRId64 "\n",
            item->file.major, item->file.minor, item->file.process_key, item->file.created_unix_ns);
}

void gs_dump_text(const struct gs_walk_item *item, FILE *out)
{
    const struct gs_stream_desc *desc = gs_stream_desc(item->chunk.stream);
    switch (item->kind) {
    case GS_WALK_FILE_HDR:
        put_file_hdr(out, item);
        break;
    case GS_WALK_DAMAGED:
        fprintf(out, "damage at %" PRIu64 ": %" PRIu64 " bytes: %s\n", item->off, item->len,
                gs_status_message(item->status));
        break;
    case GS_WALK_UNKNOWN:
        put_chunk_hdr(out, item, desc);
        break;
    case GS_WALK_CHUNK:
        put_chunk_hdr(out, item, desc);
        if (desc->n_cols == 0)
            put_records(out, item);
        else
            put_rows(out, item, desc);
        break;
    }
}

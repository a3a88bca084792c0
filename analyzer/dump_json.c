/* SPDX-License-Identifier: MIT
 * The contents of a chunk as tests/py/decode_trace.py prints them: compact JSON, ASCII only, fields
 * in the order of the format. Byte for byte the same, which is what it is for.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/dump.h"
#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

static void put_char(FILE *out, uint32_t cp)
{
    static const char shorts[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
    const char *s = cp && cp < 0x80 ? strchr(shorts, (int)cp) : NULL;
    if (s)
        fprintf(out, "\\%c", letters[s - shorts]);
    else if (cp >= 0x20 && cp < 0x7f)
        fputc((int)cp, out);
    else if (cp < 0x10000)
        fprintf(out, "\\u%04" PRIx32, cp);
    else
        fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((cp - 0x10000) >> 10),
                0xdc00 + ((cp - 0x10000) & 0x3ff));
}

/* Bytes that are not UTF-8 become the text \xNN, as Python's "backslashreplace" has it. */
static void put_text(FILE *out, const uint8_t *s, size_t len)
{
    fputc('"', out);
    while (len > 0) {
        uint32_t cp;
        size_t n = gs_utf8_decode((const char *)s, len, &cp);
        if (cp == GS_UTF8_BAD && n == 1)
            fprintf(out, "\\\\x%02x", *s);
        else
            put_char(out, cp);
        s += n;
        len -= n;
    }
    fputc('"', out);
}

static void put_hex(FILE *out, const uint8_t *s, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", s[i]);
    fputc('"', out);
}

static void put_value(FILE *out, struct gs_record *r, char type)
{
    size_t len;
    const uint8_t *s;
    switch (type) {
    case 'u':
        fprintf(out, "%" PRIu64, gs_record_get_u(r));
        break;
    case 'z':
        fprintf(out, "%" PRId64, gs_record_get_z(r));
        break;
    case 's':
        s = gs_record_get_bytes(r, &len);
        put_text(out, s, len);
        break;
    default:
        s = gs_record_get_bytes(r, &len);
        put_hex(out, s, len);
    }
}

/* A repeated field, without its count: [v,v], or [[a,b],[a,b]] for a group. */
static void put_list(FILE *out, struct gs_record *r, const struct gs_field_spec *f, size_t n_fields)
{
    uint64_t n = gs_record_get_u(r);
    fputc('[', out);
    for (uint64_t i = 0; i < n && r->pos < r->end; i++) {
        fputs(i ? "," : "", out);
        fputs(n_fields > 1 ? "[" : "", out);
        for (size_t k = 0; k < n_fields; k++) {
            fputs(k ? "," : "", out);
            put_value(out, r, f[k].type);
        }
        fputs(n_fields > 1 ? "]" : "", out);
    }
    fputc(']', out);
}

static void put_record(FILE *out, struct gs_record *r)
{
    const struct gs_record_spec *spec = gs_record_spec(r->tag);
    if (!spec) {
        fprintf(out, "{\"tag\":%" PRIu32 ",\"fields\":[", r->tag);
        put_hex(out, r->pos, (size_t)(r->end - r->pos));
        fputs("]}", out);
        return;
    }
    fprintf(out, "{\"tag\":\"%s\",\"fields\":[", spec->name);
    bool has_group = spec->n > spec->n_fixed;
    size_t n_single = spec->n_fixed - has_group; /* the group's count is not shown */
    for (size_t f = 0; f < n_single; f++) {
        fputs(f ? "," : "", out);
        if (spec->field[f].list)
            put_list(out, r, &spec->field[f], 1);
        else
            put_value(out, r, spec->field[f].type);
    }
    if (has_group) {
        fputs(n_single ? "," : "", out);
        put_list(out, r, &spec->field[spec->n_fixed], spec->n - spec->n_fixed);
    }
    fputs("]}", out);
}

static void put_head(FILE *out, const struct gs_chunk_hdr *h, const char *stream)
{
    fprintf(out,
            "{\"chunk\":%" PRIu32 ",\"stream\":\"%s\",\"gil\":%" PRIu32 ",\"process_key\":%" PRIu64
            ",\"clock_epoch\":%u,\"lost_before\":%" PRIu32 ",\"t0\":%" PRIu64 ",\"t1\":%" PRIu64
            ",\"seq0\":%" PRIu64 ",\"seq1\":%" PRIu64,
            h->chunk_no, stream, h->gil, h->process_key, h->clock_epoch, h->lost_before, h->t0,
            h->t1, h->seq0, h->seq1);
}

static bool put_records(FILE *out, const uint8_t *data, const struct gs_chunk_hdr *h)
{
    const uint8_t *cursor = data + h->header_len;
    const uint8_t *end = data + h->total_len - GS_CHUNK_TAIL_LEN;
    struct gs_record record;
    enum gs_status status = GS_OK;
    const char *comma = "";
    put_head(out, h, "records");
    fputs(",\"records\":[", out);
    while (gs_record_next(&cursor, end, &record, &status)) {
        fputs(comma, out);
        put_record(out, &record);
        comma = ",";
    }
    fputs("]}\n", out);
    return status == GS_OK;
}

static void put_row(FILE *out, const struct gs_stream_desc *desc, const uint64_t *values, size_t n,
                    size_t row)
{
    fputs(row ? ",{" : "{", out);
    for (unsigned c = 0; c < desc->n_cols; c++)
        fprintf(out, "%s\"%s\":%" PRIu64, c ? "," : "", desc->cols[c].name, values[c * n + row]);
    fputc('}', out);
}

bool gs_dump_json_chunk(const uint8_t *data, const struct gs_chunk_hdr *h, FILE *out)
{
    const struct gs_stream_desc *desc = gs_stream_desc(h->stream);
    if (desc->n_cols == 0)
        return put_records(out, data, h);
    uint64_t *values = gs_xmalloc((size_t)desc->n_cols * h->n_rows, sizeof(*values));
    enum gs_status status = GS_OK;
    for (unsigned c = 0; c < desc->n_cols && status == GS_OK; c++)
        status = gs_chunk_decode_column(data, h, c, values + (size_t)c * h->n_rows);
    if (status == GS_OK) {
        put_head(out, h, desc->name);
        fputs(",\"rows\":[", out);
        for (uint32_t r = 0; r < h->n_rows; r++)
            put_row(out, desc, values, h->n_rows, r);
        fputs("]}\n", out);
    }
    free(values);
    return status == GS_OK;
}

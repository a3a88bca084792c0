/* SPDX-License-Identifier: MIT */
#include "analyzer/json_writer.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/utf8.h"

void gs_json_init(struct gs_json *j, FILE *out, bool pretty)
{
    memset(j, 0, sizeof(*j));
    gs_buf_open(&j->text, out);
    j->pretty = pretty;
}

bool gs_json_finish(struct gs_json *j)
{
    gs_buf_char(&j->text, '\n');
    return gs_buf_close(&j->text);
}

static void new_line(struct gs_json *j)
{
    static const char indent[] = "\n                                                              ";
    _Static_assert(sizeof(indent) > 1 + 2 * (GS_JSON_MAX_DEPTH - 1), "as deep as it goes");
    if (j->pretty && !j->inline_depth)
        gs_buf_put(&j->text, indent, 1 + 2 * j->depth);
}

static void before_value(struct gs_json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth == 0)
        return;
    if (j->has_member[j->depth])
        gs_buf_char(&j->text, ',');
    j->has_member[j->depth] = true;
    new_line(j);
}

static void begin(struct gs_json *j, char c)
{
    before_value(j);
    gs_buf_char(&j->text, c);
    if (j->depth + 1 >= GS_JSON_MAX_DEPTH)
        abort(); /* a bug of the caller: our documents are 6 deep */
    j->has_member[++j->depth] = false;
    if (j->inline_depth)
        j->inline_depth++;
}

static void end(struct gs_json *j, char c)
{
    bool any = j->has_member[j->depth];
    j->depth--;
    if (any)
        new_line(j);
    if (j->inline_depth)
        j->inline_depth--;
    gs_buf_char(&j->text, c);
}

void gs_json_begin_object(struct gs_json *j)
{
    begin(j, '{');
}

void gs_json_begin_object_inline(struct gs_json *j)
{
    begin(j, '{');
    if (!j->inline_depth)
        j->inline_depth = 1;
}

void gs_json_end_object(struct gs_json *j)
{
    end(j, '}');
}

void gs_json_begin_array(struct gs_json *j)
{
    begin(j, '[');
}

void gs_json_begin_array_inline(struct gs_json *j)
{
    begin(j, '[');
    if (!j->inline_depth)
        j->inline_depth = 1;
}

void gs_json_end_array(struct gs_json *j)
{
    end(j, ']');
}

static void put_escaped(struct gs_buf *out, uint32_t cp)
{
    char code[8];
    switch (cp) {
    case '"':
        gs_buf_string(out, "\\\"");
        break;
    case '\\':
        gs_buf_string(out, "\\\\");
        break;
    case '\n':
        gs_buf_string(out, "\\n");
        break;
    case GS_UTF8_BAD:
        gs_buf_string(out, "\xef\xbf\xbd");
        break;
    default: /* all of these are below U+10000 */
        snprintf(code, sizeof(code), "\\u%04x", (unsigned)(cp & 0xffff));
        gs_buf_string(out, code);
    }
}

static void put_string(struct gs_buf *out, const char *s, size_t len)
{
    gs_buf_char(out, '"');
    for (uint32_t cp; gs_buf_plain(out, &s, &len, "\"\\<", &cp);)
        put_escaped(out, cp);
    gs_buf_char(out, '"');
}

void gs_json_key(struct gs_json *j, const char *key)
{
    before_value(j);
    put_string(&j->text, key, strlen(key));
    gs_buf_string(&j->text, j->pretty ? ": " : ":");
    j->after_key = true;
}

void gs_json_string_n(struct gs_json *j, const char *s, size_t len)
{
    before_value(j);
    put_string(&j->text, s, len);
}

void gs_json_string(struct gs_json *j, const char *s)
{
    gs_json_string_n(j, s ? s : "", s ? strlen(s) : 0);
}

void gs_json_u64(struct gs_json *j, uint64_t v)
{
    before_value(j);
    gs_buf_u64(&j->text, v);
}

void gs_json_i64(struct gs_json *j, int64_t v)
{
    before_value(j);
    if (v < 0)
        gs_buf_char(&j->text, '-');
    gs_buf_u64(&j->text, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void gs_json_bool(struct gs_json *j, bool v)
{
    before_value(j);
    gs_buf_string(&j->text, v ? "true" : "false");
}

void gs_json_null(struct gs_json *j)
{
    before_value(j);
    gs_buf_string(&j->text, "null");
}

void gs_json_milli(struct gs_json *j, uint64_t thousandths)
{
    before_value(j);
    gs_buf_u64(&j->text, thousandths / 1000);
    gs_buf_char(&j->text, '.');
    for (unsigned unit = 100; unit; unit /= 10)
        gs_buf_char(&j->text, (char)('0' + thousandths / unit % 10));
}

void gs_json_kv_string(struct gs_json *j, const char *key, const char *s)
{
    gs_json_key(j, key);
    gs_json_string(j, s);
}

void gs_json_kv_u64(struct gs_json *j, const char *key, uint64_t v)
{
    gs_json_key(j, key);
    gs_json_u64(j, v);
}

void gs_json_kv_i64(struct gs_json *j, const char *key, int64_t v)
{
    gs_json_key(j, key);
    gs_json_i64(j, v);
}

void gs_json_kv_bool(struct gs_json *j, const char *key, bool v)
{
    gs_json_key(j, key);
    gs_json_bool(j, v);
}

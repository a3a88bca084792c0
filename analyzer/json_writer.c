/* SPDX-License-Identifier: MIT */
#include "analyzer/json_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/utf8.h"

void gs_json_init(struct gs_json *j, FILE *out, bool pretty)
{
    memset(j, 0, sizeof(*j));
    j->out = out;
    j->pretty = pretty;
}

bool gs_json_finish(struct gs_json *j)
{
    fputc('\n', j->out);
    return fflush(j->out) == 0 && !ferror(j->out);
}

static void new_line(struct gs_json *j)
{
    if (!j->pretty || j->inline_depth)
        return;
    fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
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
        fputc(',', j->out);
    j->has_member[j->depth] = true;
    new_line(j);
}

static void begin(struct gs_json *j, char c)
{
    before_value(j);
    fputc(c, j->out);
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
    fputc(c, j->out);
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

static bool is_plain(uint32_t cp)
{
    return cp != '"' && cp != '\\' && cp != '<' && !gs_utf8_is_hidden(cp);
}

static void put_escaped(FILE *out, uint32_t cp)
{
    switch (cp) {
    case '"':
        fputs("\\\"", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    default:
        fprintf(out, "\\u%04" PRIx32, cp); /* all of these are below U+10000 */
    }
}

static void put_string(FILE *out, const char *s, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = gs_utf8_decode(s + i, len - i, &cp);
        if (cp == GS_UTF8_BAD)
            fputs("\xef\xbf\xbd", out);
        else if (is_plain(cp))
            fwrite(s + i, 1, n, out);
        else
            put_escaped(out, cp);
        i += n;
    }
    fputc('"', out);
}

void gs_json_key(struct gs_json *j, const char *key)
{
    before_value(j);
    put_string(j->out, key, strlen(key));
    fputs(j->pretty ? ": " : ":", j->out);
    j->after_key = true;
}

void gs_json_string_n(struct gs_json *j, const char *s, size_t len)
{
    before_value(j);
    put_string(j->out, s, len);
}

void gs_json_string(struct gs_json *j, const char *s)
{
    gs_json_string_n(j, s ? s : "", s ? strlen(s) : 0);
}

void gs_json_u64(struct gs_json *j, uint64_t v)
{
    before_value(j);
    fprintf(j->out, "%" PRIu64, v);
}

void gs_json_i64(struct gs_json *j, int64_t v)
{
    before_value(j);
    fprintf(j->out, "%" PRId64, v);
}

void gs_json_bool(struct gs_json *j, bool v)
{
    before_value(j);
    fputs(v ? "true" : "false", j->out);
}

void gs_json_null(struct gs_json *j)
{
    before_value(j);
    fputs("null", j->out);
}

void gs_json_milli(struct gs_json *j, uint64_t thousandths)
{
    before_value(j);
    fprintf(j->out, "%" PRIu64 ".%03" PRIu64, thousandths / 1000, thousandths % 1000);
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

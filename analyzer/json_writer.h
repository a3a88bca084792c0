/* SPDX-License-Identifier: MIT
 * A small streaming JSON writer. Output is valid whatever the strings hold: bytes that are not
 * UTF-8 become U+FFFD, hidden characters (utf8.h) and '<' are escaped (safe inside <script> and on
 * a terminal). Commas are the writer's business, nesting the caller's.
 */
#ifndef GS_JSON_WRITER_H
#define GS_JSON_WRITER_H

#include "analyzer/text_buf.h"

#define GS_JSON_MAX_DEPTH 32

struct gs_json {
    struct gs_buf text;
    bool pretty; /* one member a line; what is begun with _inline stays on one line */
    unsigned depth;
    unsigned inline_depth; /* > 0 inside an inline array or object */
    bool has_member[GS_JSON_MAX_DEPTH];
    bool after_key;
};

void gs_json_init(struct gs_json *j, FILE *out, bool pretty);
/* Ends the document with a newline, and the writer; false when something could not be written (disk
 * full). */
bool gs_json_finish(struct gs_json *j);

void gs_json_begin_object(struct gs_json *j);
void gs_json_begin_object_inline(struct gs_json *j);
void gs_json_end_object(struct gs_json *j);
void gs_json_begin_array(struct gs_json *j);
void gs_json_begin_array_inline(struct gs_json *j);
void gs_json_end_array(struct gs_json *j);

void gs_json_key(struct gs_json *j, const char *key);
void gs_json_string(struct gs_json *j, const char *s); /* NULL is written as "" */
void gs_json_string_n(struct gs_json *j, const char *s, size_t len);
void gs_json_u64(struct gs_json *j, uint64_t v);
void gs_json_i64(struct gs_json *j, int64_t v);
void gs_json_bool(struct gs_json *j, bool v);
void gs_json_null(struct gs_json *j);
/* thousandths / 1000 with three decimals: percentages without floating point */
void gs_json_milli(struct gs_json *j, uint64_t thousandths);

/* key + value */
void gs_json_kv_string(struct gs_json *j, const char *key, const char *s);
void gs_json_kv_u64(struct gs_json *j, const char *key, uint64_t v);
void gs_json_kv_i64(struct gs_json *j, const char *key, int64_t v);
void gs_json_kv_bool(struct gs_json *j, const char *key, bool v);

/* After the first value of an inline array. */
static inline void gs_json_next_u64(struct gs_json *j, uint64_t v)
{
    char *to = gs_buf_room(&j->text, 1 + GS_MAX_DIGITS);
    char *end = to + 2;
    *to = ',';
    if (v < 10) /* as most are */
        to[1] = (char)('0' + v);
    else
        end = gs_digits(to + 1, v);
    j->text.len += (size_t)(end - to);
}

static inline void gs_json_next_i64(struct gs_json *j, int64_t v)
{
    if (v >= 0)
        gs_json_next_u64(j, (uint64_t)v);
    else
        gs_json_i64(j, v);
}

/* An array of n values, each of which an expression of i_ says. */
#define GS__JSON_VALUES(j, name, n, type, value)                                                   \
    do {                                                                                           \
        size_t i_ = 0;                                                                             \
        gs_json_key(j, name);                                                                      \
        gs_json_begin_array_inline(j);                                                             \
        if (i_ < (n))                                                                              \
            gs_json_##type(j, value);                                                              \
        for (i_ = 1; i_ < (n); i_++)                                                               \
            gs_json_next_##type(j, value);                                                         \
        gs_json_end_array(j);                                                                      \
    } while (0)

/* One field of all n structures as an array. */
#define GS_JSON_COLUMN(j, name, array, n, field) GS__JSON_VALUES(j, name, n, u64, (array)[i_].field)

/* The same of a column whose neighbours are close: the first, then what each is above the one
 * before. Small numbers are written, deflated and read sooner. */
#define GS_JSON_STEPS(j, name, array, n, field)                                                    \
    GS__JSON_VALUES(j, name, n, i64,                                                               \
                    (int64_t)(array)[i_].field - (i_ ? (int64_t)(array)[i_ - 1].field : 0))

#endif

/* SPDX-License-Identifier: MIT
 * Text being made: a growing buffer, or one that goes to a stream in large pieces. Millions of
 * short pieces cost a copy each, and neither a lock nor a format to be read.
 */
#ifndef GS_TEXT_H
#define GS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct gs_text {
    char *s; /* not terminated */
    size_t len, cap;
    FILE *out; /* NULL: all of it stays in memory */
};
/* To a stream; {0} is an empty text in memory. */
void gs_text_open(struct gs_text *t, FILE *out);
/* Writes what is left, flushes, and frees; false when something could not be written. */
bool gs_text_close(struct gs_text *t);
void gs_text_free(struct gs_text *t);

void gs_text_make_room(struct gs_text *t, size_t n);
void gs_text_u64_long(struct gs_text *t, uint64_t v);

/* n bytes to be written to; t->len is the caller's to move. */
static inline char *gs_text_room(struct gs_text *t, size_t n)
{
    if (t->cap - t->len < n)
        gs_text_make_room(t, n);
    return t->s + t->len;
}

static inline void gs_text_char(struct gs_text *t, char c)
{
    *gs_text_room(t, 1) = c;
    t->len++;
}

static inline void gs_text_put(struct gs_text *t, const char *s, size_t n)
{
    if (n == 0)
        return;
    memcpy(gs_text_room(t, n), s, n);
    t->len += n;
}

static inline void gs_text_string(struct gs_text *t, const char *s)
{
    gs_text_put(t, s, strlen(s));
}

static inline void gs_text_u64(struct gs_text *t, uint64_t v)
{
    if (v < 10)
        gs_text_char(t, (char)('0' + v));
    else
        gs_text_u64_long(t, v);
}

#endif

/* SPDX-License-Identifier: MIT
 * Text being made: a growing buffer, or one that goes to a stream in large pieces. Millions of
 * short pieces cost a copy each, and neither a lock nor a format to be read.
 */
#ifndef GS_TEXT_BUF_H
#define GS_TEXT_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct gs_buf {
    char *s; /* not terminated */
    size_t len, cap;
    FILE *out; /* NULL: all of it stays in memory */
};
/* To a stream; {0} is an empty text in memory. */
void gs_buf_open(struct gs_buf *t, FILE *out);
/* Writes what is left, flushes, and frees; false when something could not be written. */
bool gs_buf_close(struct gs_buf *t);
void gs_buf_free(struct gs_buf *t);

void gs_buf_make_room(struct gs_buf *t, size_t n);

#define GS_MAX_DIGITS 20u /* of 64 bits */
/* Writes v in decimal, up to GS_MAX_DIGITS characters; returns where they end. */
char *gs_digits(char *to, uint64_t v);

/* n bytes to be written to; t->len is the caller's to move. */
static inline char *gs_buf_room(struct gs_buf *t, size_t n)
{
    if (t->cap - t->len < n)
        gs_buf_make_room(t, n);
    return t->s + t->len;
}

static inline void gs_buf_char(struct gs_buf *t, char c)
{
    *gs_buf_room(t, 1) = c;
    t->len++;
}

static inline void gs_buf_put(struct gs_buf *t, const char *s, size_t n)
{
    if (n == 0)
        return;
    memcpy(gs_buf_room(t, n), s, n);
    t->len += n;
}

static inline void gs_buf_string(struct gs_buf *t, const char *s)
{
    gs_buf_put(t, s, strlen(s));
}

/* Puts what of s[len] is plain (utf8.h), then takes the character that is not into *cp and moves
 * behind it; false: that was all. */
bool gs_buf_plain(struct gs_buf *t, const char **s, size_t *len, const char *special, uint32_t *cp);

static inline void gs_buf_u64(struct gs_buf *t, uint64_t v)
{
    char *to = gs_buf_room(t, GS_MAX_DIGITS);
    t->len += (size_t)(gs_digits(to, v) - to);
}

#endif

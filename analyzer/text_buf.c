/* SPDX-License-Identifier: MIT */
#include "analyzer/text_buf.h"

#include <stdlib.h>

#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

/* A larger one costs less by call, and no longer fits the cache. */
#define PIECE_BYTES (256u << 10)

void gs_buf_open(struct gs_buf *t, FILE *out)
{
    *t = (struct gs_buf){.s = gs_xmalloc(PIECE_BYTES, 1), .cap = PIECE_BYTES, .out = out};
}

static void flush(struct gs_buf *t)
{
    if (t->len)
        fwrite(t->s, 1, t->len, t->out); /* the stream remembers a failure */
    t->len = 0;
}

bool gs_buf_close(struct gs_buf *t)
{
    FILE *out = t->out;
    flush(t);
    gs_buf_free(t);
    return fflush(out) == 0 && !ferror(out);
}

void gs_buf_free(struct gs_buf *t)
{
    free(t->s);
    memset(t, 0, sizeof(*t));
}

void gs_buf_make_room(struct gs_buf *t, size_t n)
{
    if (t->out)
        flush(t);
    GS_RESERVE(t->s, t->len + n, t->cap);
}

bool gs_buf_plain(struct gs_buf *t, const char **s, size_t *len, const char *special, uint32_t *cp)
{
    size_t n = gs_utf8_plain(*s, *len, special);
    gs_buf_put(t, *s, n);
    *s += n;
    *len -= n;
    if (*len == 0)
        return false;
    n = gs_utf8_decode(*s, *len, cp);
    *s += n;
    *len -= n;
    return true;
}

static unsigned count_digits(uint64_t v)
{
    unsigned n = 1;
    for (; v >= 10000; v /= 10000)
        n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

char *gs_digits(char *to, uint64_t v)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    char *end = to + count_digits(v), *at = end;
    for (; v >= 100; v /= 100)
        memcpy(at -= 2, pairs + 2 * (v % 100), 2);
    if (v >= 10)
        memcpy(at - 2, pairs + 2 * v, 2);
    else
        at[-1] = (char)('0' + v);
    return end;
}

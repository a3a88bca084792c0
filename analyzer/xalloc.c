/* SPDX-License-Identifier: MIT */
#include "analyzer/xalloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (p)
        return p;
    fputs("gilscope: out of memory; analyse fewer captures at once\n", stderr);
    exit(1);
}

void *gs_xmalloc(size_t n, size_t size)
{
    return gs_xrealloc(NULL, n, size);
}

void *gs_xcalloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size));
}

void *gs_xrealloc(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n ? n : 1, size));
}

void *gs_xaligned(size_t n, size_t size)
{
    void *p = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(n ? n : 1, size, &bytes) || posix_memalign(&p, 64, bytes) != 0)
        p = NULL;
    return checked(p);
}

char *gs_xstrndup(const char *s, size_t len)
{
    char *copy = gs_xmalloc(len + 1, 1);
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *gs_xasprintf(const char *format, ...)
{
    char *out = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&out, format, args);
    va_end(args);
    return checked(len < 0 ? NULL : out);
}

void *gs_xgrow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = n < 8 ? 16 : n + n / 2 + 1;
    return gs_xrealloc(p, *cap, size);
}

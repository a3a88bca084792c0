/* SPDX-License-Identifier: MIT */
#include "analyzer/xalloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPPED_BYTES (32 << 20) /* a block from here on has a mapping of its own */
#define HEAP_STEP    (64 << 20) /* address space; memory only when it is touched */
#define LARGE_BYTES  (64u << 10)
#define MAX_HEAPS    64

/* Where the part of the heap ends that is in huge pages; 0: none is to be. */
static _Atomic uintptr_t huge_end;

/* Arrays that grow and go would be mapped and zeroed 4 KiB at a time, again and again: that took a
 * third of all time. So they stay in the heap, in huge pages where the system has them. */
void gs_xalloc_init(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, HEAP_STEP);
    mallopt(M_TOP_PAD, HEAP_STEP);
    mallopt(M_ARENA_MAX, 1); /* threads grow arrays, and seldom: one heap for all */
    huge_end = (uintptr_t)sbrk(0);
}

void gs_xalloc_heap_per_thread(void)
{
    mallopt(M_ARENA_MAX, MAX_HEAPS);
}

/* The heap may have grown for this block. A program with small ones only has no huge pages. */
static void *in_huge_pages(void *p, size_t n, size_t size)
{
    uintptr_t from = huge_end, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (n < LARGE_BYTES / size || from == 0)
        return p;
    uintptr_t end = (uintptr_t)sbrk(0);
    if (end > from && atomic_compare_exchange_strong(&huge_end, &from, end))
        madvise((void *)(from & ~(page - 1)), end - (from & ~(page - 1)), MADV_HUGEPAGE);
    return p;
}

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
    return in_huge_pages(checked(calloc(n ? n : 1, size)), n, size);
}

void *gs_xrealloc(void *p, size_t n, size_t size)
{
    return in_huge_pages(checked(reallocarray(p, n ? n : 1, size)), n, size);
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

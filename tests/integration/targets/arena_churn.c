/* SPDX-License-Identifier: MIT
 * Takes arenas from Python's arena allocator, as pymalloc does, and gives them back, as fast as it
 * can: each one's pools look like pools in use, so that whoever reads them reads all.
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct allocator { /* PyObjectArenaAllocator */
    void *ctx;
    void *(*alloc)(void *ctx, size_t size);
    void (*free)(void *ctx, void *arena, size_t size);
};

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Blocks in use, size class, offset of the next block: Objects/obmalloc.c. */
static void make_pools(char *arena, size_t bytes, size_t pool_bytes)
{
    uintptr_t first = ((uintptr_t)arena + pool_bytes - 1) / pool_bytes * pool_bytes;
    for (uintptr_t p = first; p + pool_bytes <= (uintptr_t)arena + bytes; p += pool_bytes) {
        uint32_t *words = (uint32_t *)p; /* NOLINT */
        words[0] = 3;
        words[9] = 1;
        words[10] = 144;
    }
}

/* A few at a time, the oldest goes first: each lives for long enough to be known and read. */
uint64_t churn(const struct allocator *a, double seconds, size_t bytes, size_t pool_bytes)
{
    enum { AT_ONCE = 4 };
    uint64_t n = 0;
    char *arenas[AT_ONCE] = {NULL};
    for (double end = now_s() + seconds; now_s() < end; n++) {
        char **arena = &arenas[n % AT_ONCE];
        if (*arena)
            a->free(a->ctx, *arena, bytes);
        if ((*arena = a->alloc(a->ctx, bytes)))
            make_pools(*arena, bytes, pool_bytes);
    }
    for (int i = 0; i < AT_ONCE; i++)
        if (arenas[i])
            a->free(a->ctx, arenas[i], bytes);
    return n;
}

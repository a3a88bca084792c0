/* SPDX-License-Identifier: MIT */
#include "preload/own_maps.h"

#include "preload/agent.h"
#include "preload/raw_sys.h"

#define MAX_RANGES   2048u /* a thread at a time has one; neighbours are one */
#define VECTOR_PAGES 4096u

static struct range {
    uintptr_t lo, hi; /* hi 0: not complete yet */
} ranges[MAX_RANGES];
static uint32_t n_ranges;

/* The library's own zeroed data; the linker defines both. */
extern uint8_t __bss_start[] __attribute__((visibility("hidden")));
extern uint8_t _end[] __attribute__((visibility("hidden")));

/* Threads are mapped one below the other: mostly the last range just grows. Where two threads grow
 * it at once, one of them is forgotten: a few KiB are then counted as the program's. */
static void remember(uintptr_t lo, size_t len)
{
    uint32_t n = __atomic_load_n(&n_ranges, __ATOMIC_ACQUIRE);
    if (n && n <= MAX_RANGES && ranges[n - 1].hi && ranges[n - 1].lo == lo + len) {
        __atomic_store_n(&ranges[n - 1].lo, lo, __ATOMIC_RELAXED);
        return;
    }
    n = __atomic_fetch_add(&n_ranges, 1, __ATOMIC_ACQ_REL);
    if (n >= MAX_RANGES) {
        __atomic_store_n(&n_ranges, MAX_RANGES, __ATOMIC_RELAXED);
        return;
    }
    ranges[n].lo = lo;
    __atomic_store_n(&ranges[n].hi, lo + len, __ATOMIC_RELEASE);
}

void *gs_map(size_t len)
{
    long p = gs_syscall6(SYS_mmap, 0, (long)len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p < 0 && p > -4096)
        return NULL;
    remember((uintptr_t)p, (len + GS_PAGE_BYTES - 1) & ~(size_t)(GS_PAGE_BYTES - 1));
    return (void *)p;
}

/* What is given back was mapped last, or is a range of its own. */
void gs_unmap(void *p, size_t len)
{
    uintptr_t behind = (uintptr_t)p + ((len + GS_PAGE_BYTES - 1) & ~(size_t)(GS_PAGE_BYTES - 1));
    for (uint32_t i = 0; i < n_ranges && i < MAX_RANGES; i++)
        if (ranges[i].lo == (uintptr_t)p)
            ranges[i].lo = behind;
    gs_sys2(SYS_munmap, p, len);
}

uint64_t gs_resident_bytes(uintptr_t lo, uintptr_t hi)
{
    static uint8_t vector[VECTOR_PAGES];
    uint64_t pages = 0;
    while (lo < hi) {
        size_t n = (hi - lo) / GS_PAGE_BYTES;
        n = n < VECTOR_PAGES ? n : VECTOR_PAGES;
        if (gs_sys3(SYS_mincore, lo, n * GS_PAGE_BYTES, vector) != 0)
            break;
        for (size_t i = 0; i < n; i++)
            pages += vector[i] & 1;
        lo += n * GS_PAGE_BYTES;
    }
    return pages * GS_PAGE_BYTES;
}

static uint64_t rss_between(uintptr_t begin, uintptr_t end, uintptr_t lo, uintptr_t hi)
{
    if (begin >= hi || end <= lo)
        return 0;
    return gs_resident_bytes(begin > lo ? begin : lo, end < hi ? end : hi);
}

uint64_t gs_own_maps_rss(uintptr_t lo, uintptr_t hi)
{
    const uintptr_t page = ~(uintptr_t)(GS_PAGE_BYTES - 1); /* the first one is data's, of a file */
    uint64_t bytes = rss_between(((uintptr_t)__bss_start + GS_PAGE_BYTES - 1) & page,
                                 ((uintptr_t)_end + GS_PAGE_BYTES - 1) & page, lo, hi);
    uint32_t n = __atomic_load_n(&n_ranges, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < n && i < MAX_RANGES; i++) {
        uintptr_t end = __atomic_load_n(&ranges[i].hi, __ATOMIC_ACQUIRE), begin = ranges[i].lo;
        if (end)
            bytes += rss_between(begin, end, lo, hi);
    }
    return bytes;
}

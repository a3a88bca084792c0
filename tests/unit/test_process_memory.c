/* SPDX-License-Identifier: MIT
 * The process's mappings summed up, and the walk over glibc's heap.
 * LINK: gs_agent_objects
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "preload/agent_clock.h"
#include "preload/heap_walk.h"
#include "preload/memory_maps.h"
#include "preload/own_maps.h"

#define SECOND_NS 1000000000u

static int begin(void **state)
{
    (void)state;
    gs_clock_init();
    return 0;
}

/* ---- mappings ---- */

static uint64_t rollup(const char *field)
{
    char line[256];
    unsigned long long kib = 0, found = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (!f)
        skip();
    while (fgets(line, sizeof(line), f))
        if (!strncmp(line, field, strlen(field)) &&
            sscanf(strchr(line, ':') + 1, "%llu", &kib) == 1)
            found += kib;
    fclose(f);
    return found << 10;
}

static uintptr_t arena_lo;

static uint64_t arenas_rss(uintptr_t lo, uintptr_t hi)
{
    return arena_lo >= lo && arena_lo < hi ? 1 << 20 : 0;
}

static void assert_near(uint64_t a, uint64_t b, uint64_t slack)
{
    if ((a > b ? a - b : b - a) > slack)
        fail_msg("%llu is not %llu, give or take %llu", (unsigned long long)a,
                 (unsigned long long)b, (unsigned long long)slack);
}

static void kinds_add_up_to_what_the_kernel_says(void **state)
{
    struct gs_maps maps;
    uint64_t sum = 0;
    (void)state;
    assert_true(gs_maps_read(&maps, arenas_rss));
    for (uint32_t kind = 1; kind < GS_MAP_KINDS; kind++)
        sum += maps.rss_of[kind];
    assert_int_equal(sum, maps.rss_bytes);
    assert_near(maps.rss_bytes, rollup("Rss:"), 256 << 10);
    assert_near(maps.pss_bytes, rollup("Pss:"), 256 << 10);
    assert_near(maps.anonymous_bytes, rollup("Anonymous:"), 256 << 10);
    assert_near(maps.private_bytes, rollup("Private_"), 256 << 10);
    assert_true(maps.rss_of[GS_MAP_STACK] > 0 && maps.rss_of[GS_MAP_FILE] > 1 << 20);
}

static void each_kind_is_told_from_the_others(void **state)
{
    struct gs_maps before, after;
    const size_t bytes = 6 << 20;
    (void)state;
    assert_true(gs_maps_read(&before, arenas_rss));
    char *own = gs_map(bytes);
    memset(own, 1, bytes / 2);
    char *anonymous = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(anonymous, 1, bytes);
    assert_true(gs_maps_read(&after, arenas_rss));
    assert_near(after.rss_of[GS_MAP_AGENT] - before.rss_of[GS_MAP_AGENT], bytes / 2, 64 << 10);
    assert_near(after.rss_of[GS_MAP_OTHER] - before.rss_of[GS_MAP_OTHER], bytes, 256 << 10);
    arena_lo = (uintptr_t)anonymous;
    assert_true(gs_maps_read(&after, arenas_rss));
    assert_int_equal(after.rss_of[GS_MAP_ARENAS], 1 << 20);
    assert_near(after.rss_of[GS_MAP_OTHER] - before.rss_of[GS_MAP_OTHER], bytes - (1 << 20),
                256 << 10);
    arena_lo = 0;
    gs_unmap(own, bytes);
    munmap(anonymous, bytes);
    assert_true(gs_maps_read(&after, arenas_rss));
    assert_near(after.rss_of[GS_MAP_AGENT], before.rss_of[GS_MAP_AGENT], 64 << 10);
}

#define THREAD_HEAP_BYTES ((size_t)64 << 20)

/* Where glibc could have put a thread's heap: 64 MiB of address space, aligned to as much. */
static char *reserve_thread_heap(void)
{
    char *all = mmap(NULL, 2 * THREAD_HEAP_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    size_t before = -(uintptr_t)all % THREAD_HEAP_BYTES;
    if (before)
        munmap(all, before);
    if (before < THREAD_HEAP_BYTES)
        munmap(all + before + THREAD_HEAP_BYTES, THREAD_HEAP_BYTES - before);
    return all + before;
}

static void a_threads_heap_is_told_by_what_it_reserves(void **state)
{
    struct gs_maps before, heap, block;
    const size_t bytes = 6 << 20;
    (void)state;
    assert_true(gs_maps_read(&before, arenas_rss));
    char *p = reserve_thread_heap();
    mprotect(p, bytes, PROT_READ | PROT_WRITE);
    memset(p, 1, bytes);
    assert_true(gs_maps_read(&heap, arenas_rss));
    assert_int_equal(heap.rss_of[GS_MAP_THREAD_HEAPS] - before.rss_of[GS_MAP_THREAD_HEAPS], bytes);
    munmap(p + bytes, THREAD_HEAP_BYTES - bytes);
    assert_true(gs_maps_read(&block, arenas_rss));
    assert_int_equal(block.rss_of[GS_MAP_THREAD_HEAPS], before.rss_of[GS_MAP_THREAD_HEAPS]);
    assert_near(block.rss_of[GS_MAP_OTHER] - before.rss_of[GS_MAP_OTHER], bytes, 256 << 10);
    munmap(p, bytes);
}

/* ---- the heap ---- */

static uint8_t window[4096];

/* A chunk of `size` at `p`; `prev` tells whether the one before it is in use. */
static uint8_t *put_chunk(uint8_t *p, uint64_t size, uint64_t prev)
{
    uint64_t word = size | prev;
    memcpy(p + 8, &word, sizeof(word));
    return p + size;
}

static _Alignas(16) uint8_t heap[16 << 10];

static void make_heap(void)
{
    memset(heap, 0, sizeof(heap));
    uint8_t *p = put_chunk(heap, 656, 1);
    p = put_chunk(p, 32, 1);
    p = put_chunk(p, 8000, 1); /* free: the next one says so */
    p = put_chunk(p, 48, 0);
    put_chunk(p, (uint64_t)(heap + sizeof(heap) - p), 1); /* top */
}

static bool walk(struct gs_heap_use *use)
{
    uintptr_t lo = (uintptr_t)heap;
    return gs_heap_walk(lo, lo + sizeof(heap), SECOND_NS, window, sizeof(window), use);
}

static void used_and_free_blocks_are_summed(void **state)
{
    struct gs_heap_use use;
    (void)state;
    make_heap();
    assert_true(walk(&use));
    assert_int_equal(use.in_use_bytes, 656 + 32 + 48);
    assert_int_equal(use.retained_bytes, sizeof(heap) - 656 - 32 - 48);
}

static void what_does_not_fit_together_is_refused(void **state)
{
    static const uint64_t bad[] = {0, 8, 24, 40 | 2, 656 | 4, 1 << 20, UINT64_MAX};
    struct gs_heap_use use;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        make_heap();
        memcpy(heap + 656 + 8, &bad[i], sizeof(bad[i]));
        assert_false(walk(&use));
    }
}

static void no_bytes_make_it_read_outside(void **state)
{
    struct gs_heap_use use;
    uint64_t x = 88172645463325252u;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        make_heap();
        for (int i = 0; i < 4; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            heap[x % sizeof(heap)] = (uint8_t)(x >> 32);
        }
        if (walk(&use))
            assert_int_equal(use.in_use_bytes + use.retained_bytes, sizeof(heap));
    }
}

/* The C library's own figures; small blocks that its caches hold count as in use here. */
static void the_real_heap_is_what_mallinfo_says(void **state)
{
    struct gs_maps maps;
    struct gs_heap_use use;
    void *blocks[2000];
    (void)state;
    assert_true(gs_maps_read(&maps, arenas_rss));
    if (!maps.heap_hi)
        skip(); /* a sanitizer's allocator has none */
    for (int i = 0; i < 2000; i++)
        blocks[i] = malloc(2000);
    for (int i = 0; i < 2000; i++)
        if (i % 4)
            free(blocks[i]);
    assert_true(gs_maps_read(&maps, arenas_rss));
    bool walked = gs_heap_walk(maps.heap_lo, maps.heap_hi, SECOND_NS, window, sizeof(window), &use);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)walked;
#else
    struct mallinfo2 said = mallinfo2();
    assert_true(walked);
    assert_near(use.in_use_bytes, said.uordblks, 64 << 10);
    assert_near(use.retained_bytes, said.fordblks, 64 << 10);
#endif
    for (int i = 0; i < 2000; i += 4)
        free(blocks[i]);
}

/* Tables of the agent's that are zero at first; here those of this program. */
static void zeroed_data_is_our_own_once_it_is_touched(void **state)
{
    static uint8_t table[1 << 20];
    (void)state;
    uint64_t before = gs_own_maps_rss(0, UINTPTR_MAX);
    memset(table, 1, sizeof(table));
    uint64_t after = gs_own_maps_rss(0, UINTPTR_MAX);
    assert_true(after - before >= sizeof(table) - 2 * 4096);
    assert_true(after - before <= sizeof(table) + (64 << 10));
    assert_int_equal(gs_own_maps_rss(0, 4096), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_add_up_to_what_the_kernel_says),
        cmocka_unit_test(each_kind_is_told_from_the_others),
        cmocka_unit_test(a_threads_heap_is_told_by_what_it_reserves),
        cmocka_unit_test(used_and_free_blocks_are_summed),
        cmocka_unit_test(what_does_not_fit_together_is_refused),
        cmocka_unit_test(no_bytes_make_it_read_outside),
        cmocka_unit_test(the_real_heap_is_what_mallinfo_says),
        cmocka_unit_test(zeroed_data_is_our_own_once_it_is_touched),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}

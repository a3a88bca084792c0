/* SPDX-License-Identifier: MIT */
#include "preload/alloc_table.h"

#include "preload/raw_sys.h"

#define SLOTS_PER_SAMPLE     4u /* where blocks of a region live densely */
#define MIN_SHIFT            4u /* blocks are aligned to 16 bytes */
#define FILTER_BITS          (GS_ALLOC_FILTER_WORDS * 32u)
#define COUNT_STUCK          UINT8_MAX
#define BUSY                 ((uintptr_t)1)
#define MADV_WIPEONFORK_FLAG 18

struct gs_alloc_filter gs_alloc_filter;

/* A key is the block's address, 0 where the slot is free, BUSY while it is filled. All
 * GS_ALLOC_PROBES slots are looked at whatever lies in them: so a slot is given back by one store,
 * there are no tombstones, and nothing moves under a reader.
 *
 * An address has its place by its upper bits, so that a small heap touches few pages. Every
 * 1/SLOTS_PER_SAMPLE of the mean has a slot, and Poisson points put one sample a mean there, so
 * GS_ALLOC_PROBES slots have 8 to hold, 32 with a probability of 1e-10. */
static uintptr_t *keys;
static struct gs_alloc_sample *samples;
static unsigned place_shift;

/* How many samples share a bit of the filter: who takes the last one clears it. */
static uint8_t *filter_counts;

/* ---- memory ---- */

static void *map_wiped(void *at, size_t len)
{
    long p = gs_syscall6(SYS_mmap, (long)at, (long)len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
    if (p < 0 && p > -4096)
        return NULL;
    return gs_sys3(SYS_madvise, p, len, MADV_WIPEONFORK_FLAG) == 0 ? (void *)p : NULL;
}

bool gs_alloc_table_init(uint64_t mean_bytes)
{
    place_shift = MIN_SHIFT;
    while (place_shift < 40 && (2u * SLOTS_PER_SAMPLE << place_shift) <= mean_bytes)
        place_shift++;
    samples = map_wiped(NULL, GS_ALLOC_SLOTS * (sizeof(*samples) + sizeof(*keys)) + FILTER_BITS);
    if (!samples)
        return false;
    keys = (uintptr_t *)(samples + GS_ALLOC_SLOTS);
    filter_counts = (uint8_t *)(keys + GS_ALLOC_SLOTS);
    return map_wiped(&gs_alloc_filter, sizeof(gs_alloc_filter)) != NULL;
}

/* ---- the filter ---- */

static uint32_t *filter_word(uintptr_t at)
{
    return &gs_alloc_filter.words[(at >> 9) % GS_ALLOC_FILTER_WORDS];
}

static uint32_t filter_bit(uintptr_t at)
{
    return 1u << ((at >> 4) & 31);
}

static void filter_add(uintptr_t at)
{
    uint8_t *count = &filter_counts[(at >> 4) % FILTER_BITS];
    uint8_t seen = __atomic_load_n(count, __ATOMIC_RELAXED);
    while (seen != COUNT_STUCK && !__atomic_compare_exchange_n(count, &seen, seen + 1, false,
                                                               __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        ;
    __atomic_fetch_or(filter_word(at), filter_bit(at), __ATOMIC_SEQ_CST);
}

/* Who adds one meanwhile (under another GIL) counts first and sets the bit then: either that comes
 * behind our clearing, or we see the count. Between the two, some ns, a free of the other's block
 * would pass unseen, and its sample live until its address is sampled again. */
static void filter_remove(uintptr_t at)
{
    uint8_t *count = &filter_counts[(at >> 4) % FILTER_BITS];
    uint8_t seen = __atomic_load_n(count, __ATOMIC_RELAXED);
    while (seen && seen != COUNT_STUCK &&
           !__atomic_compare_exchange_n(count, &seen, seen - 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        ;
    if (seen != 1)
        return;
    __atomic_fetch_and(filter_word(at), ~filter_bit(at), __ATOMIC_SEQ_CST);
    if (__atomic_load_n(count, __ATOMIC_SEQ_CST))
        __atomic_fetch_or(filter_word(at), filter_bit(at), __ATOMIC_SEQ_CST);
}

/* ---- the table ---- */

static uint32_t place_of(uintptr_t at)
{
    return (uint32_t)(at >> place_shift) % GS_ALLOC_PLACES;
}

/* The drain thread may be reading: no id, no sample. */
static void fill(struct gs_alloc_sample *to, const struct gs_alloc_sample *s)
{
    uint64_t id = s->id;
    __atomic_store_n(&to->id, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    to->t = s->t;
    to->bytes = s->bytes;
    to->points = s->points;
    to->thread = s->thread;
    to->stack = s->stack;
    to->domain = s->domain;
    __atomic_store_n(&to->id, id, __ATOMIC_RELEASE);
}

bool gs_alloc_table_put(const void *block, const struct gs_alloc_sample *s)
{
    uintptr_t at = (uintptr_t)block;
    uint32_t first = place_of(at);
    for (uint32_t i = first; i < first + GS_ALLOC_PROBES; i++) {
        uintptr_t is_free = 0;
        if (!__atomic_compare_exchange_n(&keys[i], &is_free, BUSY, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            continue;
        fill(&samples[i], s);
        __atomic_store_n(&keys[i], at, __ATOMIC_RELEASE);
        filter_add(at);
        return true;
    }
    return false;
}

bool gs_alloc_table_take(const void *block, struct gs_alloc_sample *out)
{
    uintptr_t at = (uintptr_t)block;
    uint32_t first = place_of(at);
    for (uint32_t i = first; at && i < first + GS_ALLOC_PROBES; i++) {
        if (__atomic_load_n(&keys[i], __ATOMIC_ACQUIRE) != at)
            continue;
        *out = samples[i];
        __atomic_store_n(&keys[i], 0, __ATOMIC_RELEASE);
        filter_remove(at);
        return true;
    }
    return false;
}

bool gs_alloc_table_read(uint32_t slot, uintptr_t *address, struct gs_alloc_sample *out)
{
    const struct gs_alloc_sample *s = &samples[slot];
    *address = __atomic_load_n(&keys[slot], __ATOMIC_ACQUIRE);
    if (*address <= BUSY)
        return false;
    uint64_t id = __atomic_load_n(&s->id, __ATOMIC_ACQUIRE);
    *out = *s;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return id && id == __atomic_load_n(&s->id, __ATOMIC_RELAXED) &&
           *address == __atomic_load_n(&keys[slot], __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: MIT */
#include "preload/arena_table.h"

#include "preload/agent_clock.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"

#define MAX_PROBES  64u
#define GROUP_SLOTS 64u /* a page of the table */
#define N_GROUPS    (GS_ARENA_SLOTS / GROUP_SLOTS)

size_t gs_arena_bytes;

static struct gs_arena *slots;
static uint8_t used_groups[N_GROUPS]; /* had a slot in use once: others need not be looked at */
static uint32_t news;                 /* slot + 1 of the newest in the list, 0: none */
static uint32_t taken;                /* drain: what is left of the list that was taken */
static struct gs_arena_counts counts;

bool gs_arenas_init(size_t arena_bytes)
{
    gs_arena_bytes = arena_bytes;
    if (!slots)
        slots = gs_map(GS_ARENA_SLOTS * sizeof(*slots));
    return slots != NULL;
}

uint32_t gs_arenas_slot_of(const struct gs_arena *a)
{
    return (uint32_t)(a - slots);
}

struct gs_arena *gs_arenas_at(uint32_t slot)
{
    return &slots[slot];
}

struct gs_arena_counts gs_arenas_counts(void)
{
    return counts;
}

static void count(uint64_t *n, uint64_t *bytes, int64_t by, size_t size)
{
    __atomic_fetch_add(n, (uint64_t)by, __ATOMIC_RELAXED);
    __atomic_fetch_add(bytes, (uint64_t)(by * (int64_t)size), __ATOMIC_RELAXED);
}

/* ---- the list of news ---- */

/* The consumer takes the whole list at once, so that a slot cannot come back under a push. */
static void list(struct gs_arena *a)
{
    if (__atomic_exchange_n(&a->listed, 1, __ATOMIC_ACQ_REL))
        return;
    uint32_t mine = gs_arenas_slot_of(a) + 1, head = __atomic_load_n(&news, __ATOMIC_RELAXED);
    do
        a->next = head;
    while (
        !__atomic_compare_exchange_n(&news, &head, mine, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* No longer listed before its state is looked at: what happens after is news again. */
struct gs_arena *gs_arenas_take_news(void)
{
    if (!taken)
        taken = __atomic_exchange_n(&news, 0, __ATOMIC_ACQUIRE);
    if (!taken)
        return NULL;
    struct gs_arena *a = &slots[taken - 1];
    taken = a->next;
    __atomic_store_n(&a->listed, 0, __ATOMIC_SEQ_CST);
    return a;
}

/* ---- slots ---- */

static bool change(struct gs_arena *a, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&a->state, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Arenas do not overlap: no two that live have the same home, but for some 64 GiB between them.
 * Each has two slots there: one that comes again at once finds room beside what is left of its last
 * life, also where the heap has no gaps. */
static uint32_t home_of(uintptr_t address)
{
    return (uint32_t)(address / gs_arena_bytes) * 2 % GS_ARENA_SLOTS;
}

static struct gs_arena *probe(uintptr_t address, uint32_t i)
{
    return &slots[(home_of(address) + i) % GS_ARENA_SLOTS];
}

static struct gs_arena *claim(uintptr_t address)
{
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        struct gs_arena *a = probe(address, i);
        if (__atomic_load_n(&a->state, __ATOMIC_RELAXED) == GS_ARENA_FREE &&
            change(a, GS_ARENA_FREE, GS_ARENA_CLAIMED)) {
            used_groups[gs_arenas_slot_of(a) / GROUP_SLOTS] = 1;
            return a;
        }
    }
    return NULL;
}

static bool lives(const struct gs_arena *a)
{
    uint32_t state = __atomic_load_n(&a->state, __ATOMIC_ACQUIRE);
    return state == GS_ARENA_NEW || state == GS_ARENA_LIVE || state == GS_ARENA_READING;
}

static struct gs_arena *find(uintptr_t address)
{
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        struct gs_arena *a = probe(address, i);
        if (lives(a) && a->address == address)
            return a;
    }
    return NULL;
}

/* ---- the hook ---- */

void gs_arenas_born(uintptr_t address, size_t bytes, uint32_t stack)
{
    if (!gs_arenas_is_arena(bytes)) {
        count(&counts.chunks, &counts.chunk_bytes, 1, bytes);
        return;
    }
    count(&counts.arenas, &counts.arena_bytes, 1, bytes);
    __atomic_fetch_add(&counts.born, 1, __ATOMIC_RELAXED);
    struct gs_arena *a = claim(address);
    if (!a) {
        __atomic_fetch_add(&counts.untracked, 1, __ATOMIC_RELAXED);
        return;
    }
    a->address = address;
    a->bytes = bytes;
    a->born_t = gs_now();
    a->stack = stack;
    __atomic_store_n(&a->state, GS_ARENA_NEW, __ATOMIC_SEQ_CST);
    list(a);
}

/* The drain thread may begin or end to read it at any moment: one of these fits. */
static bool leave(struct gs_arena *a)
{
    for (;;) {
        if (change(a, GS_ARENA_LIVE, GS_ARENA_DEAD))
            return true;
        if (change(a, GS_ARENA_READING, GS_ARENA_ZOMBIE))
            return false;
    }
}

bool gs_arenas_gone(uintptr_t address, size_t bytes)
{
    if (!gs_arenas_is_arena(bytes)) {
        count(&counts.chunks, &counts.chunk_bytes, -1, bytes);
        return true;
    }
    count(&counts.arenas, &counts.arena_bytes, -1, bytes);
    struct gs_arena *a = find(address);
    if (!a) {
        __atomic_fetch_sub(&counts.untracked, 1, __ATOMIC_RELAXED);
        return true;
    }
    if (change(a, GS_ARENA_NEW, GS_ARENA_FREE))
        return true;
    a->died_t = gs_now();
    bool may_unmap = leave(a);
    list(a);
    return may_unmap;
}

/* ---- the drain thread ---- */

bool gs_arenas_make_known(struct gs_arena *a)
{
    return change(a, GS_ARENA_NEW, GS_ARENA_LIVE);
}

bool gs_arenas_begin_read(struct gs_arena *a)
{
    return change(a, GS_ARENA_LIVE, GS_ARENA_READING);
}

bool gs_arenas_end_read(struct gs_arena *a)
{
    return change(a, GS_ARENA_READING, GS_ARENA_LIVE);
}

void gs_arenas_bury(struct gs_arena *a)
{
    change(a, GS_ARENA_ZOMBIE, GS_ARENA_DEAD);
}

void gs_arenas_release(struct gs_arena *a)
{
    change(a, GS_ARENA_DEAD, GS_ARENA_FREE);
}

/* A slot that another thread of the parent was filling in or that was being told of as the process
 * forked is settled here; ids of stacks are the parent's. */
static void renew(struct gs_arena *a, void (*give_back)(uintptr_t, size_t))
{
    if (a->state == GS_ARENA_ZOMBIE)
        give_back(a->address, a->bytes);
    a->listed = 0;
    a->stack = 0;
    a->state = lives(a) ? GS_ARENA_NEW : GS_ARENA_FREE;
    if (a->state == GS_ARENA_NEW)
        list(a);
}

void gs_arenas_after_fork(void (*give_back)(uintptr_t address, size_t bytes))
{
    news = taken = 0;
    for (uint32_t g = 0; g < N_GROUPS; g++)
        for (uint32_t i = 0; used_groups[g] && i < GROUP_SLOTS; i++)
            renew(&slots[g * GROUP_SLOTS + i], give_back);
}

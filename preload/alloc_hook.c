/* SPDX-License-Identifier: MIT */
#include "preload/alloc_hook.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/alloc_table.h"
#include "preload/elf_symbols.h"
#include "preload/ring_spill.h"
#include "preload/sampler.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define COLD      __attribute__((noinline, cold))
#define RARELY(x) __builtin_expect(!!(x), 0)
#define NEVER     (INT64_MAX / 2)

/* CPython's PyMemAllocatorEx, since 3.5. */
struct allocator {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t n, size_t size);
    void *(*realloc)(void *ctx, void *block, size_t size);
    void (*free)(void *ctx, void *block);
};

/* What our hooks get as ctx: where to pass calls on. */
struct domain {
    struct allocator next;
    int python_id;   /* PyMemAllocatorDomain */
    uint8_t id;      /* enum gs_alloc_domain */
    uintptr_t place; /* of CPython's own struct for it; 0: not found */
};
static struct domain domains[] = {{.python_id = 2, .id = GS_ALLOC_OBJ},
                                  {.python_id = 1, .id = GS_ALLOC_MEM}};
#define N_DOMAINS (sizeof(domains) / sizeof(domains[0]))

/* Bytes to the next point, of the process. The GIL serialises who counts it down. Under several
 * GILs a step may be lost: that moves a point, by chance and not by who allocates. */
static int64_t left = NEVER;

static uint64_t rng, next_id;
static uint64_t wanted_scale = 1; /* of the mean; raised by the governor */
static uint64_t scale = 1;        /* with which the next point was drawn */
static struct gs_alloc_counts counts;

static void count(uint64_t *what)
{
    __atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

/* True when a point has fallen into these bytes. */
static inline bool count_down(size_t bytes)
{
    int64_t now = (int64_t)((uint64_t)__atomic_load_n(&left, __ATOMIC_RELAXED) - bytes);
    __atomic_store_n(&left, now, __ATOMIC_RELAXED);
    return now <= 0;
}

/* ---- a sample ---- */

static bool put_alloc(struct gs_thread *t, const void *block, const struct gs_alloc_sample *s)
{
    const struct gs_slot slots[2] = {{.t = s->t,
                                      .dur = (uintptr_t)block,
                                      .stack = s->stack,
                                      .a = s->points,
                                      .flags = s->domain,
                                      .kind = GS_SLOT_ALLOC},
                                     {.t = s->id, .dur = s->bytes, .kind = GS_SLOT_ALLOC_MORE}};
    return gs_row_put(t, slots, 2);
}

/* By a thread without state (it never met a GIL, or there was no memory) it is lost, too. */
static void put_free(const struct gs_alloc_sample *s)
{
    struct gs_thread *t = gs_thread_self();
    const struct gs_slot slot = {.t = gs_now(), .dur = s->id, .kind = GS_SLOT_FREE};
    if (t && gs_row_put(t, &slot, 1))
        return;
    count(&counts.lost_frees);
    if (t)
        t->dropped++;
}

/* A sample of this address that still lives was freed past our hooks, by an allocator that was
 * installed over ours later, or before. */
static void end_previous(const void *block)
{
    struct gs_alloc_sample old;
    if (gs_alloc_may_live(block) && gs_alloc_table_take(block, &old))
        put_free(&old);
}

static bool lose_row(struct gs_thread *t)
{
    t->dropped++;
    return false;
}

/* Nobody else knows the block yet, so it cannot be freed between the table and the row: a row that
 * is lost leaves nothing behind. */
static bool record(struct gs_thread *t, const struct domain *d, const void *block, size_t bytes,
                   uint64_t points)
{
    if (!gs_row_has_room(t))
        return lose_row(t);
    end_previous(block);
    struct gs_alloc_sample s = {.id = __atomic_add_fetch(&next_id, 1, __ATOMIC_RELAXED),
                                .t = gs_now(),
                                .bytes = bytes,
                                .points = points < UINT32_MAX ? (uint32_t)points : UINT32_MAX,
                                .thread = t->idx,
                                .stack = gs_current_stack(t),
                                .domain = d->id};
    if (!gs_alloc_table_put(block, &s))
        return false;
    if (put_alloc(t, block, &s))
        return true;
    gs_alloc_table_take(block, &s);
    return lose_row(t);
}

/* All of it counts as the cost of stacks: the governor can shed it. */
static void sample(const struct domain *d, const void *block, size_t bytes, uint64_t points)
{
    struct gs_thread *t = gs_thread_self();
    uint64_t before = t ? t->stack_ticks : 0, t0 = gs_now();
    count(&counts.samples);
    if (!t || !record(t, d, block, bytes, points))
        count(&counts.lost_allocs);
    if (t)
        t->stack_ticks = before + gs_cost_since(t0);
}

static uint64_t mean_bytes(void)
{
    return gs_agent.config.alloc_interval_bytes * scale;
}

/* Points count for the mean they were drawn with; behind them another may begin. */
static uint64_t draw_points(int64_t *countdown, size_t bytes)
{
    uint64_t points = gs_poisson_points(countdown, mean_bytes(), &rng, bytes) * scale;
    uint64_t wanted = __atomic_load_n(&wanted_scale, __ATOMIC_RELAXED);
    if (RARELY(scale != wanted)) {
        scale = wanted;
        *countdown = gs_poisson_gap(mean_bytes(), &rng);
    }
    return points;
}

/* Behind the allocation, for one that failed takes no point. A forked child that has not begun
 * anew, or a recording that has ended, draws no more. */
static void take_points(const struct domain *d, const void *block, size_t bytes)
{
    int64_t before = (int64_t)((uint64_t)__atomic_load_n(&left, __ATOMIC_RELAXED) + bytes);
    uint64_t points = 0;
    if (gs_live.mode == GS_LIVE_NO)
        before = NEVER;
    else if (block)
        points = draw_points(&before, bytes);
    __atomic_store_n(&left, before, __ATOMIC_RELAXED);
    if (points)
        sample(d, block, bytes, points);
}

/* ---- the hooks ---- */

static COLD void *malloc_hit(const struct domain *d, size_t size)
{
    void *block = d->next.malloc(d->next.ctx, size);
    take_points(d, block, size);
    return block;
}

static void *hook_malloc(void *ctx, size_t size)
{
    const struct domain *d = ctx;
    if (RARELY(count_down(size)))
        return malloc_hit(d, size);
    return d->next.malloc(d->next.ctx, size);
}

static COLD void *calloc_hit(const struct domain *d, size_t n, size_t size)
{
    void *block = d->next.calloc(d->next.ctx, n, size);
    take_points(d, block, n * size);
    return block;
}

static void *hook_calloc(void *ctx, size_t n, size_t size)
{
    const struct domain *d = ctx;
    size_t bytes;
    if (!RARELY(__builtin_mul_overflow(n, size, &bytes)) && RARELY(count_down(bytes)))
        return calloc_hit(d, n, size);
    return d->next.calloc(d->next.ctx, n, size);
}

/* The old block's sample ends and the new one is drawn for as a block of its own. So what a live
 * block counts for depends on its size now, and not on the way it came to it; to draw for the
 * growth alone would need the sample of a block that shrinks to be thinned. The sample leaves the
 * table first: in another interpreter the address may be another's before we are back. */
static COLD void *realloc_hit(const struct domain *d, void *block, size_t size)
{
    struct gs_alloc_sample old;
    bool lived = gs_live.mode != GS_LIVE_NO && gs_alloc_table_take(block, &old);
    void *moved = d->next.realloc(d->next.ctx, block, size);
    if (lived && moved)
        put_free(&old);
    else if (lived && !gs_alloc_table_put(block, &old))
        count(&counts.lost_frees);
    if (!moved || __atomic_load_n(&left, __ATOMIC_RELAXED) <= 0)
        take_points(d, moved, size);
    return moved;
}

static void *hook_realloc(void *ctx, void *block, size_t size)
{
    const struct domain *d = ctx;
    if (RARELY(count_down(size) | gs_alloc_may_live(block)))
        return realloc_hit(d, block, size);
    return d->next.realloc(d->next.ctx, block, size);
}

static COLD void free_hit(const struct domain *d, void *block)
{
    struct gs_alloc_sample old;
    if (gs_live.mode != GS_LIVE_NO && gs_alloc_table_take(block, &old))
        put_free(&old);
    d->next.free(d->next.ctx, block);
}

static void hook_free(void *ctx, void *block)
{
    const struct domain *d = ctx;
    if (RARELY(gs_alloc_may_live(block)))
        free_hit(d, block);
    else
        d->next.free(d->next.ctx, block);
}

static struct allocator ours(struct domain *d)
{
    return (struct allocator){d, hook_malloc, hook_calloc, hook_realloc, hook_free};
}

/* ---- installing ---- */

typedef void get_or_set(int domain, struct allocator *a);
static const char *why_not = "Python is not there yet";

/* Python keeps what it was given in a struct of its own that no symbol names. The address of our
 * domain stands nowhere else in its data. */
static uintptr_t find_place(const struct gs_elf_object *python, struct domain *d)
{
    struct allocator want = ours(d);
    uintptr_t at = (python->data_lo + 7) & ~(uintptr_t)7;
    uintptr_t end = python->data_lo + python->data_len;
    for (; at + sizeof(want) <= end; at += sizeof(uintptr_t))
        if (*(const uintptr_t *)at == (uintptr_t)d &&
            !memcmp((const void *)at, &want, sizeof(want)))
            return at;
    return 0;
}

static const char *install(const struct gs_elf_object *python, bool in_hook)
{
    get_or_set *get = (get_or_set *)gs_elf_symbol(python, "PyMem_GetAllocator");
    get_or_set *set = (get_or_set *)gs_elf_symbol(python, "PyMem_SetAllocator");
    if (gs_agent.abi.free_threaded)
        return "a free-threaded Python has allocators that are not sampled";
    if (in_hook)
        return "Python was loaded after the program had started";
    if (!get || !set)
        return "this Python has no hooks for them";
    if (!gs_alloc_table_init(gs_agent.config.alloc_interval_bytes))
        return "no memory, or no MADV_WIPEONFORK";
    for (size_t i = 0; i < N_DOMAINS; i++) {
        struct allocator mine = ours(&domains[i]);
        get(domains[i].python_id, &domains[i].next);
        set(domains[i].python_id, &mine);
        domains[i].place = find_place(python, &domains[i]);
    }
    return NULL;
}

void gs_alloc_install(const struct gs_elf_object *python, bool in_hook)
{
    if (gs_agent.config.alloc)
        why_not = install(python, in_hook);
}

void gs_alloc_begin(void)
{
    next_id = 0;
    scale = wanted_scale = 1;
    counts = (struct gs_alloc_counts){0};
    rng = gs_agent.process_key | 1;
    left = gs_poisson_gap(mean_bytes(), &rng);
}

void gs_alloc_fewer(void)
{
    __atomic_store_n(&wanted_scale, wanted_scale * 10, __ATOMIC_RELAXED);
}

struct gs_alloc_counts gs_alloc_counts(void)
{
    return counts;
}

const char *gs_alloc_why_not(void)
{
    return why_not;
}

int64_t gs_alloc_countdown(void)
{
    return __atomic_load_n(&left, __ATOMIC_RELAXED);
}

bool gs_alloc_is_installed(void)
{
    for (size_t i = 0; i < N_DOMAINS; i++) {
        struct allocator want = ours(&domains[i]), now;
        if (domains[i].place && (!gs_safe_read(&now, domains[i].place, sizeof(now)) ||
                                 memcmp(&now, &want, sizeof(now))))
            return false;
    }
    return true;
}

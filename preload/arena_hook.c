/* SPDX-License-Identifier: MIT */
#include "preload/arena_hook.h"

#include <stddef.h>
#include <stdint.h>

#include "preload/agent.h"
#include "preload/arena_table.h"
#include "preload/elf_symbols.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"

#define SEARCH_BYTES 8192u

/* PyObjectArenaAllocator */
struct arena_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t size);
    void (*free)(void *ctx, void *arena, size_t size);
};

static struct arena_allocator next;
static uintptr_t in_use; /* address of the `alloc` that Python calls; 0: not found */

/* The thread holds the GIL, or it would not be here; before its first turn nothing is known. */
static uint32_t stack_of_caller(void)
{
    struct gs_thread *t = gs_thread_self();
    if (gs_live.mode == GS_LIVE_NO || !gs_agent.level || !t || t->open_kind != GS_OPEN_HOLDING)
        return 0;
    return gs_current_stack_native(t);
}

static void *arena_alloc(void *ctx, size_t size)
{
    void *arena = next.alloc(next.ctx, size);
    (void)ctx;
    if (arena)
        gs_arenas_born((uintptr_t)arena, size, gs_arenas_is_arena(size) ? stack_of_caller() : 0);
    return arena;
}

/* Told before it is unmapped: behind that, its addresses may be another arena's. */
static void arena_free(void *ctx, void *arena, size_t size)
{
    (void)ctx;
    if (!arena || gs_arenas_gone((uintptr_t)arena, size))
        next.free(next.ctx, arena, size);
}

/* We come before all others (initfirst), so `next` is CPython's own: an munmap(). */
void gs_arena_hook_give_back(uintptr_t arena, size_t bytes)
{
    next.free(next.ctx, (void *)arena, bytes); /* NOLINT: an address it gave us */
}

/* From 3.12 on the allocators stand near the beginning of _PyRuntime, and a second Py_Initialize()
 * sets them back. To ask for them then takes a lock of Python's, and may wait for it: look instead.
 */
static uintptr_t find_in_use(const struct gs_elf_object *python)
{
    static uintptr_t words[SEARCH_BYTES / sizeof(uintptr_t)];
    uintptr_t runtime = gs_elf_symbol(python, "_PyRuntime");
    if (!runtime || !gs_safe_read(words, runtime, sizeof(words)))
        return 0;
    for (size_t i = 0; i < SEARCH_BYTES / sizeof(uintptr_t); i++)
        if (words[i] == (uintptr_t)arena_alloc)
            return runtime + i * sizeof(uintptr_t);
    return 0;
}

bool gs_arena_hook_install(const struct gs_elf_object *python)
{
    typedef void (*exchange)(struct arena_allocator *);
    exchange get = (exchange)gs_elf_symbol(python, "PyObject_GetArenaAllocator");
    exchange set = (exchange)gs_elf_symbol(python, "PyObject_SetArenaAllocator");
    if (!get || !set)
        return false;
    get(&next);
    set(&(struct arena_allocator){NULL, arena_alloc, arena_free});
    in_use = find_in_use(python);
    return true;
}

bool gs_arena_hook_is_in_place(void)
{
    uintptr_t now = 0;
    return !in_use || !gs_safe_read(&now, in_use, sizeof(now)) || now == (uintptr_t)arena_alloc;
}

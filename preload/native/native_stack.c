/* SPDX-License-Identifier: MIT */
#include "preload/native/native_stack.h"

#include "preload/agent.h"
#include "preload/native/unwind_cache.h"
#include "preload/stack_intern.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"

/* In a thread's scratch, once its Python frames have an id. */
struct room {
    struct gs_native_frame frames[GS_NATIVE_MAX_DEPTH];
    uint8_t tables[GS_UNWIND_ROOM];
    uint8_t stack[];
};

bool gs_native_begin(bool in_hook)
{
    if (!gs_native_modules_init() || !gs_unwind_cache_init())
        return false;
    if (!in_hook)
        gs_native_modules_find();
    return true;
}

/* The hooks' own frames are nobody's business. */
static size_t own_frames(const struct gs_native_frame *frames, size_t n)
{
    struct gs_native_table table = gs_native_table();
    const struct gs_native_module *agent =
        gs_native_module_at(&table, (uint64_t)(uintptr_t)gs_native_begin);
    size_t skip = 0;
    while (agent && skip < n && frames[skip].module == agent->id)
        skip++;
    return skip;
}

__attribute__((noinline)) uint32_t gs_native_own_stack(struct gs_thread *t, uint32_t python,
                                                       size_t n_py)
{
    struct room *room = (struct room *)(((uintptr_t)t->scratch + 15) & ~(uintptr_t)15); /* NOLINT */
    struct gs_native_regs regs = gs_native_regs_here();
    struct gs_stack_copy stack = {.base = regs.sp & ~(uint64_t)7,
                                  .bytes = room->stack,
                                  .cap = sizeof(t->scratch) - 16 - sizeof(*room),
                                  .own = true};
    bool truncated;
    size_t n = gs_native_unwind(&regs, &stack, room->frames, GS_NATIVE_MAX_DEPTH, &truncated,
                                room->tables);
    size_t skip = own_frames(room->frames, n);
    return gs_native_join(python, t->frames, n_py, room->frames + skip, n - skip, truncated);
}

uint32_t gs_native_join(uint32_t python, const struct gs_py_frame *py, size_t n_py,
                        const struct gs_native_frame *frames, size_t n, bool truncated)
{
    uint8_t runs[GS_PY_MAX_DEPTH];
    size_t n_runs = 0;
    uint8_t length = 0;
    if (n == 0)
        return python;
    for (size_t i = 0; i < n_py; i++) {
        length++;
        if (py[i].entry || i + 1 == n_py) {
            runs[n_runs++] = length;
            length = 0;
        }
    }
    uint32_t id = gs_stack_intern_native(python, runs, n_runs, frames, n, truncated);
    return id ? id : python;
}

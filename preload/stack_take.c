/* SPDX-License-Identifier: MIT */
#include "preload/stack_take.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/native/native_stack.h"
#include "preload/pyabi/pyabi_probe.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define MAX_COST_NS 100000u

/* Ticks go on while the kernel lets another thread run here: on a busy machine that would count as
 * ours, so no walk counts as longer than the longest that was not interrupted. */
uint64_t gs_cost_since(uint64_t t0)
{
    uint64_t cost = gs_now() - t0, max = gs_ticks_of_ns(MAX_COST_NS);
    return cost < max ? cost : max;
}

static inline uint32_t own_stack(struct gs_thread *t, uintptr_t tstate, bool native)
{
    if (!tstate || !gs_agent.stacks)
        return GS_STACK_NONE;
    uint64_t t0 = gs_now();
    bool truncated;
    size_t n = gs_pyabi_walk_self(&gs_agent.abi, tstate, t->frames, GS_PY_MAX_DEPTH, &truncated);
    uint32_t id = gs_stack_intern(t->frames, n, truncated, t->scratch, sizeof(t->scratch));
    if (native && id != GS_STACK_NONE)
        id = gs_native_own_stack(t, id, n);
    t->stack_ticks += gs_cost_since(t0);
    return id;
}

uint32_t gs_own_stack(struct gs_thread *t, uintptr_t tstate)
{
    return own_stack(t, tstate, false);
}

uint32_t gs_own_stack_native(struct gs_thread *t, uintptr_t tstate)
{
    return own_stack(t, tstate, gs_agent.native);
}

uint32_t gs_other_stack(struct gs_thread *me, uintptr_t tstate, uint64_t *cost)
{
    uint64_t t0 = gs_now();
    bool truncated;
    size_t n = gs_pyabi_walk_other(&gs_agent.abi, tstate, me->frames, GS_PY_MAX_DEPTH, &truncated,
                                   me->scratch, sizeof(me->scratch));
    uint32_t id = gs_stack_intern(me->frames, n, truncated, me->scratch, sizeof(me->scratch));
    *cost = gs_cost_since(t0);
    me->stack_ticks += *cost;
    return id;
}

/* The main interpreter's GIL lies in Python's static data. Another's may be gone with its
 * interpreter, in the midst of a turn. */
static uintptr_t holders_tstate(const struct gs_gil *g)
{
    uintptr_t tstate = 0;
    if (g->interpreter == 0)
        return gs_gil_last_holder(g);
    return gs_safe_read(&tstate, g->cond + GS_LAST_HOLDER_OFF, sizeof(tstate)) ? tstate : 0;
}

/* A thread's first state lives while the thread runs Python; the main thread's (in a forked child,
 * that of the thread which forked) until Py_Finalize() frees it, and goes on. */
static bool surely_lives(const struct gs_thread *t, uintptr_t tstate)
{
    return tstate == t->home_tstate &&
           (t->tid != gs_agent.pid || !gs_pyabi_is_finalizing(&gs_agent.abi));
}

/* While it holds the GIL a thread's state is the GIL's; else the one it last had frames on. The
 * GIL's may be that of a sub-interpreter which ended in this turn (3.9 to 3.12 change states
 * without a release): what does not surely live is read as a stranger's is. */
static inline uint32_t current_stack(struct gs_thread *t, bool native)
{
    uint64_t cost;
    if (t->open_kind != GS_OPEN_HOLDING || t->gil->holder != t)
        return own_stack(t, t->tstate, native);
    uintptr_t tstate = holders_tstate(t->gil);
    if (surely_lives(t, tstate) || !gs_agent.stacks)
        return own_stack(t, tstate, native);
    return gs_agent.safe_read ? gs_other_stack(t, tstate, &cost) : GS_STACK_NONE;
}

uint32_t gs_current_stack(struct gs_thread *t)
{
    return current_stack(t, false);
}

uint32_t gs_current_stack_native(struct gs_thread *t)
{
    return current_stack(t, gs_agent.native);
}

void gs_learn_thread_name(struct gs_thread *t, uintptr_t tstate)
{
    char name[GS_NAME_BYTES];
    t->py_name_tries++;
    size_t n = gs_pyabi_thread_name(&gs_agent.abi, tstate, name, sizeof(name));
    if (!n)
        return;
    t->py_name_tries = UINT8_MAX;
    memcpy(t->py_name, name, n);
    __atomic_store_n(&t->py_name_len, (uint32_t)n, __ATOMIC_RELEASE);
}

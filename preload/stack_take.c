/* SPDX-License-Identifier: MIT */
#include "preload/stack_take.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define MAX_COST_NS 100000u

/* Ticks go on while the kernel lets another thread run here: on a busy machine that would count as
 * ours, so no walk counts as longer than the longest that was not interrupted. */
static uint64_t cost_since(uint64_t t0)
{
    uint64_t cost = gs_now() - t0, max = gs_ticks_of_ns(MAX_COST_NS);
    return cost < max ? cost : max;
}

uint32_t gs_own_stack(struct gs_thread *t, uintptr_t tstate)
{
    if (!tstate || !gs_agent.stacks)
        return GS_STACK_NONE;
    uint64_t t0 = gs_now();
    bool truncated;
    size_t n = gs_pyabi_walk_self(&gs_agent.abi, tstate, t->frames, GS_PY_MAX_DEPTH, &truncated);
    uint32_t id = gs_stack_intern(t->frames, n, truncated, t->scratch, sizeof(t->scratch));
    t->stack_ticks += cost_since(t0);
    return id;
}

uint32_t gs_other_stack(struct gs_thread *me, uintptr_t tstate, uint64_t *cost)
{
    uint64_t t0 = gs_now();
    bool truncated;
    size_t n = gs_pyabi_walk_other(&gs_agent.abi, tstate, me->frames, GS_PY_MAX_DEPTH, &truncated,
                                   me->scratch, sizeof(me->scratch));
    uint32_t id = gs_stack_intern(me->frames, n, truncated, me->scratch, sizeof(me->scratch));
    *cost = cost_since(t0);
    me->stack_ticks += *cost;
    return id;
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

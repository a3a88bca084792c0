/* SPDX-License-Identifier: MIT */
#include "preload/sync_rows.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/ring_spill.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"

static uint64_t away_ticks, look_ticks;

void gs_sync_begin(void)
{
    away_ticks = gs_ticks_of_ns(GS_AWAY_NS);
    look_ticks = gs_ticks_of_ns(GS_LOOK_NS);
}

void gs_sync_row(enum gs_sync_op op, uintptr_t object, uint64_t value, uint64_t now)
{
    struct gs_thread *t = gs_thread_self();
    if (!t) /* its turn began before the recording did: it is not known yet */
        return;
    t->edge_hooks += 2; /* stamps */
    struct gs_slot slot = {.t = now,
                           .dur = value,
                           .seq = (uint32_t)((uint64_t)object >> 32),
                           .a = (uint32_t)object,
                           .flags = (uint16_t)op,
                           .kind = GS_SLOT_SYNC};
    if (gs_row_has_room(t)) {
        slot.stack = gs_current_stack(t);
        if (gs_row_put(t, &slot, 1))
            return;
    }
    t->dropped++;
}

/* The clock is read behind the stamp: the system call is no part of the time away. */
static __attribute__((noinline, cold)) void put_cpu(struct gs_thread *t, uint64_t now)
{
    struct gs_slot slot = {.t = now, .flags = GS_SYNC_CPU, .kind = GS_SLOT_SYNC};
    t->looked_t = now;
    slot.dur = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!gs_row_has_room(t) || !gs_row_put(t, &slot, 1))
        t->dropped++;
}

void gs_sync_back(struct gs_thread *t, uint64_t now)
{
    uint64_t left_t = t->left_t;
    t->left_t = 0;
    bool is_due = now - left_t >= away_ticks || now - t->looked_t >= look_ticks;
    if (left_t && is_due && gs_agent.locks)
        put_cpu(t, now);
}

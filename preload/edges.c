/* SPDX-License-Identifier: MIT */
#include "preload/edges.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/ring_spill.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define BUCKETS 1024u

static struct bucket {
    uint32_t waiting; /* threads blocked on semaphores that hash here */
    uint32_t waker, waker_stack;
    uint64_t post_t;
    uintptr_t sem;
} buckets[BUCKETS];

static uint32_t bucket_of(uintptr_t sem)
{
    return (uint32_t)((sem >> 4) * 0x9e3779b97f4a7c15u >> 54);
}

struct gs_edge_wait gs_edge_wait_begin(uintptr_t sem)
{
    struct gs_thread *t = gs_thread_self();
    struct gs_edge_wait w = {gs_now(), bucket_of(sem), GS_STACK_NONE};
    if (t && gs_agent.level > 0)
        w.stack = gs_current_stack(t);
    __atomic_fetch_add(&buckets[w.bucket].waiting, 1, __ATOMIC_ACQ_REL);
    return w;
}

void gs_edge_wait_end(const struct gs_edge_wait *w, uintptr_t sem, int rc)
{
    struct gs_thread *t = gs_thread_self();
    struct bucket *b = &buckets[w->bucket];
    uint64_t now = gs_now();
    uint64_t post_t = __atomic_load_n(&b->post_t, __ATOMIC_ACQUIRE);
    bool known = rc == 0 && b->sem == sem && post_t >= w->begin_t && post_t <= now;
    __atomic_fetch_sub(&b->waiting, 1, __ATOMIC_ACQ_REL);
    if (t && known) {
        t->woken_t = now;
        t->woken_by = b->waker;
    }
    if (!t)
        return;
    t->edge_hooks += 2;
    if (gs_agent.level == 0)
        return;
    const struct gs_slot slots[2] = {{.t = now,
                                      .dur = now - w->begin_t,
                                      .stack = w->stack,
                                      .a = known ? b->waker : GS_EDGE_NO_WAKER,
                                      .seq = known ? b->waker_stack : GS_STACK_NONE,
                                      .flags = rc != 0,
                                      .kind = GS_SLOT_EDGE},
                                     {.dur = known ? now - post_t : 0, .kind = GS_SLOT_EDGE_POST}};
    t->dropped += !gs_row_put(t, slots, 2);
}

void gs_edge_post(uintptr_t sem)
{
    struct bucket *b = &buckets[bucket_of(sem)];
    struct gs_thread *t = gs_thread_self();
    if (!t || !__atomic_load_n(&b->waiting, __ATOMIC_ACQUIRE))
        return;
    b->waker = t->idx;
    b->waker_stack = gs_agent.level > 0 ? gs_current_stack(t) : GS_STACK_NONE;
    b->sem = sem;
    __atomic_store_n(&b->post_t, gs_now(), __ATOMIC_RELEASE);
}

void gs_edges_forget(void)
{
    __builtin_memset(buckets, 0, sizeof(buckets));
}

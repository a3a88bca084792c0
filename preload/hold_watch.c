/* SPDX-License-Identifier: MIT */
#include "preload/hold_watch.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/native/hold_perf.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define LONG_HOLD_NS 10000000u
#define IDLE_TICKS   100u /* short ticks go on for this many after the last use */

struct gs_ring gs_hold_watch_ring;

static struct {
    uint64_t seq_sum;
    uint32_t quiet_ticks;
    struct gs_py_frame frames[GS_PY_MAX_DEPTH];
    uint8_t scratch[GS_SCRATCH_BYTES];
} watch;

void gs_hold_watch_forget(void)
{
    watch.seq_sum = watch.quiet_ticks = 0;
    gs_hold_perf_forget();
    gs_hold_watch_ring.head = gs_hold_watch_ring.tail = gs_hold_watch_ring.tail_seen = 0;
}

bool gs_hold_watch_active(void)
{
    return watch.quiet_ticks < IDLE_TICKS;
}

static bool still_holds(const struct gs_thread *t, uint64_t seq)
{
    return __atomic_load_n(&t->open_kind, __ATOMIC_ACQUIRE) == GS_OPEN_HOLDING &&
           __atomic_load_n(&t->acq_seq, __ATOMIC_ACQUIRE) == seq;
}

/* A GIL on the heap may be freed under us: its words are read fault-safely too. */
static void sample(struct gs_gil *g, struct gs_thread *t, uint64_t seq, uint64_t since,
                   uint64_t now)
{
    bool truncated;
    uintptr_t tstate;
    if (!gs_safe_read(&tstate, g->cond + GS_LAST_HOLDER_OFF, sizeof(tstate)))
        return;
    size_t n = gs_pyabi_walk_other(&gs_agent.abi, tstate, watch.frames, GS_PY_MAX_DEPTH, &truncated,
                                   watch.scratch, sizeof(watch.scratch));
    uint32_t stack =
        gs_stack_intern(watch.frames, n, truncated, watch.scratch, sizeof(watch.scratch));
    if (gs_agent.native && stack != GS_STACK_NONE)
        stack = gs_hold_perf_join(&(struct gs_watched_hold){.gil = g->idx,
                                                            .tid = t->tid,
                                                            .seq = (uint32_t)seq,
                                                            .since_t = since,
                                                            .t = now,
                                                            .python = stack,
                                                            .py = watch.frames,
                                                            .n_py = n});
    if (stack == GS_STACK_NONE || !still_holds(t, seq) || !gs_ring_has_room(&gs_hold_watch_ring, 1))
        return;
    __atomic_store_n(&g->sampled_seq, seq, __ATOMIC_RELAXED);
    gs_ring_put(&gs_hold_watch_ring, &(struct gs_slot){.t = now,
                                                       .seq = (uint32_t)seq,
                                                       .stack = stack,
                                                       .a = t->idx,
                                                       .flags = GS_HOLDER_BY_DRAIN,
                                                       .gil = (uint8_t)g->idx,
                                                       .kind = GS_SLOT_HOLDER_SAMPLE});
}

/* Its turn, if it is a long one. */
static void watch_gil(struct gs_gil *g, uint64_t now, bool may_sample)
{
    struct gs_thread *t = __atomic_load_n(&g->holder, __ATOMIC_ACQUIRE);
    if (!t)
        return;
    uint64_t seq = __atomic_load_n(&t->acq_seq, __ATOMIC_ACQUIRE);
    if (!still_holds(t, seq))
        return;
    watch.quiet_ticks = 0;
    uint64_t since = __atomic_load_n(&t->acq_t, __ATOMIC_RELAXED);
    if (may_sample && (int64_t)(now - since) > (int64_t)gs_ticks_of_ns(LONG_HOLD_NS))
        sample(g, t, seq, since, now);
}

void gs_hold_watch(uint64_t now)
{
    uint64_t seq_sum = 0;
    bool may_sample = gs_agent.safe_read && gs_agent.stacks && gs_agent.level > 0;
    watch.quiet_ticks++;
    for (uint32_t i = 0; i < GS_MAX_GILS; i++) {
        struct gs_gil *g = &gs_gils[i];
        uintptr_t cond = __atomic_load_n(&g->cond, __ATOMIC_ACQUIRE);
        if (!cond || cond == GS_GIL_GONE)
            continue;
        seq_sum += __atomic_load_n(&g->seq, __ATOMIC_RELAXED);
        watch_gil(g, now, may_sample);
    }
    if (gs_agent.config.native)
        gs_hold_perf_tick(now);
    if (seq_sum != watch.seq_sum)
        watch.quiet_ticks = 0;
    watch.seq_sum = seq_sum;
}

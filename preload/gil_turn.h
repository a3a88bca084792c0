/* SPDX-License-Identifier: MIT
 * The hot path: a turn that nobody waits for, on the GIL its thread used last. Inlined into the
 * interposed pthread_cond_signal() it is a leaf: no stack frame, one cache line of the GIL's and
 * three of the thread's. Whatever is rare (a wait, a sample, a name to learn, a drain thread to
 * start) makes it decline, before it has written anything; gs_gil_signal() then does all of it.
 * CTX: as gil.h.
 */
#ifndef GS_GIL_TURN_H
#define GS_GIL_TURN_H

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/pyabi/pyabi_probe.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"

/* `t` holds `g` now. The caller sets acq_t, and open_kind last. */
static inline void gs_turn_begin(struct gs_gil *g, struct gs_thread *t)
{
    uint64_t seq = g->seq + 1;
    __atomic_store_n(&g->seq, seq, __ATOMIC_RELAXED);
    g->holder = t;
    t->acq_seq = seq;
    t->tot.acquisitions++;
}

/* With frames of this thread on it, the thread state cannot be freed while we are away. */
static inline uintptr_t gs_turn_tstate(const struct gs_thread *t)
{
    uintptr_t tstate = gs_gil_last_holder_at(t->cond);
    return gs_pyabi_has_frame(&gs_agent.abi, tstate) ? tstate : 0;
}

/* The turn ends; how it is kept is for the caller. */
static inline void gs_turn_end(struct gs_thread *t, uintptr_t tstate)
{
    __atomic_store_n(&t->open_kind, GS_OPEN_NONE, __ATOMIC_RELAXED);
    t->tot.releases++;
    t->tstate = tstate;
}

static inline void gs_turn_fold(struct gs_thread *t, uint64_t hold)
{
    t->tot.folded_n++;
    t->tot.folded_hold += hold;
    t->fold_hist[63u - (unsigned)__builtin_clzll(hold | 1)]++;
}

/* Not one that began before we looked, and not one with a story. */
static inline bool gs_turn_is_plain(const struct gs_gil *g, const struct gs_thread *t)
{
    return t->open_kind == GS_OPEN_HOLDING && g->holder == t && g->waiters == 0 &&
           g->sampled_seq != t->acq_seq && gs_agent.level != 2 &&
           !gs_wants_thread_name(t->py_name_tries);
}

#define GS_LIKELY(x) __builtin_expect(!!(x), 1)

static inline bool gs_turn_acquired(struct gs_thread *t)
{
    if (!GS_LIKELY(gs_gil_locked_at(t->cond) && t->open_kind == GS_OPEN_NONE))
        return false;
    gs_turn_begin(t->gil, t);
    t->acq_t = __rdtsc();
    __atomic_store_n(&t->open_kind, GS_OPEN_HOLDING, __ATOMIC_RELEASE);
    return true;
}

static inline bool gs_turn_released(struct gs_thread *t)
{
    if (!GS_LIKELY(!gs_gil_locked_at(t->cond) && gs_turn_is_plain(t->gil, t)))
        return false;
    uintptr_t tstate = gs_turn_tstate(t);
    uint64_t hold = __rdtsc() - t->acq_t;
    if (!GS_LIKELY(t->sample_left > (int64_t)hold))
        return false;
    gs_turn_end(t, tstate);
    gs_turn_fold(t, hold);
    t->sample_left -= (int64_t)hold;
    return true;
}

/* False: nothing was noted, the signal is gs_gil_signal()'s. */
static inline bool gs_turn_signal(uintptr_t cond, uintptr_t caller)
{
    struct gs_thread *t = gs_self;
    if (!GS_LIKELY(t && gs_live.mode == GS_LIVE_YES && gs_agent.plain_turns &&
                   gs_from_python(caller)))
        return false;
    if (cond == t->cond)
        return gs_turn_released(t);
    return GS_LIKELY(cond == t->cond + GS_SWITCH_COND_GAP) && gs_turn_acquired(t);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "preload/gil.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/counts.h"
#include "preload/gil_turn.h"
#include "preload/ring_spill.h"
#include "preload/sampler.h"
#include "preload/stack_take.h"
#include "preload/sync_rows.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define MAX_VIOLATIONS 16u
#define WOKEN_NS       100000u  /* from a wake-up to the wait for the GIL it leads to */
#define SAMPLE_MIN_NS  1000000u /* at most one sample a millisecond of the holder, each kind */
#define LONG_HOLD_NS   1000000u /* that ends with a native stack */

struct gs_gil gs_gils[GS_MAX_GILS];
uint32_t gs_n_gils;
bool gs_gils_refused;

/* Even here most turns are short and nobody waits for them: what is rare stays out of the way. */
#define COLD __attribute__((noinline, cold))

/* Another thread holds: its frames change under us, so every read is fault-safe. gil->mutex is
 * held, so it cannot let go meanwhile; hence the rate limits of the callers. */
static void sample_holder(struct gs_gil *g, struct gs_thread *me, uint16_t kind, uint64_t now,
                          uint64_t *next_allowed)
{
    struct gs_thread *holder = g->holder;
    uint64_t cost;
    if (!gs_agent.sample_holder || !holder || now < *next_allowed || !gs_row_has_room(me))
        return;
    uint32_t stack = gs_other_stack(me, gs_gil_last_holder(g), &cost);
    uint64_t spacing = gs_ticks_of_ns(SAMPLE_MIN_NS), fair = gs_agent.begin_spacing * cost;
    *next_allowed = now + (fair > spacing ? fair : spacing);
    if (stack == GS_STACK_NONE)
        return;
    struct gs_slot slot = {.t = now,
                           .seq = (uint32_t)g->seq,
                           .stack = stack,
                           .a = holder->idx,
                           .flags = kind,
                           .gil = (uint8_t)g->idx,
                           .kind = GS_SLOT_HOLDER_SAMPLE};
    gs_row_put(me, &slot, 1);
}

/* ---- acquire ---- */

/* A thread's first turn begins with a wait, or as one on a GIL it had none on. Only the main
 * interpreter lives for ever: another's end takes the states of its threads with it. */
static void note_home(const struct gs_gil *g, struct gs_thread *t)
{
    uintptr_t tstate = gs_gil_last_holder(g);
    if (!t->home_tstate && g->interpreter == 0 &&
        gs_pyabi_interpreter(&gs_agent.abi, tstate) == g->interp)
        t->home_tstate = tstate;
}

/* The time without the GIL is over: it is asked for, or was free. */
static COLD void come_back(struct gs_thread *t, uint64_t now, bool waits)
{
    gs_sync_back(t, now);
    if (gs_agent.counters)
        gs_counts_turn(t, GS_COUNT_OFF_GIL, waits ? GS_COUNT_WAITING : GS_COUNT_HOLDING, now,
                       waits);
}

static COLD void end_wait(struct gs_gil *g, struct gs_thread *t, uint64_t now)
{
    uint64_t wait = now - t->wait_t;
    note_home(g, t);
    if (gs_agent.counters)
        gs_counts_turn(t, GS_COUNT_WAITING, GS_COUNT_HOLDING, now, true);
    t->waiting = false;
    if (g->waiters)
        g->waiters--;
    struct gs_slot slot = {.t = now,
                           .dur = wait,
                           .seq = (uint32_t)g->seq,
                           .stack = t->wait_stack,
                           .a = (uint32_t)(g->seq - t->wait_seq),
                           .gil = (uint8_t)g->idx,
                           .kind = GS_SLOT_WAIT};
    if (gs_agent.level == 0 || !gs_row_put(t, &slot, 1)) {
        t->tot.lost_wait_n++;
        t->tot.lost_wait += wait;
        t->dropped += gs_agent.level != 0;
    }
    if (gs_agent.counters && gs_agent.level)
        gs_counts_stack(t, GS_COUNT_WAITING, t->wait_stack, wait, 0);
    t->tot.contended++; /* after the row: a reader can tell rows without a count, not the reverse */
}

/* Up to 3.10 Py_Finalize() ends the GIL without letting it go, and an embedder may begin anew: the
 * turn is over, how long it was nobody saw. */
static COLD void abandon_turn(struct gs_thread *t)
{
    t->tot.releases++;
    t->tot.lost_n++;
    t->dropped++;
}

static inline void on_acquire(struct gs_gil *g, struct gs_thread *t)
{
    uint64_t now = gs_now();
    if (__builtin_expect(t->open_kind == GS_OPEN_HOLDING, 0))
        abandon_turn(t);
    gs_turn_begin(g, t);
    t->acq_t = now;
    if (__builtin_expect(t->waiting, 0))
        end_wait(g, t, now);
    if (__builtin_expect(t->left_t != 0, 0))
        come_back(t, now, false);
    __atomic_store_n(&t->open_kind, GS_OPEN_HOLDING, __ATOMIC_RELEASE);
    if (__builtin_expect(gs_live.mode == GS_LIVE_RESTART, 0))
        gs_agent_restart(now);
}

/* ---- release ---- */

static COLD void record_turn(struct gs_gil *g, struct gs_thread *t, uint64_t hold, bool waited_for,
                             bool forced)
{
    struct gs_slot slot = {.t = t->acq_t,
                           .dur = hold,
                           .seq = (uint32_t)t->acq_seq,
                           .flags =
                               (uint16_t)(GS_SLICE_TURN | (waited_for ? GS_SLICE_WAITED_FOR : 0) |
                                          (forced ? GS_SLICE_FORCED : 0)),
                           .gil = (uint8_t)g->idx,
                           .kind = GS_SLOT_TURN};
    if (gs_row_has_room(t)) {
        bool is_long = gs_agent.native && hold >= gs_ticks_of_ns(LONG_HOLD_NS);
        slot.stack = is_long ? gs_own_stack_native(t, t->tstate) : gs_own_stack(t, t->tstate);
        if (gs_row_put(t, &slot, 1)) {
            if (gs_agent.counters)
                gs_counts_stack(t, GS_COUNT_HOLDING, slot.stack, hold, 0);
            return;
        }
    }
    t->tot.lost_n++;
    t->tot.lost_hold += hold;
    t->dropped++;
}

static COLD void record_points(struct gs_thread *t, uint64_t hold)
{
    uint32_t points = gs_sampler_points(&t->sample_left, &t->rng, hold);
    bool wanted = points && gs_agent.level > 0;
    uint32_t stack = wanted ? gs_own_stack(t, t->tstate) : GS_STACK_NONE;
    if (stack == GS_STACK_NONE)
        return;
    struct gs_slot slot = {.t = t->acq_t + hold,
                           .dur = hold,
                           .seq = (uint32_t)t->acq_seq,
                           .stack = stack,
                           .a = points,
                           .gil = (uint8_t)t->gil->idx,
                           .kind = GS_SLOT_HOLD_SAMPLE};
    t->dropped += !gs_row_put(t, &slot, 1);
    if (gs_agent.counters)
        gs_counts_stack(t, GS_COUNT_HOLDING, stack, hold, points);
}

/* Nobody waited: exact totals, and now and then a sample. */
static inline void fold_turn(struct gs_thread *t, uint64_t hold)
{
    gs_turn_fold(t, hold);
    if (__builtin_expect(t->sample_left > (int64_t)hold, 1))
        t->sample_left -= (int64_t)hold;
    else
        record_points(t, hold);
}

/* What a turn leaves behind for those who want to know what comes after it. */
static COLD void leave(struct gs_thread *t, uint64_t now, bool waited_for)
{
    t->left_t = now;
    if (gs_agent.counters)
        gs_counts_turn(t, GS_COUNT_HOLDING, GS_COUNT_OFF_GIL, now, waited_for);
}

static inline void on_release(struct gs_gil *g, struct gs_thread *t)
{
    uint64_t now = gs_now();
    if (__builtin_expect(t->open_kind != GS_OPEN_HOLDING || g->holder != t, 0))
        return; /* the turn began before we looked */
    uint64_t hold = now - t->acq_t;
    bool waited_for = g->waiters > __atomic_load_n(&g->dead_waiters, __ATOMIC_RELAXED);
    bool forced = g->drop_asked_seq == t->acq_seq;
    gs_turn_end(t, gs_turn_tstate(t));
    if (__builtin_expect(gs_agent.tells_leaving, 0))
        leave(t, now, waited_for);
    t->tot.forced += forced;
    if ((waited_for && gs_agent.level > 0) || gs_agent.level == 2 || g->sampled_seq == t->acq_seq)
        record_turn(g, t, hold, waited_for, forced);
    else
        fold_turn(t, hold);
    if (gs_wants_thread_name(t->py_name_tries) && t->tstate)
        gs_learn_thread_name(t, t->tstate);
}

/* ---- which GIL ---- */

static struct gs_gil *add_gil(uintptr_t cond, uintptr_t holder)
{
    uint32_t idx = __atomic_fetch_add(&gs_n_gils, 1, __ATOMIC_RELAXED);
    if (idx >= GS_MAX_GILS) {
        __atomic_store_n(&gs_n_gils, GS_MAX_GILS, __ATOMIC_RELAXED);
        __atomic_store_n(&gs_gils_refused, true, __ATOMIC_RELAXED);
        return NULL;
    }
    struct gs_gil *g = &gs_gils[idx];
    g->idx = idx;
    g->t_first = gs_now();
    g->interpreter = gs_pyabi_interpreter_id(&gs_agent.abi, holder, &g->interp);
    __atomic_store_n(&g->cond, cond, __ATOMIC_RELEASE);
    return g;
}

/* An unknown condition variable signalled by Python is the switch_cond of a GIL not seen yet, if
 * what lies before it looks held. Read fault-safely: it may be anything. */
static struct gs_gil *discover(uintptr_t switch_cond)
{
    struct {
        uintptr_t last_holder;
        int locked;
    } seen;
    uintptr_t cond = switch_cond - GS_SWITCH_COND_GAP;
    if (__atomic_load_n(&gs_gils_refused, __ATOMIC_RELAXED))
        return NULL; /* a system call at each turn of a GIL past the last would double its cost */
    if (!gs_safe_read(&seen, cond + GS_LAST_HOLDER_OFF, sizeof(seen)) || seen.locked != 1 ||
        !seen.last_holder || seen.last_holder % sizeof(void *))
        return NULL;
    return add_gil(cond, seen.last_holder);
}

static struct gs_gil *find(uintptr_t cond)
{
    uint32_t n = __atomic_load_n(&gs_n_gils, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < n && i < GS_MAX_GILS; i++)
        if (gs_gils[i].cond == cond || gs_gils[i].cond + GS_SWITCH_COND_GAP == cond)
            return &gs_gils[i];
    return NULL;
}

/* A sub-interpreter with a GIL of its own has ended and another lies at its address: a thread comes
 * to that GIL for the first time, holds it, and the interpreter has a new id. The main one stays
 * for ever, and only such as share its GIL come and go under it. Past the last entry both are one.
 */
static struct gs_gil *of_same_interpreter(struct gs_gil *g)
{
    uintptr_t interp = 0, holder = gs_gil_last_holder(g);
    if (g->interpreter <= 0 || !gs_gil_locked(g))
        return g;
    int64_t id = gs_pyabi_interpreter_id(&gs_agent.abi, holder, &interp);
    if (id <= 0 || id == g->interpreter || interp != g->interp)
        return g;
    struct gs_gil *next = add_gil(g->cond, holder);
    if (!next)
        return g;
    gs_threads_leave(g); /* none of them may take the new one for theirs */
    __atomic_store_n(&g->cond, GS_GIL_GONE, __ATOMIC_RELEASE);
    return next;
}

/* The lock word must say what the signal says; a layout that does not is not ours to read. */
static COLD void violation(struct gs_gil *g)
{
    if (++g->violations == MAX_VIOLATIONS)
        gs_agent_die("the GIL's layout does not verify");
}

static inline void dispatch(struct gs_gil *g, struct gs_thread *t, uintptr_t cond)
{
    bool acquire = cond != g->cond;
    if (__builtin_expect(gs_gil_locked(g) != acquire, 0))
        violation(g);
    else if (acquire)
        on_acquire(g, t);
    else
        on_release(g, t);
}

/* A thread's first turn on this GIL, or a GIL's first. */
static COLD void signal_elsewhere(uintptr_t cond)
{
    struct gs_gil *g = find(cond);
    if (g && cond != g->cond)
        g = of_same_interpreter(g);
    if (!g && !(g = discover(cond)))
        return;
    struct gs_thread *t = gs_thread_get(g);
    if (!t)
        return;
    if (cond != g->cond)
        note_home(g, t);
    dispatch(g, t, cond);
}

void gs_gil_signal(uintptr_t cond)
{
    struct gs_thread *t = gs_thread_self();
    if (__builtin_expect(t != NULL, 1) && (cond == t->cond || cond == t->cond + GS_SWITCH_COND_GAP))
        dispatch(t->gil, t, cond);
    else
        signal_elsewhere(cond);
}

/* ---- waiting ---- */

/* A wait that the holder itself caused, by waking this thread, begins at a telling moment: a look
 * at the holder would find it in its wake-up call, however short that is. */
static bool woken_by_holder(const struct gs_gil *g, const struct gs_thread *t)
{
    return g->holder && t->woken_by == g->holder->idx && t->woken_t &&
           t->wait_t - t->woken_t < gs_ticks_of_ns(WOKEN_NS);
}

bool gs_gil_is_awaited(uintptr_t cond)
{
    const struct gs_gil *g = gs_live.mode != GS_LIVE_NO ? find(cond) : NULL;
    return g && g->cond == cond && gs_gil_locked(g);
}

/* How long it will be is not known: now and then it is worth native frames. */
static uint32_t stack_of_wait(struct gs_gil *g, struct gs_thread *t)
{
    if (!gs_agent.native || t->wait_t < g->next_native_t)
        return gs_own_stack(t, t->tstate);
    g->next_native_t = t->wait_t + gs_ticks_of_ns(SAMPLE_MIN_NS);
    return gs_own_stack_native(t, t->tstate);
}

struct gs_gil *gs_gil_wait_begin(uintptr_t cond)
{
    struct gs_gil *g = find(cond);
    if (!g || g->cond != cond)
        return NULL;
    struct gs_thread *t = gs_thread_get(g);
    if (!t || t->waiting)
        return g;
    t->waiting = true;
    t->wait_seq = g->seq;
    g->waiters++;
    t->wait_t = gs_now();
    __atomic_store_n(&t->open_kind, GS_OPEN_WAITING, __ATOMIC_RELEASE);
    uint64_t left_t = t->left_t;
    if (left_t)
        come_back(t, t->wait_t, true);
    if (gs_agent.level > 0) {
        t->wait_stack = stack_of_wait(g, t);
        if (left_t && gs_agent.counters)
            gs_counts_stack(t, GS_COUNT_OFF_GIL, t->wait_stack, t->wait_t - left_t, 0);
        if (!woken_by_holder(g, t))
            sample_holder(g, t, GS_HOLDER_AT_WAIT, gs_now(), &g->next_begin_sample_t);
    }
    return g;
}

/* The switch interval passed and the same turn goes on: CPython asks for the drop now. */
void gs_gil_wait_expired(struct gs_gil *g, uint64_t seq_before)
{
    struct gs_thread *t = gs_thread_get(g);
    if (!t || g->seq != seq_before || !gs_gil_locked(g))
        return;
    g->drop_asked_seq = g->seq;
    if (gs_agent.level > 0)
        sample_holder(g, t, GS_HOLDER_AT_EXPIRY, gs_now(), &g->next_expiry_sample_t);
}

void gs_gils_forget(void)
{
    for (uint32_t i = 0; i < GS_MAX_GILS; i++)
        gs_gils[i] = (struct gs_gil){0};
    gs_n_gils = 0;
    gs_gils_refused = false;
}

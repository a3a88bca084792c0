/* SPDX-License-Identifier: MIT
 * A run: how it begins, how time passes, and what comes out. On the CPU it goes on to its end, on a
 * GPU in slices, as nobody may hold a device for as long as he likes. Private to who runs replays.
 */
#ifndef GS_WHATIF_REPLAY_CLOCK_H
#define GS_WHATIF_REPLAY_CLOCK_H

#include <string.h>

#include "analyzer/whatif/replay_steps.h"

/* ---- before it runs ---- */

GS__HD void reset_objects(struct gs_replay *r)
{
    for (size_t i = 0; i < r->p->n_objects; i++) {
        struct gs__object *o = &r->objects[i];
        memset(o, 0, sizeof(*o));
        o->parked.first = o->parked.last = GS__NOBODY;
        o->putters = o->parked;
        o->count = o->nameless = r->p->objects[i].initial;
        o->ring = r->ring_at[i];
    }
}

/* Whoever runs it has set its params, rate and inverse, has zeroed taken, and mark_ns, where times
 * of marks are wanted, to GS_MARK_NEVER. */
GS__HD void gs__replay_reset(struct gs_replay *r)
{
    const struct gs_replay_params *params = r->params;
    memset(&r->out, 0, sizeof(r->out));
    r->out.objects = r->totals;
    r->out.mark_from_ns = r->out.mark_to_ns = GS_MARK_NEVER;
    r->out.mark_ns = r->mark_ns;
    r->ready.first = r->runnable.first = GS__NOBODY;
    r->cores_left = params->machine.cores;
    r->slice = gs__ticks(params->slice_ns);
    r->computing.n = r->sleeping.n = r->n_paused = 0;
    r->now = r->work = 0;
    r->py = r->native = r->latency = r->gc = 0;
    r->n_py = 0;
    r->pause_end = GS__NEVER;
    r->gc_left =
        params->gc_every_ns ? gs__scaled_ticks(params->s_q16, params->gc_every_ns) : GS__NEVER;
    r->is_over = false;
    reset_objects(r);
    for (uint32_t t = 0; t < r->p->n_threads; t++) {
        bool late = r->p->threads[t].late;
        struct gs__thread *me = &r->threads[t];
        memset(me, 0, sizeof(*me));
        me->op = r->p->threads[t].first_op;
        me->parked_on = GS__NOBODY;
        me->asked_at = GS__NEVER;
        me->started = !late;
        if (!late)
            gs__queue_put(r, &r->ready, t);
    }
}

/* On the CPU, replay_host.c: all that, and the reset. */
void gs__replay_begin(struct gs_replay *r, const struct gs_replay_params *params);

/* ---- the clocks ---- */

GS__HD uint64_t time_of(const struct gs_replay *r, uint64_t work)
{
    u128 t = (u128)work * r->inverse[r->computing.n] + UINT32_MAX;
    return (uint64_t)(t >> 32);
}

GS__HD uint64_t work_in(const struct gs_replay *r, uint64_t time)
{
    return (uint64_t)((u128)time * r->rate[r->computing.n] >> 32);
}

/* Of `py` work, given to all who do it. */
GS__HD void count_towards_gc(struct gs_replay *r, uint64_t work)
{
    uint64_t all = work * r->n_py;
    if (r->gc_left != GS__NEVER)
        r->gc_left -= all < r->gc_left ? all : r->gc_left;
}

GS__HD void advance_work(struct gs_replay *r, uint64_t work)
{
    count_towards_gc(r, work);
    r->work += work;
}

GS__HD uint64_t next_end(const struct gs__heap *h)
{
    return h->n ? h->at[0].at : GS__NEVER;
}

GS__HD void end_computing(struct gs_replay *r)
{
    while (r->computing.n && r->computing.at[0].at <= r->work) {
        uint32_t t = gs__heap_take(&r->computing).thread;
        r->n_py -= r->threads[t].computes_py;
        r->threads[t].computes = false;
        gs__queue_put(r, &r->ready, t);
    }
}

GS__HD void end_sleeping(struct gs_replay *r)
{
    while (r->sleeping.n && r->sleeping.at[0].at <= r->now)
        gs__queue_put(r, &r->ready, gs__heap_take(&r->sleeping).thread);
}

/* ---- cores, with slices ---- */

/* In the order in which they came to wait. */
GS__HD void give_cores(struct gs_replay *r)
{
    for (; r->cores_left && r->runnable.first != GS__NOBODY; r->cores_left--) {
        uint32_t t = gs__queue_take(r, &r->runnable);
        r->threads[t].has_core = true;
        r->threads[t].slice_at = r->now;
        begin_work(r, t, r->threads[t].left);
    }
}

/* Whoever blocks leaves its core. */
GS__HD void leave_core(struct gs_replay *r, struct gs__thread *me)
{
    r->cores_left += me->has_core && !me->computes;
    me->has_core &= me->computes;
}

/* The next time after `now` at which a slice of a thread that has a core is over. */
GS__HD uint64_t slice_ends(const struct gs_replay *r, const struct gs__thread *me)
{
    return r->now + r->slice - (r->now - me->slice_at) % r->slice;
}

/* When somebody has to leave his core to who waits; GS__NEVER: nobody waits. */
GS__HD uint64_t next_slice_end(const struct gs_replay *r)
{
    uint64_t first = GS__NEVER;
    if (r->runnable.first == GS__NOBODY)
        return first;
    for (size_t i = 0; i < r->computing.n; i++) {
        uint64_t at = slice_ends(r, &r->threads[r->computing.at[i].thread]);
        first = at < first ? at : first;
    }
    return first;
}

/* Of those whose slice is over at this moment the one with the least number, or GS__NOBODY. */
GS__HD uint32_t slice_is_over(const struct gs_replay *r)
{
    uint32_t first = GS__NOBODY;
    for (size_t i = 0; i < r->computing.n; i++) {
        uint32_t t = r->computing.at[i].thread;
        uint64_t had = r->now - r->threads[t].slice_at;
        if (had > 0 && had % r->slice == 0 && t < first)
            first = t;
    }
    return first;
}

/* It waits for a core again, with what it has left to do. */
GS__HD void take_core_from(struct gs_replay *r, uint32_t t)
{
    struct gs__heap all = r->computing;
    struct gs__thread *me = &r->threads[t];
    r->computing.n = 0;
    for (size_t i = 0; i < all.n; i++) {
        struct gs__ending e = all.at[i]; /* read before it could be written over: n <= i */
        if (e.thread == t)
            me->left = e.at - r->work;
        else
            gs__heap_put(&r->computing, e);
    }
    r->n_py -= me->computes_py;
    me->has_core = false;
    r->cores_left++;
    gs__queue_put(r, &r->runnable, t);
}

/* Each who has waited for a core takes that of one whose slice is over. */
GS__HD void end_slices(struct gs_replay *r)
{
    while (r->runnable.first != GS__NOBODY && r->threads[r->runnable.first].ready_at < r->now) {
        uint32_t t = slice_is_over(r);
        if (t == GS__NOBODY)
            return;
        take_core_from(r, t);
        give_cores(r);
    }
}

/* Whoever computes `py` keeps what is left to do. */
GS__HD void begin_pause(struct gs_replay *r)
{
    struct gs__heap all = r->computing;
    r->computing.n = r->n_paused = r->n_py = 0;
    for (size_t i = 0; i < all.n; i++) {
        struct gs__ending e = all.at[i]; /* read before it could be written over: n <= i */
        if (!r->threads[e.thread].computes_py)
            gs__heap_put(&r->computing, e);
        else
            r->paused[r->n_paused++] = gs__ending_at(e.at - r->work, e.thread);
    }
    r->gc_left = gs__scaled_ticks(r->params->s_q16, r->params->gc_every_ns);
    r->pause_end = r->now + gs__ticks(r->params->gc_pause_ns);
    r->gc += gs__ticks(r->params->gc_pause_ns);
}

GS__HD void end_pause(struct gs_replay *r)
{
    r->pause_end = GS__NEVER;
    r->n_py = (uint32_t)r->n_paused;
    for (size_t i = 0; i < r->n_paused; i++)
        gs__heap_put(&r->computing, gs__ending_at(r->work + r->paused[i].at, r->paused[i].thread));
    r->n_paused = 0;
}

/* ---- a run ---- */

/* False, of a run in slices: the budget is used up. */
GS__HD_INNER bool step_ready(struct gs_replay *r, const bool sliced)
{
    while (r->ready.first != GS__NOBODY && r->pause_end == GS__NEVER) {
        uint32_t t = gs__queue_take(r, &r->ready);
        if (!gs__replay_step(r, t, sliced))
            return false;
        leave_core(r, &r->threads[t]);
    }
    return true;
}

/* To the next moment at which something ends; false: there is none. */
GS__HD bool go_on(struct gs_replay *r)
{
    uint64_t work = GS__NEVER, at = next_end(&r->sleeping), slice_end = GS__NEVER;
    bool collects = false;
    if (r->slice && r->pause_end == GS__NEVER) {
        give_cores(r);
        slice_end = next_slice_end(r);
        at = slice_end < at ? slice_end : at;
    }
    if (r->computing.n)
        work = next_end(&r->computing) - r->work;
    if (r->n_py && r->gc_left != GS__NEVER) {
        uint64_t to_gc = (r->gc_left + r->n_py - 1) / r->n_py;
        collects = to_gc <= work;
        work = to_gc < work ? to_gc : work;
    }
    uint64_t ends_at = work == GS__NEVER ? GS__NEVER : r->now + time_of(r, work);
    at = r->pause_end < at ? r->pause_end : at;
    if (at == GS__NEVER && ends_at == GS__NEVER)
        return false;
    if (ends_at <= at) {
        advance_work(r, work);
        r->now = ends_at;
    } else {
        if (r->computing.n)
            advance_work(r, work_in(r, at - r->now));
        r->now = at;
    }
    if (r->now == r->pause_end)
        end_pause(r);
    if (ends_at <= at && collects)
        begin_pause(r);
    end_computing(r);
    end_sleeping(r);
    if (r->now == slice_end && r->pause_end == GS__NEVER)
        end_slices(r);
    return true;
}

GS__HD void sum_up(struct gs_replay *r)
{
    uint64_t idle = 0;
    for (uint32_t t = 0; t < r->p->n_threads; t++) {
        const struct gs__thread *me = &r->threads[t];
        r->out.deadlock |= me->started && !me->ended;
        if (!me->started || !r->p->threads[t].first_op)
            continue;
        r->out.threads++;
        idle += me->began_at + (me->ended ? r->now - me->ended_at : 0);
        if (me->parked_on != GS__NOBODY)
            r->objects[me->parked_on].parked_ticks += r->now - me->parked_at;
    }
    for (size_t i = 0; i < r->p->n_objects; i++) {
        r->totals[i].parked_ns = gs__to_ns(r->objects[i].parked_ticks);
        r->totals[i].hold_ns = gs__to_ns(r->objects[i].hold_ticks);
    }
    r->out.makespan_ns = gs__to_ns(r->now);
    r->out.py_ns = gs__to_ns(r->py);
    r->out.native_ns = gs__to_ns(r->native);
    r->out.latency_ns = gs__to_ns(r->latency);
    r->out.gc_ns = gs__to_ns(r->gc);
    r->out.idle_ns = gs__to_ns(idle);
}

/* All of it. */
GS__HD void gs__replay_run_all(struct gs_replay *r)
{
    do
        step_ready(r, false);
    while (go_on(r));
    sum_up(r);
}

/* A collection, and a look for slices that are over, cost as much as there are threads that
 * compute. */
GS__HD void pay_for_moment(struct gs_replay *r)
{
    bool is_long = r->pause_end != GS__NEVER || r->runnable.first != GS__NOBODY;
    uint64_t price = is_long ? 1 + r->n_paused + r->computing.n : 1;
    r->budget -= price < r->budget ? price : r->budget;
}

/* About as many operations and moments as the budget says. r->is_over: there are no more. */
GS__HD void gs__replay_run_slice(struct gs_replay *r, uint64_t budget)
{
    r->budget = budget;
    while (step_ready(r, true) && r->budget > 0) {
        if (!go_on(r)) {
            sum_up(r);
            r->is_over = true;
            return;
        }
        pay_for_moment(r);
    }
}

#endif

/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/replay_state.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

#define SWITCHING_NUMERATOR   3000u /* 4 us lost in 3 ms and 4 us */
#define SWITCHING_DENOMINATOR 3004u

/* ---- before it runs ---- */

/* Pools keep the names of their items; each has room for all that are ever put, once each. */
static uint32_t count_puts(struct gs_replay *r)
{
    const struct gs_program *p = r->p;
    uint32_t *puts = gs_xcalloc(p->n_objects + 1, sizeof(*puts)), n = 0;
    for (size_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].kind == GS_OP_PUT)
            puts[p->ops[i].object] += p->objects[p->ops[i].object].pool;
    for (size_t i = 0; i < p->n_objects; i++) {
        r->objects[i].ring = n;
        n += puts[i];
    }
    free(puts);
    return n;
}

struct gs_replay *gs_replay_open(const struct gs_program *p)
{
    struct gs_replay *r = gs_xcalloc(1, sizeof(*r));
    r->p = p;
    r->threads = gs_xcalloc(p->n_threads + 1, sizeof(*r->threads));
    r->objects = gs_xcalloc(p->n_objects + 1, sizeof(*r->objects));
    r->totals = gs_xcalloc(p->n_objects + 1, sizeof(*r->totals));
    r->computing.at = gs_xmalloc(p->n_threads + 1, sizeof(*r->computing.at));
    r->sleeping.at = gs_xmalloc(p->n_threads + 1, sizeof(*r->sleeping.at));
    r->paused = gs_xmalloc(p->n_threads + 1, sizeof(*r->paused));
    r->rate = gs_xmalloc(p->n_threads + 1, sizeof(*r->rate));
    r->inverse = gs_xmalloc(p->n_threads + 1, sizeof(*r->inverse));
    r->taken = gs_xmalloc(p->n_tasks + 1, sizeof(*r->taken));
    r->ring = gs_xmalloc(count_puts(r) + 1, sizeof(*r->ring));
    return r;
}

void gs_replay_close(struct gs_replay *r)
{
    free(r->threads);
    free(r->objects);
    free(r->totals);
    free(r->computing.at);
    free(r->sleeping.at);
    free(r->paused);
    free(r->rate);
    free(r->inverse);
    free(r->taken);
    free(r->ring);
    free(r);
}

/* cap(min(n, C)) / n, less what switching takes. */
static void set_rates(struct gs_replay *r)
{
    const struct gs_machine *m = &r->params->machine;
    for (uint32_t n = 1; n <= r->p->n_threads; n++) {
        bool switches = n > m->cores;
        u128 up = (u128)m->cap_q16[(switches ? m->cores : n) - 1] << 16, down = n;
        up *= switches ? SWITCHING_NUMERATOR : 1;
        down *= switches ? SWITCHING_DENOMINATOR : 1;
        r->rate[n] = (uint64_t)(up / down);
        r->inverse[n] = (uint64_t)(((u128)1 << 64) / r->rate[n]);
    }
}

static void reset_objects(struct gs_replay *r)
{
    for (size_t i = 0; i < r->p->n_objects; i++) {
        struct gs__object *o = &r->objects[i];
        uint32_t ring = o->ring, initial = r->p->objects[i].initial;
        *o = (struct gs__object){.parked = {GS__NOBODY, GS__NOBODY},
                                 .putters = {GS__NOBODY, GS__NOBODY},
                                 .count = initial,
                                 .nameless = initial,
                                 .ring = ring};
    }
}

static void reset(struct gs_replay *r, const struct gs_replay_params *params)
{
    r->params = params;
    r->out = (struct gs_replay_result){.objects = r->totals};
    r->ready.first = GS__NOBODY;
    r->computing.n = r->sleeping.n = r->n_paused = 0;
    r->now = r->work = 0;
    r->py = r->native = r->latency = r->gc = 0;
    r->n_py = 0;
    r->pause_end = GS__NEVER;
    r->gc_left =
        params->gc_every_ns ? gs__scaled_ticks(params->s_q16, params->gc_every_ns) : GS__NEVER;
    memset(r->taken, 0, r->p->n_tasks);
    set_rates(r);
    reset_objects(r);
    for (uint32_t t = 0; t < r->p->n_threads; t++) {
        bool late = r->p->threads[t].late;
        r->threads[t] = (struct gs__thread){.op = r->p->threads[t].first_op,
                                            .parked_on = GS__NOBODY,
                                            .asked_at = GS__NEVER,
                                            .started = !late};
        if (!late)
            gs__queue_put(r, &r->ready, t);
    }
}

/* ---- the clocks ---- */

static uint64_t time_of(const struct gs_replay *r, uint64_t work)
{
    u128 t = (u128)work * r->inverse[r->computing.n] + UINT32_MAX;
    return (uint64_t)(t >> 32);
}

/* Of `py` work, given to all who do it. */
static void count_towards_gc(struct gs_replay *r, uint64_t work)
{
    uint64_t all = work * r->n_py;
    if (r->gc_left != GS__NEVER)
        r->gc_left -= all < r->gc_left ? all : r->gc_left;
}

static void advance_work(struct gs_replay *r, uint64_t work)
{
    count_towards_gc(r, work);
    r->work += work;
}

static uint64_t next_end(const struct gs__heap *h)
{
    return h->n ? h->at[0].at : GS__NEVER;
}

static void end_computing(struct gs_replay *r)
{
    while (r->computing.n && r->computing.at[0].at <= r->work) {
        uint32_t t = gs__heap_take(&r->computing).thread;
        r->n_py -= r->threads[t].computes_py;
        gs__queue_put(r, &r->ready, t);
    }
}

static void end_sleeping(struct gs_replay *r)
{
    while (r->sleeping.n && r->sleeping.at[0].at <= r->now)
        gs__queue_put(r, &r->ready, gs__heap_take(&r->sleeping).thread);
}

/* Whoever computes `py` keeps what is left to do. */
static void begin_pause(struct gs_replay *r)
{
    struct gs__heap all = r->computing;
    r->computing.n = r->n_paused = r->n_py = 0;
    for (size_t i = 0; i < all.n; i++) {
        struct gs__ending e = all.at[i]; /* read before it could be written over: n <= i */
        if (!r->threads[e.thread].computes_py)
            gs__heap_put(&r->computing, e);
        else
            r->paused[r->n_paused++] = (struct gs__ending){e.at - r->work, e.thread};
    }
    r->gc_left = gs__scaled_ticks(r->params->s_q16, r->params->gc_every_ns);
    r->pause_end = r->now + gs__ticks(r->params->gc_pause_ns);
    r->gc += gs__ticks(r->params->gc_pause_ns);
}

static void end_pause(struct gs_replay *r)
{
    r->pause_end = GS__NEVER;
    r->n_py = (uint32_t)r->n_paused;
    for (size_t i = 0; i < r->n_paused; i++)
        gs__heap_put(&r->computing,
                     (struct gs__ending){r->work + r->paused[i].at, r->paused[i].thread});
}

/* ---- a run ---- */

static void step_ready(struct gs_replay *r)
{
    while (r->ready.first != GS__NOBODY && r->pause_end == GS__NEVER)
        gs__replay_step(r, gs__queue_take(r, &r->ready));
}

/* To the next moment at which something ends; false: there is none. */
static bool go_on(struct gs_replay *r)
{
    uint64_t work = GS__NEVER, at = next_end(&r->sleeping);
    bool collects = false;
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
            advance_work(r, (uint64_t)((u128)(at - r->now) * r->rate[r->computing.n] >> 32));
        r->now = at;
    }
    if (r->now == r->pause_end)
        end_pause(r);
    if (ends_at <= at && collects)
        begin_pause(r);
    end_computing(r);
    end_sleeping(r);
    return true;
}

static void sum_up(struct gs_replay *r)
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

void gs_replay_run(struct gs_replay *r, const struct gs_replay_params *params,
                   struct gs_replay_result *out)
{
    reset(r, params);
    step_ready(r);
    while (go_on(r))
        step_ready(r);
    sum_up(r);
    *out = r->out;
}

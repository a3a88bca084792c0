/* SPDX-License-Identifier: MIT
 * The replay with a GIL: README.md, "With a GIL". The queue of those who are ready is that of the
 * GIL, and of all who compute one at most does so in the interpreter: whoever holds it.
 */
#include "analyzer/whatif/replay_clock.h"

struct gil {
    struct gs_replay *r;
    uint64_t switch_ticks;
    uint64_t held_since;
    uint64_t waited;
};

/* Whoever was made to let the GIL go has work left, which is counted already. */
static void resume(struct gs_replay *r, uint32_t t)
{
    struct gs__thread *me = &r->threads[t];
    if (me->left == 0) {
        gs__replay_step(r, t, false);
        return;
    }
    gs__heap_put(&r->computing, gs__ending_at(r->work + me->left, t));
    me->left = 0;
    r->n_py++;
}

/* From one to the next, until somebody computes with it or nobody wants it. */
static void hand_on(struct gil *g)
{
    struct gs_replay *r = g->r;
    while (r->ready.first != GS__NOBODY && r->n_py == 0) {
        uint32_t t = gs__queue_take(r, &r->ready);
        g->waited += r->now - r->threads[t].ready_at;
        g->held_since = r->now;
        resume(r, t);
    }
}

static uint64_t drop_at(const struct gil *g)
{
    const struct gs_replay *r = g->r;
    if (r->n_py == 0 || r->ready.first == GS__NOBODY)
        return GS__NEVER;
    uint64_t asked_at = r->threads[r->ready.first].ready_at;
    return (asked_at > g->held_since ? asked_at : g->held_since) + g->switch_ticks;
}

/* What was cut up by waits for the GIL is one piece for a function that computes without it. */
static bool goes_on_without(const struct gs_replay *r, const struct gs__thread *me)
{
    const struct gs_op *next = me->op == GS_NO_OP ? NULL : &r->p->ops[me->op];
    return next && next->kind == GS_OP_PY && next->ns > 0 &&
           is_function(next, r->params->gil_free_function);
}

/* Those who have done their work; the holder, if he is among them, or GS__NOBODY. */
static uint32_t end_work(struct gs_replay *r)
{
    uint32_t holder = GS__NOBODY;
    while (r->computing.n && r->computing.at[0].at <= r->work) {
        uint32_t t = gs__heap_take(&r->computing).thread;
        if (r->threads[t].computes_py)
            holder = t;
        else if (goes_on_without(r, &r->threads[t]))
            gs__replay_step(r, t, false);
        else
            gs__queue_put(r, &r->ready, t);
    }
    r->n_py -= holder != GS__NOBODY;
    return holder;
}

/* The holder goes to the back of the queue, with what it has left to do. */
static void drop(struct gs_replay *r)
{
    struct gs__heap all = r->computing;
    r->computing.n = r->n_py = 0;
    for (size_t i = 0; i < all.n; i++) {
        struct gs__ending e = all.at[i]; /* read before it could be written over: n <= i */
        if (!r->threads[e.thread].computes_py) {
            gs__heap_put(&r->computing, e);
            continue;
        }
        r->threads[e.thread].left = e.at - r->work;
        gs__queue_put(r, &r->ready, e.thread);
    }
}

/* To the next moment at which something ends, or the GIL has to be let go; false: there is none. */
static bool go_on_with_gil(struct gil *g)
{
    struct gs_replay *r = g->r;
    uint64_t work = r->computing.n ? r->computing.at[0].at - r->work : 0;
    uint64_t ends_at = r->computing.n ? r->now + time_of(r, work) : GS__NEVER;
    uint64_t drops_at = drop_at(g), at = r->sleeping.n ? r->sleeping.at[0].at : GS__NEVER;
    at = drops_at < at ? drops_at : at;
    if (at == GS__NEVER && ends_at == GS__NEVER)
        return false;
    if (ends_at > at && r->computing.n)
        work = work_in(r, at - r->now);
    r->now = ends_at <= at ? ends_at : at;
    r->work += work;
    uint32_t holder = end_work(r);
    end_sleeping(r);
    if (holder != GS__NOBODY)
        gs__replay_step(r, holder, false);
    else if (r->now == drops_at)
        drop(r);
    return true;
}

void gs_replay_run_gil(struct gs_replay *r, const struct gs_replay_params *params,
                       uint64_t switch_ns, struct gs_replay_result *out)
{
    struct gs_replay_params with_gil = {.machine = params->machine,
                                        .s_q16 = GS_Q16(1),
                                        .lock_policy = params->lock_policy,
                                        .gil_free_function = params->gil_free_function,
                                        .latency_q16 = GS_Q16(1)};
    struct gil g = {.r = r, .switch_ticks = gs__ticks(switch_ns)};
    gs__replay_begin(r, &with_gil);
    do
        hand_on(&g);
    while (go_on_with_gil(&g));
    sum_up(r);
    r->out.gil_ns = gs__to_ns(g.waited);
    *out = r->out;
}

/* SPDX-License-Identifier: MIT
 * What operations do. One that parks a thread is over for it when another wakes it, but that a lock
 * which was let go has to be asked for again. Private to replay_clock.h.
 */
#ifndef GS_WHATIF_REPLAY_STEPS_H
#define GS_WHATIF_REPLAY_STEPS_H

#include "analyzer/whatif/replay_state.h"

#define HAND_OFF_NS 1000000u /* PyMutex: who has waited longer gets the lock from hand to hand */

/* ---- parking ---- */

GS__HD void sleep_until(struct gs_replay *r, uint32_t t, uint64_t at)
{
    gs__heap_put(&r->sleeping, gs__ending_at(at, t));
}

GS__HD void make_ready(struct gs_replay *r, uint32_t t)
{
    if (r->params->wake_ns)
        sleep_until(r, t, r->now + gs__ticks(r->params->wake_ns));
    else
        gs__queue_put(r, &r->ready, t);
}

GS__HD void park(struct gs_replay *r, uint32_t t, uint32_t object, struct gs__queue *q)
{
    r->threads[t].parked_on = object;
    r->threads[t].parked_at = r->now;
    gs__queue_put(r, q, t);
}

/* A wait that is over, after all that it took. */
GS__HD void count_flip(struct gs_replay *r, const struct gs_op *op, uint64_t since)
{
    r->out.flips += op->ns > 0 && r->now - since > gs__ticks(op->ns);
}

GS__HD uint32_t wake_first(struct gs_replay *r, struct gs__queue *q)
{
    uint32_t t = gs__queue_take(r, q);
    struct gs__thread *w = &r->threads[t];
    r->objects[w->parked_on].parked_ticks += r->now - w->parked_at;
    w->parked_on = GS__NOBODY;
    make_ready(r, t);
    return t;
}

GS__HD void wake_all(struct gs_replay *r, struct gs__queue *q)
{
    while (q->first != GS__NOBODY)
        wake_first(r, q);
}

/* ---- locks ---- */

GS__HD void own(struct gs_replay *r, struct gs__object *o)
{
    o->count = 1;
    o->held_since = r->now;
}

GS__HD bool acquire(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    struct gs__thread *me = &r->threads[t];
    if (r->params->lock_policy == GS_LOCK_NONE || r->params->free_lock == op->object + 1u)
        return true;
    if (me->asked_at == GS__NEVER)
        me->asked_at = r->now;
    if (o->count) {
        park(r, t, op->object, &o->parked);
        return false;
    }
    own(r, o);
    count_flip(r, op, me->asked_at);
    me->asked_at = GS__NEVER;
    return true;
}

/* From hand to hand: its ACQUIRE is done. */
GS__HD void hand_over(struct gs_replay *r, struct gs__object *o)
{
    struct gs__thread *w = &r->threads[wake_first(r, &o->parked)];
    count_flip(r, &r->p->ops[w->op], w->asked_at);
    w->asked_at = GS__NEVER;
    w->op++;
    own(r, o);
}

GS__HD void release(struct gs_replay *r, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    if (o->count)
        o->hold_ticks += r->now - o->held_since;
    o->count = 0;
    if (o->parked.first == GS__NOBODY)
        return;
    uint64_t waited = r->now - r->threads[o->parked.first].asked_at;
    if (r->params->lock_policy == GS_LOCK_FIFO || waited >= gs__ticks(HAND_OFF_NS))
        hand_over(r, o);
    else
        wake_first(r, &o->parked);
}

/* ---- channels ---- */

GS__HD void put_item(struct gs_replay *r, struct gs__object *o, const struct gs_object *what,
                     uint32_t item)
{
    o->count++;
    if (what->pool)
        r->ring[o->ring + o->tail++] = item;
}

/* Nameless ones were there first. */
GS__HD uint32_t take_item(struct gs_replay *r, struct gs__object *o, const struct gs_object *what)
{
    bool named = o->head < o->tail;
    o->count--;
    if (!what->pool)
        return GS_NO_TASK;
    if (what->lifo && named)
        return r->ring[o->ring + --o->tail];
    if (o->nameless > 0) {
        o->nameless--;
        return GS_NO_TASK;
    }
    return r->ring[o->ring + o->head++];
}

GS__HD void end_thread(struct gs_replay *r, uint32_t t)
{
    struct gs__thread *me = &r->threads[t];
    me->ended = true;
    me->ended_at = r->now;
    me->op = GS_NO_OP;
    wake_all(r, &r->objects[r->p->threads[t].object].parked);
}

/* A worker goes on where the item's work is; an item without any ends it. */
GS__HD void go_on_with(struct gs_replay *r, uint32_t t, const struct gs_object *what, uint32_t item)
{
    struct gs__thread *me = &r->threads[t];
    if (!what->pool) {
        me->op++;
        return;
    }
    uint32_t first = item == GS_NO_TASK || r->taken[item] ? GS_NO_OP : r->p->tasks[item].first_op;
    if (item != GS_NO_TASK)
        r->taken[item] = 1;
    me->op = first;
}

GS__HD bool put(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    const struct gs_object *what = &r->p->objects[op->object];
    if (o->parked.first != GS__NOBODY) {
        uint32_t getter = o->parked.first;
        count_flip(r, &r->p->ops[r->threads[getter].op], r->threads[getter].parked_at);
        wake_first(r, &o->parked);
        go_on_with(r, getter, what, op->item);
        return true;
    }
    if (what->capacity && o->count >= what->capacity) {
        r->threads[t].item = op->item;
        park(r, t, op->object, &o->putters);
        return false;
    }
    put_item(r, o, what, op->item);
    return true;
}

/* True: the thread goes on, at an operation that is set already. */
GS__HD bool get(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    const struct gs_object *what = &r->p->objects[op->object];
    if (o->count == 0) {
        park(r, t, op->object, &o->parked);
        return false;
    }
    uint32_t item = take_item(r, o, what);
    if (o->putters.first != GS__NOBODY) {
        uint32_t putter = wake_first(r, &o->putters);
        put_item(r, o, what, r->threads[putter].item);
        r->threads[putter].op++;
    }
    go_on_with(r, t, what, item);
    return true;
}

/* ---- the others ---- */

GS__HD bool arrive(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    if (++o->count < r->p->objects[op->object].parties) {
        park(r, t, op->object, &o->parked);
        r->threads[t].op++;
        return false;
    }
    o->count = 0;
    wake_all(r, &o->parked);
    return true;
}

GS__HD void set_event(struct gs_replay *r, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    o->count = 1;
    for (uint32_t t = o->parked.first; t != GS__NOBODY; t = r->threads[t].next)
        count_flip(r, &r->p->ops[r->threads[t].op - 1], r->threads[t].parked_at);
    wake_all(r, &o->parked);
}

/* Whoever parks here is past the operation already. */
GS__HD bool wait_for(struct gs_replay *r, uint32_t t, const struct gs_op *op, bool is_over)
{
    if (is_over)
        return true;
    park(r, t, op->object, &r->objects[op->object].parked);
    r->threads[t].op++;
    return false;
}

GS__HD void start(struct gs_replay *r, const struct gs_op *op)
{
    uint32_t t = r->p->objects[op->object].thread;
    if (r->threads[t].started)
        return;
    r->threads[t].started = true;
    r->threads[t].began_at = r->now;
    gs__queue_put(r, &r->ready, t);
}

GS__HD void submit(struct gs_replay *r, const struct gs_op *op)
{
    struct gs__object *o = &r->objects[op->object];
    uint64_t from = o->free_at > r->now ? o->free_at : r->now;
    o->free_at = from + gs__ticks(op->ns);
}

GS__HD bool is_function(const struct gs_op *op, uint32_t number)
{
    return op->object && op->object == number;
}

GS__HD void begin_work(struct gs_replay *r, uint32_t t, uint64_t work)
{
    r->n_py += r->threads[t].computes_py;
    gs__heap_put(&r->computing, gs__ending_at(r->work + work, t));
}

/* Of both kinds: false where there is nothing to do. */
GS__HD bool compute(struct gs_replay *r, uint32_t t, uint64_t work, bool py)
{
    struct gs__thread *me = &r->threads[t];
    if (work == 0)
        return false;
    me->computes = true;
    me->computes_py = py;
    *(py ? &r->py : &r->native) += work;
    if (r->slice && !me->has_core) {
        me->left = work;
        gs__queue_put(r, &r->runnable, t);
    } else {
        begin_work(r, t, work);
    }
    return true;
}

GS__HD bool sleep_for(struct gs_replay *r, uint32_t t, uint64_t span)
{
    if (span == 0)
        return false;
    r->latency += span;
    sleep_until(r, t, r->now + span);
    return true;
}

/* Absolute: whoever comes later does not wait. */
GS__HD bool sleep_to(struct gs_replay *r, uint32_t t, uint64_t until)
{
    return until > r->now && sleep_for(r, t, until - r->now);
}

GS__HD void mark(struct gs_replay *r, const struct gs_op *op)
{
    uint64_t n = r->p->n_marks, now_ns = gs__to_ns(r->now), place = r->out.marks++;
    if (r->mark_ns)
        r->mark_ns[op->item] = now_ns;
    if (place == n / 8)
        r->out.mark_from_ns = now_ns;
    if (place == n - 1 - n / 8)
        r->out.mark_to_ns = now_ns;
}

GS__HD bool sync(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    const struct gs__object *o = &r->objects[op->object];
    if (o->free_at <= r->now)
        return false;
    r->objects[op->object].parked_ticks += o->free_at - r->now;
    sleep_until(r, t, o->free_at);
    return true;
}

/* One operation. True: the thread goes on at once. */
GS__HD_INNER bool do_op(struct gs_replay *r, uint32_t t, const struct gs_op *op)
{
    struct gs__thread *me = &r->threads[t];
    switch ((enum gs_op_kind)op->kind) {
    case GS_OP_GET:
        return get(r, t, op);
    case GS_OP_ACQUIRE:
        if (!acquire(r, t, op))
            return false;
        break;
    case GS_OP_PUT:
        if (!put(r, t, op))
            return false;
        break;
    case GS_OP_WAIT:
        if (!wait_for(r, t, op, r->objects[op->object].count))
            return false;
        break;
    case GS_OP_JOIN:
        if (!wait_for(r, t, op, r->threads[r->p->objects[op->object].thread].ended))
            return false;
        break;
    case GS_OP_ARRIVE:
        if (!arrive(r, t, op))
            return false;
        break;
    case GS_OP_PY:
        me->op++;
        return !compute(r, t,
                        is_function(op, r->params->free_function)
                            ? 0
                            : gs__scaled_ticks(r->params->s_q16, op->ns),
                        !is_function(op, r->params->gil_free_function));
    case GS_OP_NATIVE:
        me->op++;
        return !compute(r, t, gs__ticks(op->ns), false);
    case GS_OP_LATENCY:
        me->op++;
        return !sleep_for(r, t, gs__scaled_ticks(r->params->latency_q16, op->ns));
    case GS_OP_UNTIL:
        me->op++;
        return !sleep_to(r, t, gs__ticks(op->ns));
    case GS_OP_SYNC:
        me->op++;
        return !sync(r, t, op);
    case GS_OP_MARK:
        mark(r, op);
        break;
    case GS_OP_RELEASE:
        release(r, op);
        break;
    case GS_OP_SET:
        set_event(r, op);
        break;
    case GS_OP_CLEAR:
        r->objects[op->object].count = 0;
        break;
    case GS_OP_START:
        start(r, op);
        break;
    case GS_OP_SUBMIT:
        submit(r, op);
        break;
    case GS_OP_END:
    case GS_N_OPS:
        return false;
    }
    me->op++;
    return true;
}

/* What thread t does until it computes, sleeps, parks or has ended. False, of a run in slices: the
 * budget is used up, and t has more to do before anybody else. */
GS__HD_INNER bool gs__replay_step(struct gs_replay *r, uint32_t t, const bool sliced)
{
    struct gs__thread *me = &r->threads[t];
    while (me->op != GS_NO_OP && r->p->ops[me->op].kind != GS_OP_END) {
        if (sliced && r->budget == 0) {
            gs__queue_put_first(r, &r->ready, t);
            return false;
        }
        r->budget -= sliced;
        r->out.steps++;
        if (!do_op(r, t, &r->p->ops[me->op]))
            return true;
    }
    end_thread(r, t);
    return true;
}

#endif

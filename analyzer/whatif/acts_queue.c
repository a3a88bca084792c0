/* SPDX-License-Identifier: MIT
 * queue.Queue is written in Python: a mutex, and Conditions whose waits depend on what is in the
 * queue at that moment. Replayed lock by lock, a `get` that waited in the recording would wait for
 * ever for a wake-up that need not come. So a call of put or get is told by its stack, and becomes
 * what it means: mutex taken, mutex let go, an item put or got. Of what happens in it,
 * - a try to take the mutex that is refused, outside of Condition.wait, is notify()'s look whether
 * it is owned: an item was put or got;
 * - whatever is inside of Condition.wait is waiting for the other side.
 */
#include "analyzer/whatif/acts_finder.h"

static uint32_t channel_of(struct gs__finder *f, const struct gs_sync_row *mutex)
{
    struct gs__thing *t = gs__thing_at(f, mutex, false);
    if (t->channel == GS__NO_OBJECT)
        t->channel = gs__new_object(f, GS_OBJECT_CHANNEL, "queue", mutex->node);
    return t->channel;
}

/* A put that waited found the queue full. */
static void note_capacity(struct gs__finder *f, const struct gs__thing *t)
{
    uint32_t items = t->n_put - t->n_got;
    struct gs_object *o = &f->p->objects[t->channel];
    if (items > 0 && (o->capacity == 0 || items < o->capacity))
        o->capacity = items;
}

static bool begin_call(struct gs__finder *f, size_t i, enum gs__place place)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    if (s->op != GS_SYNC_ACQUIRED || (place != GS__IN_PUT && place != GS__IN_GET))
        return false;
    f->calls[s->thread] =
        (struct gs__queue_call){.active = true, .gets = place == GS__IN_GET, .mutex = s->object};
    channel_of(f, s);
    gs__lock_row(f, i);
    return true;
}

/* The mutex goes back and forth while it waits: from here on nobody holds it for this call. */
static void begin_wait(struct gs__finder *f, struct gs__queue_call *call,
                       const struct gs_sync_row *s)
{
    struct gs_sync_row mutex = *s;
    mutex.object = call->mutex;
    struct gs__thing *t = gs__thing_at(f, &mutex, false);
    call->waited = true;
    call->wait_ns = gs__call_began(s);
    gs__add_act(f, call->wait_ns, s->thread, gs_op_on(GS_OP_RELEASE, t->object));
    if (!call->gets)
        note_capacity(f, t);
}

static void end_call(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    struct gs__queue_call call = f->calls[s->thread];
    struct gs__thing *t = gs__thing_at(f, s, false);
    f->calls[s->thread].active = false;
    if (call.waited)
        t->held = false;
    else
        gs__lock_row(f, i);
    uint64_t t_ns = call.waited ? call.wait_ns : s->t_ns;
    if (call.done && call.gets)
        call.done = gs__get_item(f, t, t->channel, t_ns, s->thread);
    else if (call.done)
        gs__put_item(f, t, &t->channel, s, t_ns);
    if (call.waited)
        gs__add_cover(f, s->thread, call.wait_ns, s->t_ns, !call.done);
}

/* While somebody waits, the mutex is whose it is: it is taken again at the end of the wait. */
static void follow_mutex(struct gs__finder *f, const struct gs_sync_row *s)
{
    struct gs__thing *t = gs__thing_at(f, s, false);
    if (s->op == GS_SYNC_REFUSED)
        return;
    t->held = s->op == GS_SYNC_ACQUIRED;
    t->owner = s->thread;
    t->depth = 1;
    t->taken_by = GS__NO_ACT;
}

bool gs__queue_row(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    struct gs__queue_call *call = &f->calls[s->thread];
    enum gs__place place = gs__place_of(f, s->node);
    if (place == GS__ELSEWHERE || place == GS__JOINS) {
        call->active = false;
        return false;
    }
    if (!call->active)
        return begin_call(f, i, place);
    bool is_mutex = s->object == call->mutex, waits = place == GS__WAITS_IN_QUEUE;
    if (!is_mutex && !waits && place != GS__WAKES_IN_QUEUE)
        return false; /* a lock of what the program made of Queue */
    if (waits && !call->waited)
        begin_wait(f, call, s);
    if (is_mutex && waits)
        follow_mutex(f, s);
    else if (is_mutex && s->op == GS_SYNC_REFUSED)
        call->done = true;
    else if (is_mutex && s->op == GS_SYNC_RELEASED)
        end_call(f, i);
    return true;
}

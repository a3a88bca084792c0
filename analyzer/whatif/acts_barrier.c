/* SPDX-License-Identifier: MIT
 * threading.Barrier is written in Python: the last to arrive wakes the others, each through a lock
 * of its own. Who is last depends on the GIL. So a generation becomes what it means, a barrier of
 * as many parties as came; the Condition's mutex stays as it is. (Those who wait have let it go
 * when they arrive; the last one holds it, and here arrives as it lets it go.)
 */
#include "analyzer/whatif/acts_finder.h"

static void arrive(struct gs__finder *f, uint64_t t_ns, uint32_t thread, uint32_t barrier)
{
    gs__add_act(f, t_ns, thread, gs_op_on(GS_OP_ARRIVE, barrier));
}

/* The Condition's mutex, which the thread took last. */
static struct gs__thing *mutex_of(struct gs__finder *f, uint32_t thread)
{
    struct gs_sync_row mutex = {.object = f->visits[thread].taken_last};
    return gs__thing_at(f, &mutex, false);
}

/* The lock that it waits for is taken twice: at once, and when it is woken. */
static void on_wait(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    struct gs__visit *v = &f->visits[s->thread];
    if (s->op == GS_SYNC_REFUSED && v->waits) { /* it timed out */
        struct gs__thing *t = mutex_of(f, s->thread);
        t->arrived -= t->arrived > 0 && t->barrier == v->barrier;
        v->waits = false;
        if (f->blocked[i])
            gs__add_cover(f, s->thread, gs__call_began(s), s->t_ns, true);
    }
    if (s->op != GS_SYNC_ACQUIRED)
        return;
    if (!v->waits) {
        struct gs__thing *t = mutex_of(f, s->thread);
        if (t->arrived++ == 0)
            t->barrier = gs__new_object(f, GS_OBJECT_BARRIER, "barrier", s->node);
        v->barrier = t->barrier;
        v->waits = true;
        return;
    }
    v->waits = false;
    arrive(f, gs__call_began(s), s->thread, v->barrier);
    if (f->blocked[i])
        gs__add_cover(f, s->thread, gs__call_began(s), s->t_ns, false);
}

/* The first of those that it wakes. */
static void on_open(struct gs__finder *f, const struct gs_sync_row *s)
{
    struct gs__thing *t = mutex_of(f, s->thread);
    struct gs__visit *v = &f->visits[s->thread];
    if (t->arrived == 0)
        return;
    f->p->objects[t->barrier].parties = t->arrived + 1;
    t->arrived = 0;
    v->barrier = t->barrier;
    v->opens = true;
}

bool gs__barrier_row(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    enum gs__place place = gs__place_of(f, s->node);
    if (place == GS__WAITS_AT_BARRIER && !(s->object & GS_SYNC_REENTRANT))
        on_wait(f, i);
    else if (place == GS__OPENS_BARRIER && s->op == GS_SYNC_RELEASED)
        on_open(f, s);
    else
        return false;
    return true;
}

void gs__barrier_after(struct gs__finder *f, const struct gs_sync_row *s)
{
    struct gs__visit *v = &f->visits[s->thread];
    if (s->op == GS_SYNC_ACQUIRED)
        v->taken_last = s->object;
    if (s->op == GS_SYNC_RELEASED && v->opens && s->object == v->taken_last) {
        v->opens = false;
        arrive(f, s->t_ns, s->thread, v->barrier);
    }
}

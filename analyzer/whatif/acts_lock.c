/* SPDX-License-Identifier: MIT
 * Locks. One that is let go by another thread than took it is no lock but a signal (Condition,
 * Event, Future and Thread.join wait for such): as a lock it would forget a wake-up that comes
 * before its wait. So it becomes a queue of nameless items.
 */
#include <string.h>

#include "analyzer/whatif/acts_finder.h"
#include "analyzer/xalloc.h"

/* The last one that ended within the call. */
static const struct gs_edge_row *edge_within(const struct gs__finder *f,
                                             const struct gs_sync_row *s)
{
    const struct gs_evidence *e = f->e;
    size_t lo = e->edge_from[s->thread], hi = e->edge_from[s->thread + 1];
    uint64_t began = gs__call_began(s);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e->edges[mid].wake_ns <= s->t_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo > e->edge_from[s->thread] && e->edges[lo - 1].wake_ns >= began)
        return &e->edges[lo - 1];
    return NULL;
}

static uint32_t *saved_of(struct gs__finder *f, const struct gs__thing *t, uint32_t thread)
{
    uint32_t at = gs_idmap_add(&f->saved_map, gs_pack32((uint32_t)(t - f->things), thread));
    size_t had = f->cap_saved;
    GS_RESERVE(f->saved, (size_t)at + 1, f->cap_saved);
    memset(f->saved + had, 0, (f->cap_saved - had) * sizeof(*f->saved));
    return &f->saved[at];
}

/* Nobody let go what was taken, as far as we know: it keeps nobody out. */
void gs__forget_hold(struct gs__finder *f, struct gs__thing *t)
{
    if (t->taken_by != GS__NO_ACT && f->a->acts[t->taken_by].op.kind == GS_OP_ACQUIRE)
        f->a->acts[t->taken_by].op = (struct gs_op){.kind = GS_OP_PY};
    t->taken_by = GS__NO_ACT;
}

/* Held, as far as we know: let go where nobody saw it, or another lock in the same place. */
static void take_as_new(struct gs__finder *f, size_t i, struct gs__thing *t)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    gs__forget_hold(f, t);
    const struct gs_edge_row *edge = f->blocked[i] ? edge_within(f, s) : NULL;
    if (edge)
        gs__wake_as_recorded(f, edge, gs__call_began(s));
    t->object = gs__new_object(f, GS_OBJECT_LOCK, "lock", s->node);
    t->signals = false;
}

static uint32_t add(struct gs__finder *f, const struct gs__thing *t, uint64_t t_ns, uint32_t thread,
                    enum gs_op_kind kind)
{
    gs__add_act(f, t_ns, thread, gs_op_on(kind, t->object));
    return (uint32_t)f->a->n_acts - 1;
}

/* Whoever took it took nothing: there is nothing to wait for before it is let go. */
static void make_signal(struct gs__finder *f, struct gs__thing *t, const struct gs_sync_row *s)
{
    gs__forget_hold(f, t);
    t->object = gs__new_object(f, GS_OBJECT_CHANNEL, "signal", s->node);
    f->p->objects[t->object].signal = true;
    t->signals = true;
    t->pending = 0;
    if (gs__place_of(f, s->node) == GS__SAYS_IT_RUNS)
        f->runs[s->thread] = t->object;
}

static void on_acquired(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    struct gs__thing *t = gs__thing_at(f, s, false);
    if (t->held && s->object & GS_SYNC_REENTRANT && t->owner == s->thread) {
        t->depth++;
        return;
    }
    bool is_fresh = t->signals && t->pending == 0 && !f->blocked[i];
    if (t->held || is_fresh)
        take_as_new(f, i, t);
    t->pending -= t->signals && t->pending > 0;
    uint32_t *saved = saved_of(f, t, s->thread);
    t->held = true;
    t->owner = s->thread;
    t->depth = *saved ? *saved : 1;
    *saved = 0;
    t->taken_by = add(f, t, gs__call_began(s), s->thread, t->signals ? GS_OP_GET : GS_OP_ACQUIRE);
    if (f->blocked[i])
        gs__add_cover(f, s->thread, gs__call_began(s), s->t_ns, false);
}

static void on_released(struct gs__finder *f, const struct gs_sync_row *s)
{
    struct gs__thing *t = gs__thing_at(f, s, false);
    if (!t->held) {
        f->a->unmatched++;
        return;
    }
    if (s->value == 1) {
        *saved_of(f, t, s->thread) = t->depth;
        t->depth = 1;
    }
    if (--t->depth > 0)
        return;
    t->held = false;
    if (t->owner != s->thread && !t->signals)
        make_signal(f, t, s);
    t->pending += t->signals;
    add(f, t, s->t_ns, s->thread, t->signals ? GS_OP_PUT : GS_OP_RELEASE);
}

void gs__lock_row(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    if (s->op == GS_SYNC_ACQUIRED)
        on_acquired(f, i);
    else if (s->op == GS_SYNC_RELEASED)
        on_released(f, s);
    else if (f->blocked[i])
        gs__add_cover(f, s->thread, gs__call_began(s), s->t_ns, true);
}

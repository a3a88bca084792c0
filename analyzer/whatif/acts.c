/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/acts_finder.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

void gs__add_act(struct gs__finder *f, uint64_t t_ns, uint32_t thread, struct gs_op op)
{
    bool starts = op.kind == GS_OP_START; /* before whatever else seems to be at that moment */
    struct gs_act act = {t_ns, thread, starts ? 0 : (uint32_t)f->a->n_acts + 1, op, f->node};
    GS_PUSH(f->a->acts, f->a->n_acts, f->a->cap_acts, act);
}

void gs__add_cover(struct gs__finder *f, uint32_t thread, uint64_t from_ns, uint64_t to_ns,
                   bool sleeps)
{
    struct gs_cover c = {from_ns, to_ns, thread, sleeps};
    GS_PUSH(f->a->covers, f->a->n_covers, f->a->cap_covers, c);
}

uint64_t gs__call_began(const struct gs_sync_row *s)
{
    bool has_length = s->op != GS_SYNC_RELEASED && s->op != GS_SYNC_PUT;
    return has_length && s->t_ns > s->value ? s->t_ns - s->value : s->t_ns;
}

/* ---- which calls let the GIL go ---- */

static void mark_blocked(struct gs__finder *f, uint32_t thread)
{
    const struct gs_evidence *e = f->e;
    size_t turn = e->turn_from[thread], turns = e->turn_from[thread + 1];
    size_t edge = e->edge_from[thread], edges = e->edge_from[thread + 1];
    for (size_t i = e->sync_from[thread]; i < e->sync_from[thread + 1]; i++) {
        const struct gs_sync_row *s = &e->syncs[i];
        if (s->op == GS_SYNC_CPU)
            continue;
        uint64_t began = gs__call_began(s);
        while (turn < turns && e->turns[turn].rel_ns <= began)
            turn++;
        f->blocked[i] = turn < turns && e->turns[turn].rel_ns < s->t_ns;
        while (edge < edges && e->edges[edge].wake_ns < began)
            edge++;
        for (; edge < edges && e->edges[edge].wake_ns <= s->t_ns; edge++)
            f->explained[edge] = 1;
    }
}

/* ---- objects ---- */

uint32_t gs__new_object(struct gs__finder *f, enum gs_object_kind kind, const char *what,
                        uint32_t node)
{
    char *name = gs__name_at(f, what, node);
    uint32_t object = gs_program_object(f->p, kind, name);
    free(name);
    f->p->objects[object].node = node;
    return object;
}

struct gs__thing *gs__thing_at(struct gs__finder *f, const struct gs_sync_row *s, bool queue)
{
    uint32_t at = gs_idmap_add(&f->things_map, s->object | (queue ? 2 : 0)); /* addresses: of 16 */
    if (at == f->n_things) {
        struct gs__thing t = {.object =
                                  gs__new_object(f, queue ? GS_OBJECT_CHANNEL : GS_OBJECT_LOCK,
                                                 queue ? "queue" : "lock", s->node),
                              .channel = GS__NO_OBJECT,
                              .taken_by = GS__NO_ACT};
        GS_PUSH(f->things, f->n_things, f->cap_things, t);
    }
    return &f->things[at];
}

/* ---- wake-ups as they were ---- */

void gs__wake_as_recorded(struct gs__finder *f, const struct gs_edge_row *edge, uint64_t began_ns)
{
    uint32_t event = gs__new_object(f, GS_OBJECT_EVENT, "wake-up", 0);
    f->p->objects[event].recorded = true;
    gs__add_act(f, edge->post_ns, edge->waker, gs_op_on(GS_OP_SET, event));
    gs__add_act(f, began_ns, edge->thread, gs_op_on(GS_OP_WAIT, event));
    f->a->recorded_edges++;
}

/* ---- queues ---- */

/* An executor leaves an item in its queue; the next one's may lie in the same place. */
static void renew_if_left(struct gs__finder *f, struct gs__thing *t, uint32_t *channel,
                          const struct gs_sync_row *s)
{
    if (t->n_put == t->n_got || !t->reader || s->t_ns <= t->readers_end_ns)
        return;
    *channel = gs__new_object(f, GS_OBJECT_CHANNEL, "queue", s->node);
    t->n_got = t->n_put;
    t->reader = 0;
    t->readers_end_ns = 0;
}

static uint64_t last_turn_ns(const struct gs_evidence *e, uint32_t thread)
{
    size_t end = e->turn_from[thread + 1];
    return end > e->turn_from[thread] ? e->turns[end - 1].rel_ns : 0;
}

void gs__put_item(struct gs__finder *f, struct gs__thing *t, uint32_t *channel,
                  const struct gs_sync_row *s, uint64_t t_ns)
{
    renew_if_left(f, t, channel, s);
    uint32_t task = gs_program_task(f->p);
    GS_RESERVE(t->items, (size_t)t->n_put + 1, t->cap_items);
    t->items[t->n_put++] = task;
    struct gs_op op = gs_op_on(GS_OP_PUT, *channel);
    op.item = task;
    gs__add_act(f, t_ns, s->thread, op);
}

bool gs__get_item(struct gs__finder *f, struct gs__thing *t, uint32_t channel, uint64_t t_ns,
                  uint32_t thread)
{
    if (t->n_got == t->n_put) {
        f->a->unmatched++;
        return false;
    }
    if (t->reader && t->reader != thread + 1)
        f->p->objects[channel].pool = true;
    t->reader = thread + 1;
    uint64_t end_ns = last_turn_ns(f->e, thread);
    t->readers_end_ns = end_ns > t->readers_end_ns ? end_ns : t->readers_end_ns;
    struct gs_op op = gs_op_on(GS_OP_GET, channel);
    op.item = t->items[t->n_got++];
    gs__add_act(f, t_ns, thread, op);
    return true;
}

static void on_got(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    struct gs__thing *t = gs__thing_at(f, s, true);
    if (gs__get_item(f, t, t->object, gs__call_began(s), s->thread) && f->blocked[i])
        gs__add_cover(f, s->thread, gs__call_began(s), s->t_ns, false);
}

static void on_put(struct gs__finder *f, const struct gs_sync_row *s)
{
    struct gs__thing *t = gs__thing_at(f, s, true);
    gs__put_item(f, t, &t->object, s, s->t_ns);
}

/* ---- all of it, in order of time ---- */

static int by_time(const void *pa, const void *pb, void *arg)
{
    const struct gs_sync_row *s = arg, *a = &s[*(const uint32_t *)pa],
                             *b = &s[*(const uint32_t *)pb];
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return *(const uint32_t *)pa < *(const uint32_t *)pb ? -1 : 1;
}

static void on_row(struct gs__finder *f, size_t i)
{
    const struct gs_sync_row *s = &f->e->syncs[i];
    f->node = s->node;
    switch ((enum gs_sync_op)s->op) {
    case GS_SYNC_ACQUIRED:
    case GS_SYNC_RELEASED:
    case GS_SYNC_REFUSED:
        if (gs__queue_row(f, i) || gs__barrier_row(f, i))
            break;
        gs__lock_row(f, i);
        gs__barrier_after(f, s);
        break;
    case GS_SYNC_PUT:
        on_put(f, s);
        break;
    case GS_SYNC_GOT:
        on_got(f, i);
        break;
    case GS_SYNC_CPU:
        break;
    }
}

static void walk_syncs(struct gs__finder *f)
{
    uint32_t *order = gs_xmalloc(f->e->n_syncs + 1, sizeof(*order));
    for (uint32_t i = 0; i < f->e->n_syncs; i++)
        order[i] = i;
    if (f->e->n_syncs)
        qsort_r(order, f->e->n_syncs, sizeof(*order), by_time, f->e->syncs);
    for (size_t i = 0; i < f->e->n_syncs; i++)
        on_row(f, order[i]);
    f->node = 0;
    free(order);
}

/* From 3.13 on threads are joined by no lock: the last that a thread does is to say that it ends.
 */
static bool is_join(struct gs__finder *f, const struct gs_edge_row *edge)
{
    const struct gs_evidence *e = f->e;
    size_t end = e->turn_from[edge->waker + 1];
    return edge->waker != edge->thread && gs__place_of(f, edge->node) == GS__JOINS &&
           end > e->turn_from[edge->waker] && edge->post_ns >= e->turns[end - 1].acq_ns;
}

static void walk_edges(struct gs__finder *f)
{
    for (size_t i = 0; i < f->e->n_edges; i++) {
        const struct gs_edge_row *edge = &f->e->edges[i];
        if (f->explained[i])
            continue;
        if (is_join(f, edge))
            gs__add_act(f, edge->began_ns, edge->thread,
                        gs_op_on(GS_OP_JOIN, f->p->threads[f->first_thread + edge->waker].object));
        else
            gs__wake_as_recorded(f, edge, edge->began_ns);
        gs__add_cover(f, edge->thread, edge->began_ns, edge->wake_ns, false);
    }
}

static int cover_order(const void *pa, const void *pb)
{
    const struct gs_cover *a = pa, *b = pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

static void sort_covers(struct gs__finder *f)
{
    struct gs_acts *a = f->a;
    if (a->n_covers)
        qsort(a->covers, a->n_covers, sizeof(*a->covers), cover_order);
    f->cover_from = gs_xcalloc(f->e->n_threads + 1, sizeof(*f->cover_from));
    for (size_t i = 0; i < a->n_covers; i++)
        f->cover_from[a->covers[i].thread + 1]++;
    for (size_t t = 0; t < f->e->n_threads; t++)
        f->cover_from[t + 1] += f->cover_from[t];
}

/* ---- who started whom ---- */

static int by_acquire(const void *pa, const void *pb)
{
    const struct gs_turn_row *a = *(const struct gs_turn_row *const *)pa;
    const struct gs_turn_row *b = *(const struct gs_turn_row *const *)pb;
    return a->acq_ns < b->acq_ns ? -1 : a->acq_ns > b->acq_ns;
}

/* When the turn's thread let the GIL go to wait, if that was before t_ns: what was begun in the
 * turn was begun before. */
static uint64_t before_it_waited(const struct gs__finder *f, const struct gs_turn_row *turn,
                                 uint64_t t_ns)
{
    const struct gs_cover *covers = f->a->covers;
    size_t lo = f->cover_from[turn->thread], end = f->cover_from[turn->thread + 1], hi = end;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (covers[mid].from_ns < turn->acq_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool waited = lo < end && covers[lo].from_ns <= turn->rel_ns && covers[lo].from_ns < t_ns;
    return waited ? covers[lo].from_ns : t_ns;
}

struct start {
    uint32_t by; /* thread; GS__NO_OBJECT: nobody knows */
    uint64_t t_ns;
};

/* Thread.start waits for the new thread to say that it runs: who waited for that made it. */
static void start_by_waiter(const struct gs__finder *f, struct start *starts)
{
    uint32_t *who =
        gs_xcalloc(f->p->n_objects, sizeof(*who)); /* +1: by what it says that it runs */
    for (uint32_t t = 0; t < f->e->n_threads; t++)
        if (f->runs[t] != GS__NO_OBJECT)
            who[f->runs[t]] = t + 1;
    for (size_t i = 0; i < f->a->n_acts; i++) {
        const struct gs_act *act = &f->a->acts[i];
        if (act->op.kind == GS_OP_GET && who[act->op.object] &&
            act->thread + 1 != who[act->op.object])
            starts[who[act->op.object] - 1] = (struct start){act->thread, act->t_ns};
    }
    free(who);
}

/* Else: a new thread asks for the GIL at once, and whoever holds it then, or held it last, made the
 * thread. `turns`: all, by when they began. */
static struct start start_by_turn(const struct gs__finder *f, const struct gs_turn_row **turns,
                                  uint32_t t)
{
    const struct gs_evidence *e = f->e;
    uint64_t first_ns = e->turns[e->turn_from[t]].asked_ns;
    size_t lo = 0, hi = e->n_turns;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (turns[mid]->acq_ns <= first_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    while (lo > 0 && turns[lo - 1]->thread == t)
        lo--;
    if (lo == 0)
        return (struct start){.by = GS__NO_OBJECT};
    const struct gs_turn_row *by = turns[lo - 1];
    uint64_t t_ns = first_ns < by->rel_ns ? first_ns : by->rel_ns;
    return (struct start){by->thread, before_it_waited(f, by, t_ns)};
}

static void find_starts(struct gs__finder *f)
{
    const struct gs_evidence *e = f->e;
    const struct gs_turn_row **turns = gs_xmalloc(e->n_turns + 1, sizeof(*turns));
    struct start *starts = gs_xmalloc(e->n_threads + 1, sizeof(*starts));
    for (size_t i = 0; i < e->n_turns; i++)
        turns[i] = &e->turns[i];
    if (e->n_turns)
        qsort(turns, e->n_turns, sizeof(*turns), by_acquire);
    for (uint32_t t = 0; t < e->n_threads; t++)
        starts[t] = e->turn_from[t] < e->turn_from[t + 1] ? start_by_turn(f, turns, t)
                                                          : (struct start){.by = GS__NO_OBJECT};
    start_by_waiter(f, starts);
    for (uint32_t t = 0; t < e->n_threads; t++) {
        if (starts[t].by == GS__NO_OBJECT)
            continue;
        struct gs_program_thread *started = &f->p->threads[f->first_thread + t];
        started->late = true;
        gs__add_act(f, starts[t].t_ns, starts[t].by, gs_op_on(GS_OP_START, started->object));
    }
    free(starts);
    free(turns);
}

static int act_order(const void *pa, const void *pb)
{
    const struct gs_act *a = pa, *b = pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void add_more(struct gs__finder *f, const struct gs_acts *more)
{
    for (size_t i = 0; i < more->n_acts; i++)
        gs__add_act(f, more->acts[i].t_ns, more->acts[i].thread, more->acts[i].op);
    for (size_t i = 0; i < more->n_covers; i++) {
        const struct gs_cover *c = &more->covers[i];
        gs__add_cover(f, c->thread, c->from_ns, c->to_ns, c->sleeps);
    }
}

void gs_acts_find(struct gs_acts *a, struct gs_evidence *e, const struct gs_stacks *stacks,
                  struct gs_program *p, uint32_t first_thread, const struct gs_acts *more)
{
    struct gs__finder f = {.a = a, .e = e, .p = p, .stacks = stacks, .first_thread = first_thread};
    memset(a, 0, sizeof(*a));
    f.blocked = gs_xcalloc(e->n_syncs + 1, 1);
    f.explained = gs_xcalloc(e->n_edges + 1, 1);
    f.calls = gs_xcalloc(e->n_threads + 1, sizeof(*f.calls));
    f.visits = gs_xcalloc(e->n_threads + 1, sizeof(*f.visits));
    f.places = gs_xcalloc(stacks->n_nodes + 1, 1);
    f.runs = gs_xmalloc(e->n_threads + 1, sizeof(*f.runs));
    memset(f.runs, 0xff, (e->n_threads + 1) * sizeof(*f.runs));
    for (uint32_t t = 0; t < e->n_threads; t++)
        mark_blocked(&f, t);
    walk_syncs(&f);
    for (size_t i = 0; i < f.n_things; i++)
        if (f.things[i].held)
            gs__forget_hold(&f, &f.things[i]);
    walk_edges(&f);
    if (more)
        add_more(&f, more);
    sort_covers(&f);
    find_starts(&f);
    if (a->n_acts)
        qsort(a->acts, a->n_acts, sizeof(*a->acts), act_order);
    for (size_t i = 0; i < f.n_things; i++)
        free(f.things[i].items);
    free(f.things);
    gs_idmap_free(&f.things_map);
    gs_idmap_free(&f.saved_map);
    free(f.saved);
    free(f.blocked);
    free(f.explained);
    free(f.calls);
    free(f.cover_from);
    free(f.visits);
    free(f.places);
    free(f.runs);
}

void gs_acts_free(struct gs_acts *a)
{
    free(a->acts);
    free(a->covers);
    memset(a, 0, sizeof(*a));
}

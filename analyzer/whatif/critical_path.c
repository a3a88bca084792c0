/* SPDX-License-Identifier: MIT
 * The relaxed replay: nothing waits for a core or for a lock, and nothing happens later than it
 * does in any other replay. Runners are the threads and, behind them, the items of pools, each with
 * a worker of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"
#include "analyzer/whatif/bounds.h"
#include "analyzer/whatif/replay_state.h"
#include "analyzer/xalloc.h"

#define MOST_JOINERS 4u /* of one pool at a time; what more there are do not wait for its items */

struct runner {
    uint32_t op;
    uint32_t next;  /* parked behind it, or ready behind it */
    uint32_t order; /* item: which of its pool's it was, from 1 */
    uint32_t todo;  /* in JOIN: what has to end */
    uint32_t pool;  /* item: of which object; thread: whose worker it is; GS_NO_OBJECT: none */
    bool started, ended;
};

struct joiner {
    uint32_t who, limit, left; /* waits for the items up to this one; how many of them run */
};

struct spot {            /* an object */
    uint32_t parked;     /* first runner, GS__NOBODY: none */
    uint32_t most;       /* CHANNEL, BARRIER: the greatest ordinal of one runner */
    size_t waiting;      /* of these: where its part of waiting[] begins */
    uint64_t count;      /* CHANNEL: items put; EVENT: 1 set; BARRIER: arrived */
    uint32_t workers;    /* pool: threads that read it first */
    uint32_t n_items;    /* pool: put so far */
    uint32_t running;    /* of them */
    uint64_t workers_at; /* pool: when the last of them was there */
    struct joiner joiners[MOST_JOINERS];
    uint32_t n_joiners;
};

struct relaxed {
    const struct gs_program *p;
    uint32_t s_q16;
    struct runner *runners;
    struct spot *spots;
    uint32_t
        *ordinal; /* by operation: which `get` or `arrive` at its object it is, of its runner */
    uint32_t *waiting;         /* by object, ordinal - 1: the first runner parked for so much */
    struct gs_idmap joined;    /* runner, thread */
    struct gs_idmap joined_of; /* runner, pool -> n_joined[]: of its workers */
    uint32_t *n_joined;
    size_t cap_joined;
    struct gs_idmap devices; /* runner, device -> free_at[] */
    uint64_t *free_at;
    size_t cap_free;
    struct gs__heap ends;
    struct gs__queue ready;
    uint64_t now;
};

/* ---- before it runs ---- */

/* An item's worker reads on its own, so that its counts begin at the item. */
static void number_visits(struct relaxed *x)
{
    const struct gs_program *p = x->p;
    uint32_t *count = gs_xcalloc(p->n_objects + 1, sizeof(*count));
    uint32_t *reader = gs_xcalloc(p->n_objects + 1, sizeof(*reader)), n = 1;
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct gs_op *op = &p->ops[i];
        n += op->kind == GS_OP_END || gs_is_pool_get(p, op);
        if (op->kind != GS_OP_GET && op->kind != GS_OP_ARRIVE)
            continue;
        if (reader[op->object] != n)
            count[op->object] = 0;
        reader[op->object] = n;
        x->ordinal[i] = ++count[op->object];
        if (x->ordinal[i] > x->spots[op->object].most)
            x->spots[op->object].most = x->ordinal[i];
    }
    free(count);
    free(reader);
}

static void make_waiting(struct relaxed *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->p->n_objects; i++) {
        x->spots[i].waiting = n;
        n += x->spots[i].most;
    }
    x->waiting = gs_xmalloc(n + 1, sizeof(*x->waiting));
    for (size_t i = 0; i < n; i++)
        x->waiting[i] = GS__NOBODY;
}

static void find_workers(struct relaxed *x)
{
    for (uint32_t t = 0; t < x->p->n_threads; t++) {
        const struct gs_op *op = &x->p->ops[x->p->threads[t].first_op];
        x->runners[t].pool = GS_NO_OBJECT;
        while (op->kind != GS_OP_END && !gs_is_pool_get(x->p, op))
            op++;
        if (op->kind == GS_OP_END)
            continue;
        x->runners[t].pool = op->object;
        x->spots[op->object].workers++;
    }
}

static void make_ready(struct relaxed *x, uint32_t who)
{
    x->runners[who].next = GS__NOBODY;
    if (x->ready.first == GS__NOBODY)
        x->ready.first = who;
    else
        x->runners[x->ready.last].next = who;
    x->ready.last = who;
}

static void start_runner(struct relaxed *x, uint32_t who, uint32_t op)
{
    if (x->runners[who].started)
        return;
    x->runners[who].started = true;
    x->runners[who].op = op;
    make_ready(x, who);
}

/* ---- parking ---- */

static void park_in(struct relaxed *x, uint32_t who, uint32_t *list)
{
    x->runners[who].next = *list;
    *list = who;
}

static void park(struct relaxed *x, uint32_t who, struct spot *s)
{
    park_in(x, who, &s->parked);
}

static void wake_list(struct relaxed *x, uint32_t *list)
{
    uint32_t who = *list;
    *list = GS__NOBODY;
    while (who != GS__NOBODY) {
        uint32_t next = x->runners[who].next;
        make_ready(x, who);
        who = next;
    }
}

static void wake_all(struct relaxed *x, struct spot *s)
{
    wake_list(x, &s->parked);
}

/* ---- what ends ---- */

static void one_less_to_do(struct relaxed *x, uint32_t who)
{
    if (--x->runners[who].todo == 0)
        make_ready(x, who);
}

static void end_item(struct relaxed *x, struct runner *me)
{
    struct spot *s = &x->spots[me->pool];
    s->running--;
    for (uint32_t i = 0; i < s->n_joiners;) {
        struct joiner *j = &s->joiners[i++];
        if (me->order > j->limit || --j->left > 0)
            continue;
        one_less_to_do(x, j->who);
        *j = s->joiners[--s->n_joiners];
        i--;
    }
}

static void end_thread(struct relaxed *x, uint32_t who, bool at_pool)
{
    struct runner *me = &x->runners[who];
    uint32_t *parked = &x->spots[x->p->threads[who].object].parked, other = *parked;
    *parked = GS__NOBODY;
    while (other != GS__NOBODY) {
        uint32_t next = x->runners[other].next;
        one_less_to_do(x, other);
        other = next;
    }
    if (at_pool)
        x->spots[me->pool].workers_at = x->now;
}

static void end_runner(struct relaxed *x, uint32_t who, bool at_pool)
{
    x->runners[who].ended = true;
    if (who < x->p->n_threads)
        end_thread(x, who, at_pool);
    else
        end_item(x, &x->runners[who]);
}

/* ---- operations: true where the runner goes on at once ---- */

static bool takes(struct relaxed *x, uint32_t who, uint64_t ticks)
{
    if (ticks == 0)
        return true;
    gs__heap_put(&x->ends, (struct gs__ending){x->now + ticks, who});
    return false;
}

static void put(struct relaxed *x, const struct gs_op *op)
{
    struct spot *s = &x->spots[op->object];
    bool is_new = op->item != GS_NO_TASK && x->p->objects[op->object].pool;
    uint64_t there = ++s->count + x->p->objects[op->object].initial;
    if (there <= s->most)
        wake_list(x, &x->waiting[s->waiting + there - 1]);
    if (!is_new || x->p->tasks[op->item].first_op == GS_NO_OP)
        return;
    uint32_t who = (uint32_t)x->p->n_threads + op->item;
    if (x->runners[who].started)
        return;
    x->runners[who].pool = op->object;
    x->runners[who].order = ++s->n_items;
    s->running++;
    start_runner(x, who, x->p->tasks[op->item].first_op);
}

static bool get(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    struct spot *s = &x->spots[op->object];
    uint32_t ordinal = x->ordinal[op - x->p->ops];
    if (s->count + x->p->objects[op->object].initial >= ordinal)
        return true;
    park_in(x, who, &x->waiting[s->waiting + ordinal - 1]); /* and looks again */
    return false;
}

/* Who has joined all workers of a pool waits for what was put: somebody did it. */
static bool joined_all_workers(struct relaxed *x, uint32_t who, uint32_t thread)
{
    uint32_t pool = x->runners[thread].pool;
    size_t n = x->joined.n;
    if (pool == GS_NO_OBJECT || gs_idmap_add(&x->joined, gs_pack32(who, thread)) != n)
        return false;
    n = x->joined_of.n;
    uint32_t at = gs_idmap_add(&x->joined_of, gs_pack32(who, pool));
    GS_RESERVE(x->n_joined, (size_t)at + 1, x->cap_joined);
    if (at == n)
        x->n_joined[at] = 0;
    return ++x->n_joined[at] == x->spots[pool].workers;
}

static bool join(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    uint32_t thread = x->p->objects[op->object].thread;
    struct runner *me = &x->runners[who], *of = &x->runners[thread];
    me->op++;
    me->todo = 0;
    if (!of->ended) {
        me->todo++;
        park(x, who, &x->spots[op->object]);
    }
    if (joined_all_workers(x, who, thread)) {
        struct spot *s = &x->spots[of->pool];
        if (s->running && s->n_joiners < MOST_JOINERS) {
            s->joiners[s->n_joiners++] = (struct joiner){who, s->n_items, s->running};
            me->todo++;
        }
    }
    return me->todo == 0;
}

/* A thread's j-th time takes as many as fill the barrier j times. */
static bool arrive(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    struct spot *s = &x->spots[op->object];
    uint64_t parties = x->p->objects[op->object].parties, ordinal = x->ordinal[op - x->p->ops];
    parties += parties == 0;
    s->count++;
    if (s->count % parties == 0 && s->count / parties <= s->most)
        wake_list(x, &x->waiting[s->waiting + s->count / parties - 1]);
    x->runners[who].op++;
    if (s->count >= ordinal * parties)
        return true;
    park_in(x, who, &x->waiting[s->waiting + ordinal - 1]);
    return false;
}

/* Others' work for the device might come later elsewhere: only its own is sure. */
static uint64_t *device_of(struct relaxed *x, uint32_t who, uint32_t device)
{
    size_t n = x->devices.n;
    uint32_t at = gs_idmap_add(&x->devices, gs_pack32(who, device));
    GS_RESERVE(x->free_at, (size_t)at + 1, x->cap_free);
    if (at == n)
        x->free_at[at] = 0;
    return &x->free_at[at];
}

static void submit(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    uint64_t *free_at = device_of(x, who, op->object);
    *free_at = (*free_at > x->now ? *free_at : x->now) + gs__ticks(op->ns);
}

static bool sync(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    uint64_t free_at = *device_of(x, who, op->object);
    return takes(x, who, free_at > x->now ? free_at - x->now : 0);
}

static bool do_op(struct relaxed *x, uint32_t who, const struct gs_op *op)
{
    struct spot *s = &x->spots[op->object];
    switch ((enum gs_op_kind)op->kind) {
    case GS_OP_JOIN:
        return join(x, who, op);
    case GS_OP_ARRIVE:
        return arrive(x, who, op);
    case GS_OP_GET:
        if (!get(x, who, op))
            return false;
        break;
    case GS_OP_WAIT:
        if (!s->count && !x->p->objects[op->object].recorded) {
            park(x, who, s);
            return false;
        }
        break;
    case GS_OP_PY:
        x->runners[who].op++;
        return takes(x, who, gs__scaled_ticks(x->s_q16, op->ns));
    case GS_OP_NATIVE:
    case GS_OP_LATENCY:
        x->runners[who].op++;
        return takes(x, who, gs__ticks(op->ns));
    case GS_OP_UNTIL:
        x->runners[who].op++;
        return takes(x, who, gs__ticks(op->ns) > x->now ? gs__ticks(op->ns) - x->now : 0);
    case GS_OP_SYNC:
        x->runners[who].op++;
        return sync(x, who, op);
    case GS_OP_PUT:
        put(x, op);
        break;
    case GS_OP_SET:
        s->count = 1;
        wake_all(x, s);
        break;
    case GS_OP_START:
        start_runner(x, x->p->objects[op->object].thread,
                     x->p->threads[x->p->objects[op->object].thread].first_op);
        break;
    case GS_OP_SUBMIT:
        submit(x, who, op);
        break;
    case GS_OP_ACQUIRE:
    case GS_OP_RELEASE:
    case GS_OP_CLEAR:
    case GS_OP_MARK:
    case GS_OP_END:
    case GS_N_OPS:
        break;
    }
    x->runners[who].op++;
    return true;
}

static void step(struct relaxed *x, uint32_t who)
{
    struct runner *me = &x->runners[who];
    const struct gs_op *op = &x->p->ops[me->op];
    while (op->kind != GS_OP_END && !gs_is_pool_get(x->p, op)) {
        if (!do_op(x, who, op))
            return;
        op = &x->p->ops[me->op];
    }
    end_runner(x, who, op->kind != GS_OP_END);
}

/* ---- a run ---- */

static void begin(struct relaxed *x)
{
    number_visits(x);
    make_waiting(x);
    for (size_t i = 0; i < x->p->n_objects; i++)
        x->spots[i].parked = GS__NOBODY;
    find_workers(x);
    x->ready.first = GS__NOBODY;
    for (uint32_t t = 0; t < x->p->n_threads; t++)
        if (!x->p->threads[t].late)
            start_runner(x, t, x->p->threads[t].first_op);
}

static void run(struct relaxed *x)
{
    for (;;) {
        while (x->ready.first != GS__NOBODY) {
            uint32_t who = x->ready.first;
            x->ready.first = x->runners[who].next;
            step(x, who);
        }
        if (x->ends.n == 0)
            return;
        struct gs__ending e = gs__heap_take(&x->ends);
        x->now = e.at;
        make_ready(x, e.thread);
    }
}

void gs_relaxed_run(const struct gs_program *p, uint32_t s_q16, struct gs_relaxed *out)
{
    struct relaxed x = {.p = p, .s_q16 = s_q16};
    size_t n = p->n_threads + p->n_tasks;
    x.runners = gs_xcalloc(n + 1, sizeof(*x.runners));
    x.spots = gs_xcalloc(p->n_objects + 1, sizeof(*x.spots));
    x.ordinal = gs_xcalloc(p->n_ops + 1, sizeof(*x.ordinal));
    x.ends.at = gs_xmalloc(n + 1, sizeof(*x.ends.at));
    begin(&x);
    run(&x);
    *out = (struct gs_relaxed){.makespan_ns = gs__to_ns(x.now)};
    for (size_t i = 0; i < p->n_objects; i++)
        out->workers_ns += gs__to_ns(x.spots[i].workers_at);
    free(x.runners);
    free(x.spots);
    free(x.ordinal);
    free(x.waiting);
    free(x.ends.at);
    free(x.n_joined);
    free(x.free_at);
    gs_idmap_free(&x.joined);
    gs_idmap_free(&x.joined_of);
    gs_idmap_free(&x.devices);
}

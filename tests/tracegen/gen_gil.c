/* SPDX-License-Identifier: MIT
 * One GIL. A thread runs without it, wants it, waits while another one holds it, holds it, lets go.
 * Waits are never drawn: they are what is left between wanting and getting, in ticks of one clock,
 * so seq, wait and wait_ds agree with each other and with the holds.
 *
 * As in CPython: who finds the GIL free takes it, also before the thread that was signalled wakes
 * up; a waiter asks for a drop after 5 ms without a switch, and a holder that runs Python code
 * obeys soon (one inside C code does not), then wants it again for the rest. Every now and then all
 * threads come at once: a convoy.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

#define SWITCH_MS     5u
#define CONVOY_EVERY  (1u << 15) /* turns, on average */
#define LONG_EVERY    600u
#define MUST_WAIT_MIN 200u /* ticks of a hand-off, at least */

/* ---- arrivals, a heap ordered by time, then thread ---- */

static bool is_before(struct gen_arrival a, struct gen_arrival b)
{
    return a.t < b.t || (a.t == b.t && a.thread < b.thread);
}

static void push_arrival(struct gen_gil *g, struct gen_arrival a)
{
    uint32_t i = g->n_heap++;
    for (; i > 0 && is_before(a, g->heap[(i - 1) / 2]); i = (i - 1) / 2)
        g->heap[i] = g->heap[(i - 1) / 2];
    g->heap[i] = a;
}

static struct gen_arrival pop_arrival(struct gen_gil *g)
{
    struct gen_arrival top = g->heap[0], last = g->heap[--g->n_heap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < g->n_heap; i = child) {
        if (child + 1 < g->n_heap && is_before(g->heap[child + 1], g->heap[child]))
            child++;
        if (!is_before(g->heap[child], last))
            break;
        g->heap[i] = g->heap[child];
    }
    g->heap[i] = last;
    return top;
}

/* ---- those that wait, a ring ---- */

static uint32_t *waiter_at(struct gen_gil *g, uint32_t i)
{
    return &g->queue[(g->queue_head + i) & g->queue_mask];
}

static void begin_wait(struct gen_gil *g, uint32_t thread, uint64_t t)
{
    struct gen_thread *w = &g->threads[thread];
    w->waiting = true;
    w->since = t;
    w->since_seq = g->seq;
    *waiter_at(g, g->n_queue++) = thread;
}

/* Wake-ups are in order, but for a few. */
static uint32_t pop_waiter(struct gen_gil *g, uint64_t chance)
{
    uint32_t *first = waiter_at(g, 0), *second = waiter_at(g, 1);
    bool starves = g->seq - g->threads[*first].since_seq > g->ds_limit;
    if (g->n_queue > 1 && chance % 16 == 0 && !starves) {
        uint32_t was = *first;
        *first = *second;
        *second = was;
    }
    g->queue_head++;
    g->n_queue--;
    return *first;
}

/* ---- opening ---- */

/* Off the GIL so long that all threads together ask for load / 8 of it, in four roles: two that
 * compute, one that mixes, one that waits for the network. Many threads ask for less: a queue of
 * hundreds is no program that anybody keeps. */
static void set_loads(struct gen_gil *g, int64_t tick_log2)
{
    static const int64_t loads[] = {6, 8, 10, 14}; /* eighths */
    static const int64_t shift[] = {-(2 << 16), -(1 << 16), 0, 3 << 15};
    int64_t load = g->n_threads > 48 ? 6 : loads[gen_below(&g->rng, 4)];
    int64_t hold = (INT64_C(14) << 16) + gen_below(&g->rng, 1 << 16); /* 16 to 32 us in ns */
    g->hold = (struct gen_lognormal){hold + tick_log2, GEN_SPREAD(1400)};
    g->long_hold = (struct gen_lognormal){(INT64_C(22) << 16) + tick_log2, GEN_SPREAD(1500)};
    g->hand_off = (struct gen_lognormal){(INT64_C(12) << 16) + tick_log2, GEN_SPREAD(900)};
    for (unsigned role = 0; role < 4; role++)
        g->off[role] =
            (struct gen_lognormal){hold + tick_log2 + gen_log2(g->n_threads) + (INT64_C(3) << 16) -
                                       gen_log2((uint64_t)load) + shift[role] + (1 << 15),
                                   GEN_SPREAD(1700)};
}

void gen_gil_open(struct gen_gil *g, struct gen_process *p, uint64_t seed, uint64_t start)
{
    uint32_t n = p->o->threads, room = 2;
    while (room <= n)
        room *= 2;
    *g = (struct gen_gil){.p = p, .rng = {seed}, .n_threads = n, .free_at = start};
    g->queue_mask = room - 1;
    g->queue = gen_alloc(room, sizeof(*g->queue));
    g->heap = gen_alloc(n, sizeof(*g->heap));
    g->threads = gen_alloc(n, sizeof(*g->threads));
    g->ms = gen_ticks(&p->clock, 1000000);
    g->ds_limit = 2 * (uint64_t)n + 32;
    set_loads(g, gen_log2(p->clock.den << 16) - gen_log2(p->clock.num << 16));
    for (uint32_t i = 0; i < n; i++) {
        struct gen_thread *t = &g->threads[i];
        t->role = gen_below(&g->rng, 4);
        t->stack = gen_draw_stack(&p->stacks, &p->chunks, &g->rng, t->role);
        if (p->o->level == 1)
            t->fold_hist = gen_alloc(64, sizeof(*t->fold_hist));
        push_arrival(g, (struct gen_arrival){
                            start + 1 + gen_draw_lognormal(&g->rng, g->off[t->role]) / 4, i});
    }
}

void gen_gil_close(struct gen_gil *g)
{
    for (uint32_t i = 0; i < g->n_threads; i++)
        free(g->threads[i].fold_hist);
    free(g->threads);
    free(g->heap);
    free(g->queue);
}

/* ---- a turn ---- */

/* Who is next, and when. A wait's end is t->acq. */
static void acquire(struct gen_gil *g, struct gen_turn *t)
{
    if (g->n_queue == 0) {
        struct gen_arrival a = pop_arrival(g);
        t->thread = a.thread;
        t->acq = a.t;
        return;
    }
    uint64_t wakes = g->free_at + MUST_WAIT_MIN + gen_draw_lognormal(&g->rng, g->hand_off);
    uint64_t ds = g->seq - g->threads[*waiter_at(g, 0)].since_seq;
    while (g->n_heap > 0 && g->heap[0].t < wakes) {
        struct gen_arrival a = pop_arrival(g);
        if (ds <= g->ds_limit) { /* it is free: no wait */
            t->thread = a.thread;
            t->acq = a.t;
            return;
        }
        begin_wait(g, a.thread, a.t);
    }
    t->thread = pop_waiter(g, wakes);
    t->acq = wakes;
}

static void end_wait(struct gen_gil *g, struct gen_turn *t)
{
    struct gen_thread *w = &g->threads[t->thread];
    if (!w->waiting)
        return;
    w->waiting = false;
    t->flags |= GS_SLICE_WAIT;
    t->wait = t->acq - w->since;
    t->wait_ds = t->seq - w->since_seq;
    t->wait_stack = w->stack;
    w->contended++;
    w->wait += t->wait;
}

static void sample_holder(struct gen_gil *g, const struct gen_turn *t, uint64_t at,
                          enum gs_holder_sample_kind kind)
{
    struct gen_process *p = g->p;
    uint32_t stack = t->hold_stack;
    if (gen_below(&g->rng, 4) == 0) /* it was elsewhere then, or could not be walked */
        stack = gen_below(&g->rng, 16)
                    ? gen_draw_stack(&p->stacks, &p->chunks, &g->rng, g->threads[t->thread].role)
                    : GS_STACK_NONE;
    if (!p->o->no_samples)
        GEN_ROW(&p->chunks, GS_STREAM_HOLDER_SAMPLE, t->seq, at, t->thread, kind, stack);
}

/* When the first waiter asks for a drop. UINT64_MAX: nobody waits before `end`. */
static uint64_t drop_asked(const struct gen_gil *g, uint64_t acq, uint64_t end)
{
    if (g->n_queue > 0)
        return acq + SWITCH_MS * g->ms;
    return g->n_heap > 0 && g->heap[0].t < end ? g->heap[0].t + SWITCH_MS * g->ms : UINT64_MAX;
}

/* Draws the hold and cuts it where a drop is obeyed; what is left goes to the thread's rest. */
static void hold(struct gen_gil *g, struct gen_turn *t)
{
    struct gen_thread *me = &g->threads[t->thread];
    uint64_t wants = me->rest;
    bool in_c = false;
    me->rest = 0;
    if (!wants) {
        uint64_t chance = gen_next(&g->rng);
        bool is_long = chance % LONG_EVERY == 0;
        wants = 1 + gen_draw_lognormal(&g->rng, is_long ? g->long_hold : g->hold);
        in_c = is_long && chance >> 60 < 4;
    }
    uint64_t asked = drop_asked(g, t->acq, t->acq + wants);
    t->hold = wants;
    if (asked >= t->acq + wants)
        return;
    t->flags |= GS_SLICE_FORCED;
    me->forced++;
    sample_holder(g, t, asked, GS_HOLDER_AT_EXPIRY);
    uint64_t obeys = asked + gen_below(&g->rng, (uint32_t)(g->ms / 20)) - t->acq;
    if (!in_c && obeys < wants) {
        t->hold = obeys;
        me->rest = wants - obeys;
    }
}

/* All that want the GIL before it is let go. */
static void let_others_wait(struct gen_gil *g, const struct gen_turn *t)
{
    uint64_t release = t->acq + t->hold;
    while (g->n_heap > 0 && g->heap[0].t < release) {
        struct gen_arrival a = pop_arrival(g);
        begin_wait(g, a.thread, a.t);
        if ((a.t ^ t->acq) % 8 == 0)
            sample_holder(g, t, a.t, GS_HOLDER_AT_WAIT);
    }
    for (uint64_t at = t->acq + 10 * g->ms; at < release && at < t->acq + 50 * g->ms;
         at += 10 * g->ms)
        sample_holder(g, t, at, GS_HOLDER_BY_DRAIN);
}

static void release(struct gen_gil *g, const struct gen_turn *t)
{
    struct gen_thread *me = &g->threads[t->thread];
    uint64_t now = t->acq + t->hold;
    g->free_at = now;
    me->acquisitions++;
    me->hold += t->hold;
    if (me->rest) { /* forced: somebody waits, and goes first */
        begin_wait(g, t->thread, now);
        return;
    }
    uint64_t off = 1 + gen_draw_lognormal(&g->rng, g->off[me->role]);
    if (now + off < g->convoy_at || gen_below(&g->rng, CONVOY_EVERY) == 0) {
        if (g->convoy_at <= now)
            g->convoy_at = now + 3 * g->ms;
        off = g->convoy_at - now;
    }
    me->off += off;
    push_arrival(g, (struct gen_arrival){now + off, t->thread});
}

/* Half of the turns go on where the one before ended. */
static void draw_hold_stack(struct gen_gil *g, struct gen_turn *t)
{
    struct gen_thread *me = &g->threads[t->thread];
    uint64_t chance = gen_next(&g->rng);
    if (!me->rest && (chance & 1))
        me->stack = chance >> 54 ? gen_draw_stack(&g->p->stacks, &g->p->chunks, &g->rng, me->role)
                                 : GS_STACK_NONE;
    t->hold_stack = me->stack;
}

void gen_gil_turn(struct gen_gil *g, struct gen_turn *out)
{
    struct gen_turn t = {.flags = GS_SLICE_TURN};
    acquire(g, &t);
    t.seq = ++g->seq;
    end_wait(g, &t);
    draw_hold_stack(g, &t);
    hold(g, &t);
    let_others_wait(g, &t);
    if (g->n_queue > 0)
        t.flags |= GS_SLICE_WAITED_FOR;
    release(g, &t);
    *out = t;
}

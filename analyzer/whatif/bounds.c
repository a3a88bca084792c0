/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/bounds.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/replay_state.h"
#include "analyzer/xalloc.h"

#define MOST_HELD 64u /* locks by one thread; what more it takes counts for nothing */

/* Walks all lists: what is done while locks are held, and in the items of pools. */
struct walk {
    const struct gs_program *p;
    uint32_t s_q16;
    uint64_t *serial;     /* ticks by object */
    uint32_t *held;       /* locks that are */
    uint64_t *held_since; /* on the list's own clock; of those that are held */
    uint8_t *signals;  /* locks that are not always let go by who took them: they exclude nobody */
    uint32_t *workers; /* of pools: threads that read them */
    uint32_t *reader;  /* of channels: the last thread that did; +1 */
    uint64_t work, clock; /* ticks: all of it; of the list */
    uint64_t py_ns;       /* of the work, as recorded */
    size_t n_held, cap_held;
    uint32_t thread, pool; /* whose list; whose item, GS_NO_OBJECT: none */
    uint64_t item_since;
    bool has_signals;
};

static uint64_t ticks_of(const struct walk *w, const struct gs_op *op)
{
    if (op->kind == GS_OP_PY)
        return gs__scaled_ticks(w->s_q16, op->ns);
    return op->kind == GS_OP_NATIVE || op->kind == GS_OP_LATENCY ? gs__ticks(op->ns) : 0;
}

static void end_item(struct walk *w)
{
    if (w->pool != GS_NO_OBJECT)
        w->serial[w->pool] += w->clock - w->item_since;
    w->pool = GS_NO_OBJECT;
    for (size_t i = 0; i < w->n_held; i++)
        w->signals[w->held[i]] = 1;
    w->n_held = 0;
}

static size_t place_in_held(const struct walk *w, uint32_t lock)
{
    size_t i = 0;
    while (i < w->n_held && w->held[i] != lock)
        i++;
    return i;
}

static void on_get(struct walk *w, const struct gs_op *op)
{
    bool is_pool = w->p->objects[op->object].pool;
    if (w->reader[op->object] != w->thread + 1) {
        w->reader[op->object] = w->thread + 1;
        w->workers[op->object]++;
    }
    if (!is_pool)
        return;
    end_item(w);
    w->pool = op->object;
    w->item_since = w->clock;
}

static void on_acquire(struct walk *w, const struct gs_op *op)
{
    if (w->n_held == MOST_HELD || place_in_held(w, op->object) < w->n_held) {
        w->signals[op->object] = 1;
        return;
    }
    GS_RESERVE(w->held, w->n_held + 1, w->cap_held);
    w->held_since[op->object] = w->clock;
    w->held[w->n_held++] = op->object;
}

static void on_release(struct walk *w, const struct gs_op *op)
{
    size_t i = place_in_held(w, op->object);
    if (i == w->n_held) {
        w->signals[op->object] = 1;
        return;
    }
    w->serial[op->object] += w->clock - w->held_since[op->object];
    w->held[i] = w->held[--w->n_held];
}

static void on_op(struct walk *w, const struct gs_op *op)
{
    uint64_t ticks = ticks_of(w, op);
    w->clock += ticks;
    if (op->kind == GS_OP_PY || op->kind == GS_OP_NATIVE)
        w->work += ticks;
    if (op->kind == GS_OP_PY)
        w->py_ns += op->ns;
    if (op->kind == GS_OP_GET)
        on_get(w, op);
    else if (op->kind == GS_OP_ACQUIRE)
        on_acquire(w, op);
    else if (op->kind == GS_OP_RELEASE)
        on_release(w, op);
}

static void walk_lists(struct walk *w)
{
    for (uint32_t t = 0; t < w->p->n_threads; t++) {
        const struct gs_op *op = &w->p->ops[w->p->threads[t].first_op];
        w->thread = t;
        w->clock = 0;
        for (; op->kind != GS_OP_END; op++)
            on_op(w, op);
        end_item(w);
    }
}

static uint64_t at_full_speed(uint64_t work, const struct gs_machine *m)
{
    return (uint64_t)(((u128)work << 16) / m->cap_q16[m->cores - 1]);
}

static void find_lo(const struct walk *w, const struct gs_replay_params *params,
                    struct gs_bounds *out)
{
    uint64_t full_ns = gs__to_ns(at_full_speed(w->work, &params->machine));
    out->limited_by = GS_NO_OBJECT;
    out->lo_ns = full_ns > out->critical_path_ns ? full_ns : out->critical_path_ns;
    for (size_t i = 0; i < w->p->n_objects; i++) {
        if (out->serial_ns[i] > out->lo_ns) {
            out->lo_ns = out->serial_ns[i];
            out->limited_by = (uint32_t)i;
        }
    }
}

/* While n compute at once, what they all do and what one of them does come to at least 1/stretch.
 */
static double stretch(const struct gs_machine *m, size_t n_threads)
{
    double most = 1, full = m->cap_q16[m->cores - 1];
    for (uint32_t n = 1; n <= m->cores && n <= n_threads; n++) {
        double cap = m->cap_q16[n - 1];
        double together = cap / full + cap / 65536 / n;
        most = 1 / together > most ? 1 / together : most;
    }
    return most;
}

static uint64_t find_hi(const struct walk *w, const struct gs_replay_params *params,
                        const struct gs_relaxed *relaxed, const struct gs_bounds *b)
{
    uint64_t sum_ns = b->critical_path_ns + relaxed->workers_ns, pauses_ns = 0;
    if (w->has_signals || params->wake_ns || params->lock_policy == GS_LOCK_NONE ||
        !gs_program_is_plain(w->p))
        return GS_BOUND_NONE;
    sum_ns += gs__to_ns((uint64_t)((u128)at_full_speed(w->work, &params->machine) * 3004 / 3000));
    for (size_t i = 0; i < w->p->n_objects; i++)
        sum_ns += b->serial_ns[i];
    if (params->gc_every_ns)
        pauses_ns = (w->py_ns / params->gc_every_ns + 1) * params->gc_pause_ns;
    return (uint64_t)((double)sum_ns * stretch(&params->machine, w->p->n_threads)) + 1 + pauses_ns;
}

void gs_bounds_find(const struct gs_program *p, const struct gs_replay_params *params,
                    struct gs_bounds *out)
{
    struct walk w = {.p = p, .s_q16 = params->s_q16, .pool = GS_NO_OBJECT};
    struct gs_relaxed relaxed;
    w.serial = gs_xcalloc(p->n_objects + 1, sizeof(*w.serial));
    w.held_since = gs_xcalloc(p->n_objects + 1, sizeof(*w.held_since));
    w.signals = gs_xcalloc(p->n_objects + 1, 1);
    w.workers = gs_xcalloc(p->n_objects + 1, sizeof(*w.workers));
    w.reader = gs_xcalloc(p->n_objects + 1, sizeof(*w.reader));
    walk_lists(&w);
    memset(out, 0, sizeof(*out));
    out->serial_ns = w.serial;
    for (size_t i = 0; i < p->n_objects; i++) {
        uint32_t workers = p->objects[i].pool && w.workers[i] ? w.workers[i] : 1;
        w.serial[i] = w.signals[i] ? 0 : gs__to_ns(w.serial[i] / workers);
        w.has_signals |= w.signals[i];
    }
    out->work_ns = gs__to_ns(w.work);
    gs_relaxed_run(p, params->s_q16, &relaxed);
    out->critical_path_ns = relaxed.makespan_ns;
    find_lo(&w, params, out);
    out->hi_ns = find_hi(&w, params, &relaxed, out);
    free(w.held_since);
    free(w.held);
    free(w.signals);
    free(w.workers);
    free(w.reader);
}

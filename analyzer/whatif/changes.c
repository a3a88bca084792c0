/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/model.h"

#include <math.h>
#include <stdlib.h>

#include "analyzer/now.h"
#include "analyzer/xalloc.h"

/* ---- the median replay ---- */

/* What is told otherwise than it was, and how much of the recording was waiting for cores. */
static double share_of_doubt(const struct gs_capture_program *c, const struct gs_replay_result *r)
{
    double stood = (double)c->no_core_ns / (double)(c->wall_ns + c->no_core_ns + 1);
    uint64_t ops = 0;
    for (size_t i = 0; i < c->program.n_ops; i++)
        ops += c->program.ops[i].kind > GS_OP_LATENCY;
    return stood + (ops ? (double)(r->flips + c->doubtful) / (double)ops : 0);
}

double gs__median_open(struct gs__median *d, const struct gs_capture_program *c,
                       const struct gs__model *m, struct gs_whatif *out)
{
    uint32_t cores = out->at.cores;
    d->replay = gs_replay_open(&c->program);
    d->draw.cap_q16 = gs_xmalloc(cores, sizeof(uint32_t));
    gs__draw_median(&d->draw, m, cores);
    gs__draw_collections(&d->draw, m, c, 0.5);
    uint64_t begin_ns = gs_now_ns();
    gs_replay_run(d->replay, &d->draw.params, &d->result);
    d->took_ns = gs_now_ns() - begin_ns;
    out->s_median = exp(gs__log_speedup(c, &d->result));
    gs_migration_find(c, &d->result, &out->migration);
    uint64_t cpu_ns = d->result.py_ns + d->result.native_ns + d->result.gc_ns;
    out->core_time = (double)cpu_ns / (double)(c->py_ns + c->native_ns + c->gc.time_ns + 1);
    out->gc_ns = d->result.gc_ns;
    return d->result.deadlock ? -1 : share_of_doubt(c, &d->result);
}

void gs__median_close(struct gs__median *d)
{
    gs_replay_close(d->replay);
    free(d->draw.cap_q16);
}

/* ---- with one thing changed ---- */

#define MOST_LOCKS (GS_CHANGES_MOST - 2 * GS_FUNCTIONS_MOST - 3)

static void add_change(struct gs_whatif *out, char *what, struct gs__scenarios *scenarios,
                       const struct gs__draw *d, uint32_t node)
{
    out->changes[out->n_changes++] =
        (struct gs_change){.what = what, .s = NAN, .now = out->s_median, .node = node};
    gs__scenarios_add(scenarios, d);
}

/* The lock that threads wait for most, of those after `last` in that order; GS_NO_OBJECT: none. */
static uint32_t next_lock(const struct gs_program *p, const struct gs_replay_object *objects,
                          uint32_t last)
{
    uint32_t best = GS_NO_OBJECT;
    for (uint32_t i = 0; i < p->n_objects; i++) {
        uint64_t ns = objects[i].parked_ns;
        bool after = last == GS_NO_OBJECT || ns < objects[last].parked_ns ||
                     (ns == objects[last].parked_ns && i > last);
        if (p->objects[i].kind == GS_OBJECT_LOCK && ns > 0 && after &&
            (best == GS_NO_OBJECT || ns > objects[best].parked_ns))
            best = i;
    }
    return best;
}

static void change_locks(const struct gs_capture_program *c, const struct gs__median *d,
                         struct gs_whatif *out, struct gs__scenarios *scenarios)
{
    const struct gs_program *p = &c->program;
    struct gs__draw changed = d->draw;
    uint32_t lock = GS_NO_OBJECT;
    for (unsigned i = 0; i < MOST_LOCKS; i++) {
        lock = next_lock(p, d->result.objects, lock);
        if (lock == GS_NO_OBJECT)
            break;
        changed.params.free_lock = lock + 1;
        add_change(out, gs_xasprintf("without waiting for %s", p->objects[lock].name), scenarios,
                   &changed, p->objects[lock].node);
    }
}

/* What is to be had by making it faster, at most. */
static void change_functions(const struct gs_capture_program *c, const struct gs__median *d,
                             struct gs_whatif *out, struct gs__scenarios *scenarios)
{
    struct gs__draw changed = d->draw;
    for (size_t i = 0; i < c->n_functions; i++) {
        const struct gs_function *f = &c->functions[i];
        changed.params.free_function = f->number;
        add_change(out, gs_xasprintf("if %s took no time", f->name), scenarios, &changed, f->node);
    }
}

void gs__plan_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      const struct gs__median *d, struct gs_whatif *out,
                      struct gs__scenarios *scenarios)
{
    struct gs__draw changed = d->draw;
    change_locks(c, d, out, scenarios);
    change_functions(c, d, out, scenarios);
    changed.params.s_q16 = GS_Q16(1);
    add_change(out, gs_xasprintf("with Python no slower per thread"), scenarios, &changed, 0);
    changed.params = d->draw.params;
    if (changed.params.gc_every_ns) {
        changed.params.gc_every_ns = 0;
        add_change(out, gs_xasprintf("without garbage collections"), scenarios, &changed, 0);
    }
    if (c->n_threads <= out->at.cores)
        return;
    changed.params = d->draw.params;
    changed.cap_q16 = gs_xmalloc(c->n_threads, sizeof(uint32_t));
    gs__draw_machine(&changed, m, (uint32_t)c->n_threads, 0.5);
    add_change(out, gs_xasprintf("with a core for each thread"), scenarios, &changed, 0);
    free(changed.cap_q16);
}

/* ---- what came of it ---- */

static int by_gain(const void *pa, const void *pb)
{
    const struct gs_change *a = pa, *b = pb;
    double x = isnan(a->s) ? 0 : a->s / a->now, y = isnan(b->s) ? 0 : b->s / b->now;
    return x > y ? -1 : x < y;
}

static void drop_changes(struct gs_whatif *out)
{
    while (out->n_changes > 0)
        free(out->changes[--out->n_changes].what);
}

void gs__take_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      const struct gs_replay_result *results, struct gs_whatif *out)
{
    if (!results) {
        drop_changes(out);
        return;
    }
    for (size_t i = 0; i < out->n_changes; i++)
        out->changes[i].s = exp(gs__log_speedup(c, &results[i]));
    gs__add_gil_changes(c, m, out);
    qsort(out->changes, out->n_changes, sizeof(*out->changes), by_gain);
}

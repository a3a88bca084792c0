/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

struct median {
    struct gs_replay *replay;
    struct gs__draw draw;
    struct gs_replay_result result;
};

static void open_median(struct median *d, const struct gs_capture_program *c,
                        const struct gs__model *m, uint32_t cores)
{
    uint32_t room = cores > c->n_threads ? cores : (uint32_t)c->n_threads;
    d->replay = gs_replay_open(&c->program);
    d->draw.cap_q16 = gs_xmalloc(room, sizeof(uint32_t));
    gs__draw_median(&d->draw, m, cores);
}

static void close_median(struct median *d)
{
    gs_replay_close(d->replay);
    free(d->draw.cap_q16);
}

static double run_median(struct median *d, const struct gs_capture_program *c)
{
    gs_replay_run(d->replay, &d->draw.params, &d->result);
    return exp(gs__log_speedup(c, &d->result));
}

/* Returns how far to doubt it; less than 0: nobody could go on. */
double gs__replay_median(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct median d;
    open_median(&d, c, m, out->at.cores);
    out->s_median = run_median(&d, c);
    gs_migration_find(c, &d.result, &out->migration);
    uint64_t cpu_ns = d.result.py_ns + d.result.native_ns;
    out->core_time = (double)cpu_ns / (double)(c->py_ns + c->native_ns + 1);
    double doubt = d.result.deadlock ? -1 : share_of_doubt(c, &d.result);
    close_median(&d);
    return doubt;
}

/* ---- with one thing changed ---- */

#define MOST_LOCKS (GS_CHANGES_MOST - GS_FUNCTIONS_MOST - 2)

static void add_change(struct gs_whatif *out, char *what, double s, uint32_t node)
{
    out->changes[out->n_changes++] = (struct gs_change){.what = what, .s = s, .node = node};
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

static void change_locks(const struct gs_capture_program *c, struct median *d,
                         struct gs_whatif *out)
{
    const struct gs_program *p = &c->program;
    struct gs_replay_object *before = gs_xmalloc(p->n_objects + 1, sizeof(*before));
    memcpy(before, d->result.objects, p->n_objects * sizeof(*before));
    uint32_t lock = GS_NO_OBJECT;
    for (unsigned i = 0; i < MOST_LOCKS; i++) {
        lock = next_lock(p, before, lock);
        if (lock == GS_NO_OBJECT)
            break;
        d->draw.params.free_lock = lock + 1;
        add_change(out, gs_xasprintf("without waiting for %s", p->objects[lock].name),
                   run_median(d, c), p->objects[lock].node);
    }
    d->draw.params.free_lock = 0;
    free(before);
}

/* What is to be had by making it faster, at most. */
static void change_functions(const struct gs_capture_program *c, struct median *d,
                             struct gs_whatif *out)
{
    for (size_t i = 0; i < c->n_functions; i++) {
        const struct gs_function *f = &c->functions[i];
        d->draw.params.free_function = f->number;
        add_change(out, gs_xasprintf("if %s took no time", f->name), run_median(d, c), f->node);
    }
    d->draw.params.free_function = 0;
}

static int by_gain(const void *pa, const void *pb)
{
    const struct gs_change *a = pa, *b = pb;
    double x = isnan(a->s) ? 0 : a->s, y = isnan(b->s) ? 0 : b->s;
    return x > y ? -1 : x < y;
}

void gs__find_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      struct gs_whatif *out)
{
    struct median d;
    open_median(&d, c, m, out->at.cores);
    run_median(&d, c);
    change_locks(c, &d, out);
    change_functions(c, &d, out);
    uint32_t s_q16 = d.draw.params.s_q16;
    d.draw.params.s_q16 = GS_Q16(1);
    add_change(out, gs_xasprintf("with Python no slower per thread"), run_median(&d, c), 0);
    d.draw.params.s_q16 = s_q16;
    if (c->n_threads > out->at.cores) {
        gs__draw_machine(&d.draw, m, (uint32_t)c->n_threads, 0.5);
        add_change(out, gs_xasprintf("with a core for each thread"), run_median(&d, c), 0);
    }
    close_median(&d);
    qsort(out->changes, out->n_changes, sizeof(*out->changes), by_gain);
}

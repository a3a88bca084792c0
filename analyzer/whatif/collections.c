/* SPDX-License-Identifier: MIT
 * Garbage collections without the GIL: what the recording's say of the program, and what that comes
 * to for the collector of the free-threaded build. README.md, "Collections to come".
 */
#include <math.h>

#include "analyzer/whatif/model.h"

typedef unsigned __int128 u128;

/* ---- of the recording ---- */

/* A full collection comes by itself after threshold + 1 of the middle generation at the earliest;
 * what there are more of was asked for. With gc.disable() all were. */
static uint64_t asked_for(const struct gs_rec_gc *gc)
{
    const struct gs_rec_generation *g = gc->generations;
    uint64_t by_itself = gc->enabled ? g[1].collections / ((uint64_t)g[2].threshold + 1) : 0;
    uint64_t asked = g[2].collections > by_itself ? g[2].collections - by_itself : 0;
    return asked + (gc->enabled ? 0 : g[0].collections + g[1].collections);
}

static double mean_live(const struct gs_rec_gc *gc)
{
    uint64_t span_ns = gc->t_ns - gc->live_from_ns;
    return span_ns ? (double)(gc->live_area / span_ns) : (double)gc->live;
}

/* What was freed by counting its references does not count: it comes and goes between two
 * collections, and more so where these are rarer. */
static double garbage(const struct gs_rec_gc *gc)
{
    double all = gc->live > gc->live_first ? (double)(gc->live - gc->live_first) : 0;
    for (unsigned g = 0; gc->enabled && g < GS_GC_GENERATIONS; g++)
        all += (double)gc->generations[g].collected;
    return all;
}

void gs_gc_account(const struct gs_recording *r, struct gs_gc_load *out)
{
    *out = (struct gs_gc_load){0};
    for (size_t i = 0; i < r->n_gcs; i++) {
        const struct gs_rec_gc *gc = &r->gcs[i];
        if (!gc->seen)
            continue;
        out->time_ns += gc->has_duration ? gc->duration_ns : gc->hit_ns;
        out->asked_for += asked_for(gc);
        out->garbage += garbage(gc);
        out->live += mean_live(gc);
    }
    for (size_t t = 0; t < r->n_threads; t++)
        out->found_ns += r->threads[t].gc_ns;
}

uint64_t gs_gc_time_in(const struct gs_gc_load *load, uint64_t found_ns, uint64_t hold_ns,
                       uint64_t all_hold_ns)
{
    u128 ns = load->found_ns ? (u128)load->time_ns * found_ns / load->found_ns
              : all_hold_ns  ? (u128)load->time_ns * hold_ns / all_hold_ns
                             : 0;
    return ns < hold_ns ? (uint64_t)ns : hold_ns;
}

/* ---- of the build to come ---- */

#define LIVE_PART 4 /* as many new containers as this part of those that live */

static struct gs_range_of cost_of(const struct gs__model *m)
{
    const struct gs_calibration *c = m->calibration;
    struct gs_range_of g = m->target->gc_ns;
    if (c && c->has_gc)
        return c->gc_ns;
    double scale = c && c->gc_gil_ns > 0 ? c->gc_gil_ns / GS_GC_GIL_NS : 1;
    return (struct gs_range_of){g.p10 * scale, g.p50 * scale, g.p90 * scale};
}

#define MOST_PAUSES 100000 /* of a replay */

void gs__draw_collections(struct gs__draw *d, const struct gs__model *m,
                          const struct gs_capture_program *c, double u)
{
    const struct gs_gc_load *load = &c->gc;
    struct gs_range_of range = cost_of(m);
    double least = pow(m->target->gc_most, 1 - u) * pow(GS_GC_THRESHOLD, u);
    double every = fmax(least, load->live / LIVE_PART);
    double by_itself = load->garbage / every, n = by_itself + (double)load->asked_for;
    d->params.gc_every_ns = d->params.gc_pause_ns = 0;
    if (n < 0.5 || c->py_ns == 0)
        return;
    double containers = n * load->live + by_itself * every;
    double all_ns = fmin(gs_range_at(&range, u) * containers, GS_PROGRAM_MOST_NS);
    n = fmin(n, MOST_PAUSES); /* as long in all, in fewer */
    d->params.gc_every_ns =
        (uint64_t)((double)c->py_ns / (n + 0.5)) + 1; /* so n of them, rounded */
    d->params.gc_pause_ns = (uint64_t)(all_ns / n);
}

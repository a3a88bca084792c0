/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

/* ---- what is assumed ---- */

/* cap(k) = k ^ exponent where it was not measured. */
static const struct gs_range_of cap_exponent = {0.85, 0.95, 1.0};
static const struct gs_range_of cap_measured = {0.97, 1.0, 1.03};
/* What s is multiplied with where it was measured of one thread and several run: cache lines of
 * reference counts, the allocator, what the measurement missed. Of tests/whatif/validate's runs;
 * gilscope calibrate measures it with kernels that are none of those. */
static const struct gs_range_of threads_assumed = {0.90, 1.04, 1.25};
static const struct gs_range_of wake_assumed_ns = {2000, 6000, 30000};
static const struct gs_range_of latency = {0.95, 1.0, 1.15};
/* Linux, EEVDF: 0.7 ms, twice that on 2 cores, four times on 8 and more, up to the next tick. */
static const struct gs_range_of slice_ns = {1.4e6, 3e6, 6e6};
/* Share of the draws in which a running thread may take a lock that is let go. */
#define BARGES 0.75

struct gs__model gs__model_of(const struct gs_whatif_options *o)
{
    const struct gs_calibration *c = o->calibration;
    struct gs__model m = {.calibration = c,
                          .target = o->target,
                          .s = &o->target->s,
                          .threads = c && c->has_threads ? &c->threads : &threads_assumed,
                          .wake_ns = c && c->has_wake ? &c->wake_ns : &wake_assumed_ns,
                          .s_lowest = GS_S_LOWEST};
    if (gs_whatif_is_calibrated(o)) {
        m.s = &o->calibration->s;
        m.s_is_of_one = true;
        m.s_lowest = gs_range_at(m.s, 0.01);
    }
    return m;
}

double gs__s_worst(const struct gs__model *m, uint32_t cores)
{
    return m->s->p90 * (m->s_is_of_one && cores > 1 ? m->threads->p90 : 1);
}

/* u: the share of the draws below; 1: the best that can be, which no measurement on a machine that
 * others use, too, may lower. */
static double cap_at(const struct gs__model *m, uint32_t k, double u)
{
    const struct gs_calibration *c = m->calibration;
    if (u >= 1)
        return k;
    double exponent = fmin(gs_range_at(&cap_exponent, u), 1);
    if (!c || k == 1)
        return pow(k, exponent);
    uint32_t known = k < c->n_cap ? k : c->n_cap;
    double cap = c->cap[known - 1] * pow((double)k / known, exponent);
    return fmax(1, fmin(k, cap * gs_range_at(&cap_measured, fmin(u, 0.95))));
}

/* ---- one draw ---- */

void gs__draw_machine(struct gs__draw *d, const struct gs__model *m, uint32_t cores, double cap_u)
{
    d->params.machine = (struct gs_machine){cores, d->cap_q16};
    for (uint32_t k = 1; k <= cores; k++)
        d->cap_q16[k - 1] = GS_Q16(cap_at(m, k, cap_u));
}

/* threads_u as cap_u. */
static uint32_t draw_s(const struct gs__model *m, uint32_t cores, double s_u, double threads_u)
{
    double together = m->s_is_of_one && cores > 1 ? gs_range_at(m->threads, threads_u) : 1;
    return GS_Q16(gs_range_at(m->s, s_u) * together);
}

void gs__draw_make(struct gs__draw *d, const struct gs__model *m, uint32_t cores, uint32_t i)
{
    double u[GS_N_UNKNOWNS];
    gs_sobol_point(i, u);
    d->params = (struct gs_replay_params){
        .s_q16 = draw_s(m, cores, u[GS_UNKNOWN_S], u[GS_UNKNOWN_THREADS]),
        .lock_policy = u[GS_UNKNOWN_POLICY] < BARGES ? GS_LOCK_BARGE : GS_LOCK_FIFO,
        .wake_ns = (uint64_t)gs_range_at(m->wake_ns, u[GS_UNKNOWN_WAKE]),
        .slice_ns = (uint64_t)gs_range_at(&slice_ns, u[GS_UNKNOWN_SLICE]),
        .latency_q16 = GS_Q16(gs_range_at(&latency, u[GS_UNKNOWN_LATENCY])),
    };
    d->gc_u = u[GS_UNKNOWN_GC];
    gs__draw_machine(d, m, cores, u[GS_UNKNOWN_CAP]);
}

uint64_t gs__span_ns(const struct gs_capture_program *c, const struct gs_replay_result *r)
{
    if (!c->by_marks)
        return r->makespan_ns;
    return r->mark_to_ns == GS_MARK_NEVER ? 0 : r->mark_to_ns - r->mark_from_ns;
}

double gs__log_speedup(const struct gs_capture_program *c, const struct gs_replay_result *r)
{
    uint64_t span_ns = gs__span_ns(c, r);
    if (r->deadlock || span_ns == 0 || c->base_ns == 0)
        return NAN;
    return log((double)c->base_ns / (double)span_ns);
}

void gs__draw_median(struct gs__draw *d, const struct gs__model *m, uint32_t cores)
{
    d->params = (struct gs_replay_params){.s_q16 = draw_s(m, cores, 0.5, 0.5),
                                          .wake_ns = (uint64_t)m->wake_ns->p50,
                                          .slice_ns = (uint64_t)slice_ns.p50,
                                          .latency_q16 = GS_Q16(1)};
    gs__draw_machine(d, m, cores, 0.5);
}

/* ---- many ---- */

void gs__scenarios_add(struct gs__scenarios *all, const struct gs__draw *d)
{
    struct gs_replay_params params = d->params;
    uint32_t cores = params.machine.cores;
    uint32_t *cap_q16 = gs_xmalloc(cores, sizeof(*cap_q16));
    memcpy(cap_q16, d->cap_q16, cores * sizeof(*cap_q16));
    params.machine.cap_q16 = cap_q16;
    GS_PUSH(all->params, all->n, all->cap, params);
}

void gs__scenarios_free(struct gs__scenarios *all)
{
    for (size_t i = 0; i < all->n; i++)
        free((void *)all->params[i].machine.cap_q16);
    free(all->params);
}

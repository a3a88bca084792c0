/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

const char *const gs_verdict_names[] = {"gain", "neutral", "loss", "insufficient", "blocked"};

#define MOST_STEPS  UINT64_C(2000000000) /* of all replays of one study together */
#define LEAST_DRAWS 16u
#define GC_WORST    0.9 /* what nine of ten draws are below */

/* ---- quantiles ---- */

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

static double quantile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t i = (size_t)at;
    double next = sorted[i + 1 < n ? i + 1 : i];
    return sorted[i] + (at - (double)i) * (next - sorted[i]);
}

/* ---- bounds ---- */

static void find_bounds(const struct gs_capture_program *c, const struct gs__model *m,
                        uint32_t cores, double s, double cap_u, struct gs_bounds *b)
{
    struct gs__draw d = {.cap_q16 = gs_xmalloc(cores, sizeof(uint32_t))};
    d.params = (struct gs_replay_params){.s_q16 = GS_Q16(s)};
    gs__draw_machine(&d, m, cores, cap_u);
    gs__draw_collections(&d, m, c, GC_WORST); /* the ceiling takes no notice of them */
    gs_bounds_find(&c->program, &d.params, b);
    free(d.cap_q16);
}

static double ratio(uint64_t a, uint64_t b)
{
    return b && b != GS_BOUND_NONE ? (double)a / (double)b : NAN;
}

static char *name_limit(const struct gs_capture_program *c, const struct gs_bounds *b)
{
    if (b->limited_by != GS_NO_OBJECT)
        return gs_xasprintf("%s", c->program.objects[b->limited_by].name);
    return gs_xasprintf("%s", b->lo_ns == b->critical_path_ns ? "critical path" : "cores");
}

/* ---- one number of cores ---- */

static bool all_ended(const double *log_s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(log_s[i]))
            return false;
    return true;
}

static enum gs_verdict verdict_of(double log_s)
{
    return log_s > log(1.1)   ? GS_VERDICT_GAIN
           : log_s < log(0.9) ? GS_VERDICT_LOSS
                              : GS_VERDICT_NEUTRAL;
}

/* The interval is wider where the replay went another way than the recording. */
static void set_quantiles(struct gs_speedup *at, double *log_s, size_t n, double doubt,
                          bool bounded)
{
    qsort(log_s, n, sizeof(*log_s), by_value);
    double mid = quantile(log_s, n, 0.5), top = bounded ? log(at->s_max) : INFINITY;
    for (size_t i = 0; i < n; i++)
        log_s[i] = fmin(mid + (log_s[i] - mid) * (1 + doubt), top);
    at->p50 = exp(quantile(log_s, n, 0.5));
    at->p10 = exp(quantile(log_s, n, 0.1));
    at->p90 = exp(quantile(log_s, n, 0.9));
}

/* What most draws say: whoever believes the draws is right most often with that. */
static void judge(const double *log_s, size_t n, struct gs_whatif *out)
{
    size_t votes[GS_VERDICT_INSUFFICIENT] = {0};
    for (size_t i = 0; i < n; i++)
        votes[verdict_of(log_s[i])]++;
    for (int v = 0; v < GS_VERDICT_INSUFFICIENT; v++)
        if (votes[v] > votes[out->verdict])
            out->verdict = (enum gs_verdict)v;
    out->verdict_share = (double)votes[out->verdict] / (double)n;
}

/* Share of what the draws differ by that goes with one coordinate alone. What goes with two
 * together, or not in a straight line, goes with none. */
static void find_drivers(const double *log_s, size_t n, struct gs_whatif *out)
{
    double mean = 0, yy = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        mean += log_s[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        yy += (log_s[i] - mean) * (log_s[i] - mean);
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++) {
        double xy = 0, xx = 0;
        for (size_t i = 0; i < n; i++) {
            double u[GS_N_UNKNOWNS];
            gs_sobol_point((uint32_t)i + 1, u);
            xy += (u[d] - 0.5) * (log_s[i] - mean);
            xx += (u[d] - 0.5) * (u[d] - 0.5);
        }
        out->driven_by[d] = xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 0;
        sum += out->driven_by[d];
    }
    /* Of few draws the coordinates are not quite even. */
    for (unsigned d = 0; d < GS_N_UNKNOWNS && sum > 1; d++)
        out->driven_by[d] /= sum;
    out->driven_by_none = sum < 1 ? 1 - sum : 0;
}

/* Some results of the sweep, all of one number of cores. all: of the cores asked for, where what
 * drives it and the verdict are asked for, too; or NULL. False: not all came to an end. */
static bool sum_draws(const struct gs_capture_program *c, const struct gs_replay_result *results,
                      size_t n, double doubt, struct gs_speedup *at, struct gs_whatif *all)
{
    double *log_s = gs_xmalloc(n, sizeof(*log_s));
    for (size_t i = 0; i < n; i++)
        log_s[i] = gs__log_speedup(c, &results[i]);
    bool ended = all_ended(log_s, n);
    if (ended && all)
        find_drivers(log_s, n, all);
    if (ended)
        set_quantiles(at, log_s, n, doubt, !c->by_marks);
    if (ended && all)
        judge(log_s, n, all);
    free(log_s);
    return ended;
}

static void bound_at(const struct gs_capture_program *c, const struct gs__model *m,
                     struct gs_speedup *at)
{
    struct gs_bounds b;
    find_bounds(c, m, at->cores, m->s_lowest, 1, &b);
    at->s_max = ratio(c->whole_ns, b.lo_ns);
    free(b.serial_ns);
    find_bounds(c, m, at->cores, gs__s_worst(m, at->cores), 0.1, &b);
    at->s_cond_min = c->by_marks ? NAN : ratio(c->whole_ns, b.hi_ns); /* of makespans */
    free(b.serial_ns);
    at->p10 = at->p50 = at->p90 = NAN;
}

/* ---- what is asked ---- */

static void list_curve(struct gs_whatif *out)
{
    size_t cap = 0;
    for (uint32_t k = 1; k < out->at.cores; k *= 2) {
        struct gs_speedup at = {.cores = k};
        GS_PUSH(out->curve, out->n_curve, cap, at);
    }
    GS_PUSH(out->curve, out->n_curve, cap, out->at);
}

static void find_ceiling(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct gs_bounds b;
    find_bounds(c, m, out->at.cores, 1, 1, &b);
    out->s_max_if_not_faster = ratio(c->whole_ns, b.lo_ns);
    out->limited_by = name_limit(c, &b);
    free(b.serial_ns);
    bound_at(c, m, &out->at);
}

static enum gs_grade grade(const struct gs_capture_program *c,
                           const struct gs_whatif_options *options, double doubt)
{
    bool is_sure = gs_whatif_is_calibrated(options) && !c->kind_is_guess;
    return is_sure && doubt < 0.01 ? GS_GRADE_A : GS_GRADE_B;
}

/* ---- the sweep: all draws, the changes and the curve ---- */

/* Of long programs fewer: they are no less even. */
static size_t draws_for(const struct gs_capture_program *c, size_t n)
{
    size_t most = MOST_STEPS / (c->program.n_ops + 1);
    return most < n ? (most > LEAST_DRAWS ? most : LEAST_DRAWS) : n;
}

static void plan_draws(const struct gs_capture_program *c, const struct gs__model *m,
                       uint32_t cores, size_t n, struct gs__scenarios *scenarios)
{
    struct gs__draw d = {.cap_q16 = gs_xmalloc(cores, sizeof(uint32_t))};
    for (uint32_t i = 1; i <= n; i++) {
        gs__draw_make(&d, m, cores, i);
        gs__draw_collections(&d, m, c, d.gc_u);
        gs__scenarios_add(scenarios, &d);
    }
    free(d.cap_q16);
}

static bool is_replayed_already(const struct gs_whatif *out, size_t i)
{
    return out->curve[i].cores == out->at.cores;
}

static void plan(const struct gs_capture_program *c, const struct gs__model *m,
                 const struct gs__median *median, struct gs_whatif *out,
                 struct gs__scenarios *scenarios)
{
    plan_draws(c, m, out->at.cores, draws_for(c, GS_DRAWS), scenarios);
    gs__plan_changes(c, m, median, out, scenarios);
    for (size_t i = 0; i < out->n_curve; i++)
        if (!is_replayed_already(out, i))
            plan_draws(c, m, out->curve[i].cores, draws_for(c, GS_CURVE_DRAWS), scenarios);
}

/* In the order of plan(). False: nothing is to be said of it. */
static bool take(const struct gs_capture_program *c, const struct gs__model *m,
                 const struct gs_replay_result *next, double doubt, struct gs_whatif *out)
{
    size_t n = draws_for(c, GS_DRAWS), n_curve = draws_for(c, GS_CURVE_DRAWS);
    bool ended = sum_draws(c, next, n, doubt, &out->at, out);
    next += n;
    size_t n_changes = out->n_changes;
    gs__take_changes(c, m, ended ? next : NULL, out);
    next += n_changes;
    for (size_t i = 0; i < out->n_curve && ended; i++)
        if (!is_replayed_already(out, i)) {
            sum_draws(c, next, n_curve, doubt, &out->curve[i], NULL);
            next += n_curve;
        }
    return ended;
}

static bool replay_all(const struct gs_capture_program *c, const struct gs__model *m,
                       const struct gs__median *median, double doubt, struct gs_sweeper *sweeper,
                       struct gs_whatif *out)
{
    struct gs__scenarios scenarios = {0};
    plan(c, m, median, out, &scenarios);
    struct gs_replay_result *results = gs_xmalloc(scenarios.n, sizeof(*results));
    gs_sweeper_run(sweeper, &(struct gs_sweep){.program = &c->program,
                                               .params = scenarios.params,
                                               .n = scenarios.n,
                                               .results = results,
                                               .one_ns = median->took_ns,
                                               .one_steps = median->result.steps});
    bool ended = take(c, m, results, doubt, out);
    free(results);
    gs__scenarios_free(&scenarios);
    return ended;
}

/* ---- all of it ---- */

static void find_curve(const struct gs_capture_program *c, const struct gs__model *m,
                       struct gs_whatif *out)
{
    list_curve(out);
    for (size_t i = 0; i < out->n_curve; i++)
        if (!is_replayed_already(out, i))
            bound_at(c, m, &out->curve[i]);
}

static void close_curve(struct gs_whatif *out)
{
    out->curve[out->n_curve - 1] = out->at;
    for (size_t i = 0; i < out->n_curve && !out->break_even_cores; i++)
        if (out->curve[i].p10 > 1)
            out->break_even_cores = out->curve[i].cores;
}

void gs_whatif_estimate(struct gs_capture_program *c, const char *why_not,
                        const struct gs_whatif_options *options, struct gs_sweeper *sweeper,
                        struct gs_whatif *out)
{
    struct gs__model m = gs__model_of(options);
    struct gs__median median;
    memset(out, 0, sizeof(*out));
    out->at.cores = options->cores;
    out->if_gil_is_back = (struct gs_range_of){1 / m.s->p90, 1 / m.s->p50, 1 / m.s->p10};
    gs__replay_recorded(c, &m, out);
    const char *too_long = c->kind == GS_KIND_ARRIVALS ? gs__saturate(c, &m, out) : NULL;
    why_not = why_not ? why_not : too_long;
    find_ceiling(c, &m, out);
    find_curve(c, &m, out);
    double doubt = gs__median_open(&median, c, &m, out);
    bool ended = doubt >= 0;
    if (!why_not && ended)
        ended = replay_all(c, &m, &median, doubt, sweeper, out);
    gs__median_close(&median);
    if (!why_not && !ended)
        why_not = "replayed without the GIL, its threads would wait for each other for ever: "
                  "something that they tell each other is not in the capture";
    out->why_not = why_not;
    out->grade = why_not ? GS_GRADE_C : grade(c, options, doubt);
    if (why_not)
        out->verdict = GS_VERDICT_INSUFFICIENT;
    close_curve(out);
}

void gs_whatif_free(struct gs_whatif *w)
{
    for (size_t i = 0; i < w->n_changes; i++) {
        free(w->changes[i].what);
        gs_stack_text_free(w->changes[i].stack);
    }
    free(w->curve);
    free(w->limited_by);
    gs_migration_free(&w->migration);
    memset(w, 0, sizeof(*w));
}

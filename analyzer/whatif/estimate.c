/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/parallel.h"
#include "analyzer/xalloc.h"

const char *const gs_verdict_names[] = {"gain", "neutral", "loss", "insufficient"};

#define MOST_STEPS  UINT64_C(2000000000) /* of all replays of one study together */
#define LEAST_DRAWS 16u

/* ---- many ---- */

struct worker {
    struct gs_replay *replay;
    struct gs__draw draw;
};
struct study {
    const struct gs_capture_program *c;
    const struct gs__model *model;
    uint32_t cores;
    struct worker *workers;
    double *log_s; /* by draw; NAN: nobody could go on */
};

static void replay_draw(void *ctx, unsigned worker, size_t i)
{
    struct study *s = ctx;
    struct worker *w = &s->workers[worker];
    struct gs_replay_result r;
    gs__draw_make(&w->draw, s->model, s->cores, (uint32_t)i + 1);
    gs_replay_run(w->replay, &w->draw.params, &r);
    s->log_s[i] = gs__log_speedup(s->c, &r);
}

static void replay_all(struct study *s, size_t n, unsigned jobs)
{
    unsigned n_workers = gs_parallel_workers(jobs, n);
    s->log_s = gs_xmalloc(n, sizeof(*s->log_s));
    s->workers = gs_xcalloc(n_workers, sizeof(*s->workers));
    for (unsigned w = 0; w < n_workers; w++) {
        s->workers[w].replay = gs_replay_open(&s->c->program);
        s->workers[w].draw.cap_q16 = gs_xmalloc(s->cores, sizeof(uint32_t));
    }
    gs_parallel(n_workers, n, replay_draw, s);
    for (unsigned w = 0; w < n_workers; w++) {
        gs_replay_close(s->workers[w].replay);
        free(s->workers[w].draw.cap_q16);
    }
    free(s->workers);
}

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
static void set_quantiles(struct gs_speedup *at, double *log_s, size_t n, double doubt)
{
    qsort(log_s, n, sizeof(*log_s), by_value);
    double mid = quantile(log_s, n, 0.5), top = log(at->s_max);
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

/* Of long programs fewer: they are no less even. */
static size_t draws_for(const struct gs_capture_program *c, size_t n)
{
    size_t most = MOST_STEPS / (c->program.n_ops + 1);
    return most < n ? (most > LEAST_DRAWS ? most : LEAST_DRAWS) : n;
}

/* all: of the cores asked for, where what drives it and the verdict are asked for, too; or NULL. */
static bool replay_at(const struct gs_capture_program *c, const struct gs__model *m, unsigned jobs,
                      struct gs_speedup *at, double doubt, struct gs_whatif *all)
{
    struct study s = {.c = c, .model = m, .cores = at->cores};
    size_t n = draws_for(c, all ? GS_DRAWS : GS_CURVE_DRAWS);
    replay_all(&s, n, jobs);
    bool ended = all_ended(s.log_s, n);
    if (ended && all)
        find_drivers(s.log_s, n, all);
    if (ended)
        set_quantiles(at, s.log_s, n, doubt);
    if (ended && all)
        judge(s.log_s, n, all);
    free(s.log_s);
    return ended;
}

static void bound_at(const struct gs_capture_program *c, const struct gs__model *m,
                     struct gs_speedup *at)
{
    struct gs_bounds b;
    find_bounds(c, m, at->cores, m->s_lowest, 1, &b);
    at->s_max = ratio(c->wall_ns, b.lo_ns);
    free(b.serial_ns);
    find_bounds(c, m, at->cores, gs__s_worst(m, at->cores), 0.1, &b);
    at->s_cond_min = ratio(c->wall_ns, b.hi_ns);
    free(b.serial_ns);
    at->p10 = at->p50 = at->p90 = NAN;
}

/* ---- all of it ---- */

static void list_curve(struct gs_whatif *out)
{
    size_t cap = 0;
    for (uint32_t k = 1; k < out->at.cores; k *= 2) {
        struct gs_speedup at = {.cores = k};
        GS_PUSH(out->curve, out->n_curve, cap, at);
    }
    GS_PUSH(out->curve, out->n_curve, cap, out->at);
}

static void find_curve(const struct gs_capture_program *c, const struct gs__model *m, unsigned jobs,
                       double doubt, struct gs_whatif *out)
{
    list_curve(out);
    for (size_t i = 0; i < out->n_curve; i++) {
        struct gs_speedup *at = &out->curve[i];
        if (at->cores == out->at.cores)
            continue;
        bound_at(c, m, at);
        if (out->grade != GS_GRADE_C)
            replay_at(c, m, jobs, at, doubt, NULL);
    }
    for (size_t i = 0; i < out->n_curve && !out->break_even_cores; i++)
        if (out->curve[i].p10 > 1)
            out->break_even_cores = out->curve[i].cores;
}

static void find_ceiling(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct gs_bounds b;
    find_bounds(c, m, out->at.cores, 1, 1, &b);
    out->s_max_if_not_faster = ratio(c->wall_ns, b.lo_ns);
    out->limited_by = name_limit(c, &b);
    free(b.serial_ns);
    bound_at(c, m, &out->at);
}

static enum gs_grade grade(const struct gs_whatif_options *options, double doubt)
{
    return gs_whatif_is_calibrated(options) && doubt < 0.01 ? GS_GRADE_A : GS_GRADE_B;
}

void gs_whatif_estimate(const struct gs_capture_program *c, const char *why_not,
                        const struct gs_whatif_options *options, struct gs_whatif *out)
{
    struct gs__model m = gs__model_of(options);
    memset(out, 0, sizeof(*out));
    out->at.cores = options->cores;
    out->gil_wait_ns = c->gil_wait_ns;
    find_ceiling(c, &m, out);
    double doubt = gs__replay_median(c, &m, out);
    bool ended = doubt >= 0;
    if (!why_not && ended)
        ended = replay_at(c, &m, options->jobs, &out->at, doubt, out);
    if (!why_not && !ended)
        why_not = "replayed without the GIL, its threads would wait for each other for ever: "
                  "something that they tell each other is not in the capture";
    out->why_not = why_not;
    out->grade = why_not ? GS_GRADE_C : grade(options, doubt);
    if (why_not)
        out->verdict = GS_VERDICT_INSUFFICIENT;
    else
        gs__find_changes(c, &m, out);
    find_curve(c, &m, options->jobs, doubt, out);
}

void gs_whatif_free(struct gs_whatif *w)
{
    for (size_t i = 0; i < w->n_changes; i++)
        free(w->changes[i].what);
    free(w->curve);
    free(w->limited_by);
    memset(w, 0, sizeof(*w));
}

/* SPDX-License-Identifier: MIT
 * Replays with a GIL: of the recording itself, and of what it could have been.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/model.h"
#include "analyzer/xalloc.h"

#define MOST_SWITCHES 5000000u /* seven hours of Python: seconds of replaying */

struct with_gil {
    struct gs_replay *replay;
    struct gs__draw draw;
    struct gs_replay_result result;
};

static void open_replay(struct with_gil *g, const struct gs_capture_program *c,
                        const struct gs__model *m, uint32_t cores)
{
    g->replay = gs_replay_open(&c->program);
    g->draw.cap_q16 = gs_xmalloc(cores, sizeof(uint32_t));
    gs__draw_median(&g->draw, m, cores);
}

static void close_replay(struct with_gil *g)
{
    gs_replay_close(g->replay);
    free(g->draw.cap_q16);
}

static bool is_too_long(const struct gs_capture_program *c)
{
    return c->py_ns / c->switch_ns > MOST_SWITCHES;
}

static void run_gil(struct with_gil *g, const struct gs_capture_program *c)
{
    gs_replay_run_gil(g->replay, &g->draw.params, c->switch_ns, &g->result);
}

/* Marks in the middle of a run. */
static double per_s(const struct gs_capture_program *c, uint64_t span_ns)
{
    size_t n = c->program.n_marks;
    return n >= GS_MARKS_LEAST && span_ns ? 1e9 * (double)(n - 1 - 2 * (n / 8)) / (double)span_ns
                                          : NAN;
}

void gs__replay_recorded(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct with_gil g;
    out->replayed = out->gil_per_s = NAN;
    out->per_s = per_s(c, c->mark_to_ns - c->mark_from_ns);
    if (is_too_long(c))
        return;
    open_replay(&g, c, m, out->at.cores);
    run_gil(&g, c);
    bool known = !g.result.deadlock && c->wall_ns;
    out->replayed =
        known ? (double)(g.result.makespan_ns + c->gc.time_ns) / (double)c->wall_ns : NAN;
    close_replay(&g);
}

static void add_gil_change(struct with_gil *g, const struct gs_capture_program *c,
                           const struct gs_function *f, uint64_t now_ns, struct gs_whatif *out)
{
    g->draw.params.gil_free_function = f->number;
    run_gil(g, c);
    uint64_t span_ns = gs__span_ns(c, &g->result);
    double s = g->result.deadlock || !span_ns ? NAN : (double)now_ns / (double)span_ns;
    out->changes[out->n_changes++] =
        (struct gs_change){.what = gs_xasprintf("keeping the GIL, if %s let it go", f->name),
                           .s = s,
                           .now = 1,
                           .node = f->node};
}

void gs__add_gil_changes(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct with_gil g;
    if (is_too_long(c) || c->n_functions == 0)
        return;
    open_replay(&g, c, m, out->at.cores);
    run_gil(&g, c);
    uint64_t now_ns = g.result.deadlock ? 0 : gs__span_ns(c, &g.result);
    for (size_t i = 0; i < c->n_functions && now_ns; i++)
        add_gil_change(&g, c, &c->functions[i], now_ns, out);
    close_replay(&g);
}

/* ---- open arrivals ---- */

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return a < b ? -1 : a > b;
}

static double quantile(const double *sorted, size_t n, double share)
{
    return n < GS_MARKS_LEAST ? NAN : sorted[(size_t)(share * (double)(n - 1) + 0.5)];
}

/* mark_ns: by number, GS_MARK_NEVER: not passed */
static struct gs_latency find_latency(const struct gs_program *p, const uint64_t *mark_ns)
{
    double *took = gs_xmalloc(p->n_marks + 1, sizeof(*took));
    size_t n = 0;
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct gs_op *op = &p->ops[i];
        if (op->kind == GS_OP_MARK && op->ns && mark_ns[op->item] != GS_MARK_NEVER &&
            mark_ns[op->item] >= op->ns)
            took[n++] = (double)(mark_ns[op->item] - op->ns);
    }
    qsort(took, n, sizeof(*took), by_value);
    struct gs_latency l = {quantile(took, n, 0.5), quantile(took, n, 0.9), quantile(took, n, 0.99)};
    free(took);
    return l;
}

/* Nobody waits longer for it than until it came; or, all at once, not at all. */
static void set_arrivals(struct gs_capture_program *c, bool at_once)
{
    for (size_t i = 0; i < c->n_arrivals; i++) {
        struct gs_op *op = &c->program.ops[c->arrivals[i].op];
        op->kind = GS_OP_UNTIL;
        op->ns = at_once ? 0 : c->arrivals[i].came_ns;
    }
}

const char *gs__saturate(struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct with_gil g;
    if (is_too_long(c))
        return "it computed for more than seven hours; record a shorter stretch: run -d SECONDS";
    open_replay(&g, c, m, out->at.cores);
    out->recorded = find_latency(&c->program, c->mark_ns);
    set_arrivals(c, false);
    run_gil(&g, c);
    out->with_gil = find_latency(&c->program, g.result.mark_ns);
    gs_replay_run(g.replay, &g.draw.params, &g.result);
    out->without = find_latency(&c->program, g.result.mark_ns);
    set_arrivals(c, true);
    run_gil(&g, c);
    c->whole_ns = g.result.deadlock ? 0 : g.result.makespan_ns + c->gc.time_ns;
    c->base_ns = g.result.deadlock ? 0 : gs__span_ns(c, &g.result);
    out->gil_per_s = c->by_marks ? per_s(c, c->base_ns) : NAN;
    close_replay(&g);
    return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cuda_run.h"
#include "analyzer/engine_rates.h"
#include "analyzer/now.h"
#include "analyzer/parallel.h"
#include "analyzer/xalloc.h"

struct gs_sweeper {
    unsigned jobs;
    bool may_use_device, is_asked_for; /* by name */
    struct gs_error why_not;           /* the device cannot be used */
    struct gs_cuda_library library;
    struct gs_rates rates;
    bool has_measured;
    double saved_ns;            /* that an open device would have saved so far */
    unsigned on_device, on_cpu; /* sweeps */
};

struct gs_sweeper *gs_sweeper_open(const char *engine, unsigned jobs)
{
    struct gs_sweeper *s = gs_xcalloc(1, sizeof(*s));
    s->jobs = jobs;
    s->is_asked_for = engine && strcmp(engine, "cuda") == 0;
    s->may_use_device = !engine || strcmp(engine, "cpu") != 0;
    if (s->may_use_device && !s->is_asked_for && gs_cuda_library_find(&s->why_not) == GS_OK)
        gs_rates_load(&s->rates);
    return s;
}

void gs_sweeper_close(struct gs_sweeper *s)
{
    if (s->has_measured && !s->is_asked_for)
        gs_rates_save(&s->rates);
    gs_cuda_library_close(&s->library);
    free(s);
}

/* ---- on the CPU ---- */

struct crew {
    const struct gs_sweep *sweep;
    struct gs_replay **replays; /* by worker */
};

static void replay_one(void *ctx, unsigned worker, size_t i)
{
    const struct crew *crew = ctx;
    const struct gs_sweep *sweep = crew->sweep;
    struct gs_replay_result *out = &sweep->results[i];
    size_t n_objects = sweep->program->n_objects;
    gs_replay_run(crew->replays[worker], &sweep->params[i], out);
    struct gs_replay_object *to = sweep->objects ? sweep->objects + i * n_objects : NULL;
    if (to)
        memcpy(to, out->objects, n_objects * sizeof(*to));
    out->objects = to;
    out->mark_ns = NULL; /* the replay's, which does another one next */
}

static void run_on_cpu(struct gs_sweeper *s, const struct gs_sweep *sweep)
{
    unsigned n_workers = gs_parallel_workers(s->jobs, sweep->n);
    struct crew crew = {sweep, gs_xcalloc(n_workers, sizeof(*crew.replays))};
    for (unsigned w = 0; w < n_workers; w++)
        crew.replays[w] = gs_replay_open(sweep->program);
    gs_parallel(n_workers, sweep->n, replay_one, &crew);
    for (unsigned w = 0; w < n_workers; w++)
        gs_replay_close(crew.replays[w]);
    free(crew.replays);
    s->on_cpu++;
}

/* ---- on the device ---- */

/* As for GILs (engine_cuda.c): opening pays when what it would have saved already is as much. */
static bool is_worth_it(struct gs_sweeper *s, const struct gs_sweep *sweep)
{
    struct gs_rates_sweep job = {sweep->n, gs_parallel_workers(s->jobs, sweep->n), sweep->one_ns,
                                 sweep->one_steps};
    double saved_ns = gs_rates_sweep_saved_ns(&s->rates, &job);
    if (s->is_asked_for)
        return true;
    s->saved_ns += saved_ns > 0 ? saved_ns : 0;
    return saved_ns > 0 && (s->library.at || s->saved_ns > gs_rates_open_ns(&s->rates));
}

static bool is_open(struct gs_sweeper *s)
{
    uint64_t begin_ns = gs_now_ns();
    if (s->library.at)
        return true;
    if (gs_cuda_library_open(&s->library, 0, &s->why_not) != GS_OK)
        return false;
    s->rates.cuda_open_ns = (double)(gs_now_ns() - begin_ns);
    return true;
}

static void measure(struct gs_sweeper *s, const struct gs_sweep *sweep, uint64_t took_ns)
{
    uint64_t most = 0;
    for (size_t i = 0; i < sweep->n; i++)
        most = sweep->results[i].steps > most ? sweep->results[i].steps : most;
    if (most < GS_RATES_STEPS_MIN)
        return;
    s->rates.cuda_step_ns = (double)took_ns / (double)most;
    s->has_measured = true;
}

/* False: it was not worth it, or s->why_not. */
static bool run_on_device(struct gs_sweeper *s, const struct gs_sweep *sweep)
{
    if (!s->may_use_device || s->why_not.status != GS_OK || !is_worth_it(s, sweep) || !is_open(s))
        return false;
    struct gs_cuda_sweep job = {sweep->program, sweep->params, sweep->n, sweep->results,
                                sweep->objects};
    uint64_t begin_ns = gs_now_ns();
    enum gs_cuda_status status = s->library.at->sweep(s->library.device, &job);
    if (status != GS_CUDA_OK) {
        gs_cuda_library_error(&s->library, status, &s->why_not);
        gs_cuda_library_close(&s->library);
        return false;
    }
    measure(s, sweep, gs_now_ns() - begin_ns);
    s->on_device++;
    return true;
}

void gs_sweeper_run(struct gs_sweeper *s, const struct gs_sweep *sweep)
{
    if (sweep->n && !run_on_device(s, sweep))
        run_on_cpu(s, sweep);
}

/* ---- what was used ---- */

const char *gs_sweeper_used(const struct gs_sweeper *s, const char **why_not)
{
    *why_not = NULL;
    if (s->may_use_device && s->why_not.status != GS_OK)
        *why_not = s->why_not.text;
    else if (s->may_use_device && s->on_cpu)
        *why_not = "it would not pay to open the device for so few operations";
    if (s->on_device)
        return s->on_cpu ? "cuda+cpu" : "cuda";
    return s->on_cpu || !s->is_asked_for ? "cpu" : "cuda";
}

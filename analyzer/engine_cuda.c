/* SPDX-License-Identifier: MIT
 * The engines "cuda" and "auto": GILs on the device, and on the CPU those that the device cannot
 * count or, if it was not asked for by name, is not worth opening for. What fails once is not tried
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cuda_devices.h"
#include "analyzer/engine_rates.h"
#include "analyzer/now.h"
#include "analyzer/xalloc.h"

struct gs_engine {
    bool is_asked_for;       /* by name */
    struct gs_error missing; /* the library; only looked for where it is not asked for */
    struct gs_cuda_devices devices;
    struct gs_engine *cpu;
    unsigned on_device, on_cpu; /* GILs counted */
    struct gs_rates rates;
    bool keeps_rates, has_measured;
    double saved_ns; /* that an open device would have saved so far */
};

static enum gs_status open_either(struct gs_engine **out, bool is_asked_for, struct gs_error *err)
{
    struct gs_engine *e = *out = gs_xcalloc(1, sizeof(*e));
    e->is_asked_for = is_asked_for;
    e->keeps_rates = !is_asked_for && gs_cuda_library_find(&e->missing) == GS_OK;
    if (e->keeps_rates)
        gs_rates_load(&e->rates);
    return gs_engine_cpu.open(&e->cpu, err);
}

static enum gs_status cuda_open(struct gs_engine **out, struct gs_error *err)
{
    return open_either(out, true, err);
}

static enum gs_status auto_open(struct gs_engine **out, struct gs_error *err)
{
    return open_either(out, false, err);
}

static void cuda_close(struct gs_engine *e)
{
    if (!e)
        return;
    if (e->keeps_rates && e->has_measured)
        gs_rates_save(&e->rates);
    gs_cuda_devices_close(&e->devices);
    gs_engine_cpu.close(e->cpu);
    free(e);
}

/* ---- which ---- */

static struct gs_rates_job rates_job_of(const struct gs_engine_task *task)
{
    const struct gs_windows *w = task->job.rows;
    return (struct gs_rates_job){w->n_rows, gs_chunk_list_bytes(w->slices), w->survey_ns};
}

static double saved_ns(const struct gs_engine *e, const struct gs_engine_task *task)
{
    struct gs_rates_job job = rates_job_of(task);
    return gs_rates_saved_ns(&e->rates, &job);
}

/* Opening is paid once, for all GILs: it pays when what it would have saved already is as much. So
 * it never costs more than twice of what the best choice would have. */
static bool is_open_worth_it(struct gs_engine *e, const struct gs_engine_task *tasks, size_t n)
{
    if (e->is_asked_for || e->devices.n)
        return true;
    for (size_t i = 0; i < n; i++) {
        double ns = saved_ns(e, &tasks[i]);
        e->saved_ns += ns > 0 ? ns : 0;
    }
    return e->saved_ns > gs_rates_open_ns(&e->rates);
}

static size_t choose(struct gs_engine *e, const struct gs_engine_task *tasks,
                     enum gs_cuda_task_state *state, size_t n)
{
    size_t chosen = 0;
    if (e->missing.status != GS_OK || !is_open_worth_it(e, tasks, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (e->is_asked_for || saved_ns(e, &tasks[i]) > 0) {
            state[i] = GS_CUDA_TASK_OF_DEVICE;
            chosen++;
        }
    return chosen;
}

/* As many devices as GILs; unless they were asked for, no more than have as much to do, beside the
 * device with the largest GIL, as it costs to open them. */
static unsigned devices_for(const struct gs_engine *e, const struct gs_engine_task *tasks,
                            const enum gs_cuda_task_state *state, size_t n, size_t chosen)
{
    double all_ns = 0, most_ns = 0;
    for (size_t i = 0; i < n; i++) {
        struct gs_rates_job job = rates_job_of(&tasks[i]);
        double ns = state[i] == GS_CUDA_TASK_OF_DEVICE ? gs_rates_cuda_ns(&e->rates, &job) : 0;
        all_ns += ns;
        most_ns = ns > most_ns ? ns : most_ns;
    }
    double worth = 1 + (all_ns - most_ns) / gs_rates_open_ns(&e->rates);
    return e->is_asked_for || worth >= (double)chosen ? (unsigned)chosen : (unsigned)worth;
}

/* ---- counting ---- */

static void keep_rates_of_devices(struct gs_engine *e)
{
    for (unsigned k = 0; k < e->devices.n; k++) {
        const struct gs_cuda_device *d = &e->devices.at[k];
        if (d->open_ns > 0 && k == 0)
            e->rates.cuda_open_ns = d->open_ns;
        if (d->row_ns > 0) {
            e->rates.cuda_ns = d->row_ns;
            e->has_measured = true;
        }
    }
}

static enum gs_status run_on_cpu(struct gs_engine *e, const struct gs_engine_task *task,
                                 struct gs_error *err)
{
    uint64_t begin_ns = gs_now_ns(), rows = task->job.rows->n_rows;
    enum gs_status s = gs_engine_cpu.run(e->cpu, &task->job, task->bins, task->out, err);
    if (rows >= GS_RATES_ROWS_MIN) {
        e->rates.cpu_ns = (double)(gs_now_ns() - begin_ns) / (double)rows;
        e->has_measured = true;
    }
    e->on_cpu++;
    return s;
}

static enum gs_status cuda_run_all(struct gs_engine *e, const struct gs_engine_task *tasks,
                                   size_t n, struct gs_error *err)
{
    enum gs_status s = GS_OK;
    enum gs_cuda_task_state *state = gs_xcalloc(n, sizeof(*state));
    size_t chosen = choose(e, tasks, state, n);
    if (chosen) {
        gs_cuda_devices_open(&e->devices, devices_for(e, tasks, state, n, chosen));
        gs_cuda_devices_count(&e->devices, tasks, state, n);
        keep_rates_of_devices(e);
    }
    for (size_t i = 0; i < n && s == GS_OK; i++)
        if (state[i] == GS_CUDA_TASK_COUNTED)
            e->on_device++;
        else
            s = run_on_cpu(e, &tasks[i], err);
    free(state);
    return s;
}

static enum gs_status cuda_run(struct gs_engine *e, const struct gs_engine_job *job,
                               const struct gs_bins *bins, struct gs_gil_result *out,
                               struct gs_error *err)
{
    struct gs_engine_task task = {*job, bins, out};
    return cuda_run_all(e, &task, 1, err);
}

/* Before a device is open, nobody knows how many there are; who asked for them wants one opened. */
static size_t cuda_at_once(struct gs_engine *e)
{
    if (e->is_asked_for)
        gs_cuda_devices_open(&e->devices, 1);
    return gs_cuda_devices_usable(&e->devices) ? e->devices.n_there : 1;
}

/* ---- what was used ---- */

static const char *why_not(const struct gs_engine *e)
{
    const struct gs_error *failed = gs_cuda_devices_why_not(&e->devices);
    if (e->missing.status != GS_OK)
        return e->missing.text;
    if (!e->on_cpu)
        return NULL;
    return failed->status != GS_OK ? failed->text
                                   : "it would not pay to open the device for so few rows";
}

static const char *cuda_used(const struct gs_engine *e, const char **out)
{
    *out = why_not(e);
    if (e->on_device)
        return e->on_cpu ? "cuda+cpu" : "cuda";
    return e->on_cpu || !e->is_asked_for ? "cpu" : "cuda";
}

static char *cuda_devices(const struct gs_engine *e)
{
    return gs_cuda_devices_text(&e->devices);
}

const struct gs_engine_ops gs_engine_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .run = cuda_run,
    .close = cuda_close,
    .at_once = cuda_at_once,
    .run_all = cuda_run_all,
    .used = cuda_used,
    .devices = cuda_devices,
};
const struct gs_engine_ops gs_engine_auto = {
    .name = "auto",
    .open = auto_open,
    .run = cuda_run,
    .close = cuda_close,
    .at_once = cuda_at_once,
    .run_all = cuda_run_all,
    .used = cuda_used,
    .devices = cuda_devices,
};

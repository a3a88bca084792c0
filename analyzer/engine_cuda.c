/* SPDX-License-Identifier: MIT
 * The engines "cuda" and "auto": GILs on the device, and on the CPU those that the device cannot
 * count or, if it was not asked for by name, is not worth opening for. What fails once is not tried
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cuda_run.h"
#include "analyzer/engine_rates.h"
#include "analyzer/now.h"
#include "analyzer/xalloc.h"

struct gs_engine {
    bool is_asked_for; /* by name */
    struct gs_cuda_library library;
    struct gs_error why_not; /* GS_OK: nothing speaks against the device */
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
    e->keeps_rates = !is_asked_for && gs_cuda_library_find(&e->why_not) == GS_OK;
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
    gs_cuda_library_close(&e->library);
    gs_engine_cpu.close(e->cpu);
    free(e);
}

/* ---- which ---- */

/* Opening is paid once, for all GILs: it pays when what it would have saved already is as much. So
 * it never costs more than twice of what the best choice would have. */
static bool is_worth_it(struct gs_engine *e, const struct gs_windows *w)
{
    struct gs_rates_job job = {w->n_rows, gs_chunk_list_bytes(w->slices), w->survey_ns};
    double saved_ns = gs_rates_saved_ns(&e->rates, &job);
    if (e->is_asked_for || e->library.at)
        return e->is_asked_for || saved_ns > 0;
    e->saved_ns += saved_ns > 0 ? saved_ns : 0;
    return saved_ns > 0 && e->saved_ns > gs_rates_open_ns(&e->rates);
}

static bool is_usable(struct gs_engine *e)
{
    uint64_t begin_ns = gs_now_ns();
    if (e->library.at || e->why_not.status != GS_OK)
        return e->why_not.status == GS_OK;
    if (gs_cuda_library_open(&e->library, &e->why_not) != GS_OK)
        return false;
    e->rates.cuda_open_ns = (double)(gs_now_ns() - begin_ns);
    return true;
}

/* ---- counting ---- */

static void measure(struct gs_engine *e, double *rate, uint64_t begin_ns, uint64_t rows)
{
    if (rows < GS_RATES_ROWS_MIN)
        return;
    *rate = (double)(gs_now_ns() - begin_ns) / (double)rows;
    e->has_measured = true;
}

static bool run_on_device(struct gs_engine *e, const struct gs_engine_job *job,
                          const struct gs_bins *bins, struct gs_gil_result *out)
{
    if (!is_worth_it(e, job->rows) || !is_usable(e))
        return false;
    struct gs_cuda_sums sums;
    uint64_t begin_ns = gs_now_ns();
    if (gs_cuda_run(&e->library, job, bins, out, &sums, &e->why_not) == GS_OK) {
        measure(e, &e->rates.cuda_ns, begin_ns, job->rows->n_rows);
        return true;
    }
    gs_cuda_library_close(&e->library);
    gs_gil_result_free(out);
    return false;
}

static enum gs_status cuda_run(struct gs_engine *e, const struct gs_engine_job *job,
                               const struct gs_bins *bins, struct gs_gil_result *out,
                               struct gs_error *err)
{
    if (run_on_device(e, job, bins, out)) {
        e->on_device++;
        return GS_OK;
    }
    uint64_t begin_ns = gs_now_ns();
    enum gs_status s = gs_engine_cpu.run(e->cpu, job, bins, out, err);
    measure(e, &e->rates.cpu_ns, begin_ns, job->rows->n_rows);
    e->on_cpu++;
    return s;
}

static const char *cuda_used(const struct gs_engine *e, const char **why_not)
{
    *why_not = e->on_cpu ? "it would not pay to open the device for so few rows" : NULL;
    if (e->why_not.status != GS_OK)
        *why_not = e->why_not.text;
    if (e->on_device)
        return e->on_cpu ? "cuda+cpu" : "cuda";
    return e->on_cpu || !e->is_asked_for ? "cpu" : "cuda";
}

const struct gs_engine_ops gs_engine_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .run = cuda_run,
    .close = cuda_close,
    .used = cuda_used,
};
const struct gs_engine_ops gs_engine_auto = {
    .name = "auto",
    .open = auto_open,
    .run = cuda_run,
    .close = cuda_close,
    .used = cuda_used,
};

/* SPDX-License-Identifier: MIT
 * The CUDA engine: GILs on the device, and on the CPU those that the device cannot count. What fails
 * once is not tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cuda_run.h"
#include "analyzer/xalloc.h"

struct gs_engine {
    struct gs_cuda_library library;
    struct gs_error why; /* not to be tried (again); GS_OK: nothing speaks against it */
    struct gs_engine *cpu;
    unsigned on_device, on_cpu; /* GILs counted */
};

static enum gs_status cuda_open(struct gs_engine **out, struct gs_error *err)
{
    *out = gs_xcalloc(1, sizeof(**out));
    return gs_engine_cpu.open(&(*out)->cpu, err);
}

static void cuda_close(struct gs_engine *e)
{
    if (!e)
        return;
    gs_cuda_library_close(&e->library);
    gs_engine_cpu.close(e->cpu);
    free(e);
}

static bool is_usable(struct gs_engine *e)
{
    if (e->why.status == GS_OK && !e->library.at)
        gs_cuda_library_open(&e->library, &e->why);
    return e->why.status == GS_OK;
}

static bool run_on_device(struct gs_engine *e, const struct gs_engine_job *job,
                          const struct gs_bins *bins, struct gs_gil_result *out)
{
    if (!is_usable(e))
        return false;
    if (gs_cuda_run(&e->library, job, bins, out, &e->why) == GS_OK)
        return true;
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
    e->on_cpu++;
    return gs_engine_cpu.run(e->cpu, job, bins, out, err);
}

static const char *cuda_used(const struct gs_engine *e, const char **why)
{
    *why = e->why.status == GS_OK ? NULL : e->why.text;
    if (!e->on_cpu)
        return "cuda";
    return e->on_device ? "cuda+cpu" : "cpu";
}

const struct gs_engine_ops gs_engine_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .run = cuda_run,
    .close = cuda_close,
    .used = cuda_used,
};

/* SPDX-License-Identifier: MIT
 * gilscope whatif: what free-threaded Python would bring.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/cmd_whatif.h"

/* The target is that of the calibration where none is asked for. */
int gs_cmd_prediction_options(const char *cmd, const struct gs_prediction_args *typed,
                              struct gs_calibration *calibration, struct gs_whatif_options *options)
{
    const char *target = typed->target, *path = typed->calibration;
    struct gs_error err = {0};
    if (path && gs_calibration_load(calibration, path, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    options->calibration = path ? calibration : NULL;
    if (!target)
        target = path && calibration->has_s ? calibration->target : GS_TARGET_DEFAULT;
    if (path && calibration->has_s && strcmp(target, calibration->target) != 0)
        return gs_cmd_fail(GS_EXIT_USAGE, "%s: %s is of %s, not of %s", cmd, path,
                           calibration->target, target);
    options->target = gs_target_find(target);
    options->cores = typed->cores ? (uint32_t)strtoul(typed->cores, NULL, 10) : 0;
    return GS_EXIT_OK;
}

static void read_kind(const struct gs_args *args, struct gs_whatif_options *options)
{
    const char *kind = args->value[GS_OPT_whatif_kind];
    options->kind.kind = kind ? gs_kind_named(kind) : GS_KIND_UNKNOWN;
    options->kind.names.progress = args->value[GS_OPT_whatif_progress];
    options->kind.names.outside = args->value[GS_OPT_whatif_outside];
    options->engine = args->value[GS_OPT_whatif_engine];
}

static int predict(const struct gs_args *args, const struct gs_whatif_options *options)
{
    struct gs_whatif_job job;
    struct gs_error err = {0};
    if (gs_whatif_load((const char *const *)args->rest, (size_t)args->n_rest, options, &job,
                       &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    gs_cmd_load_say_engine(job.engine, job.engine_why_not, options->engine,
                           args->value[GS_OPT_whatif_verbose] != NULL);
    bool written = args->value[GS_OPT_whatif_json] ? gs_whatif_json(&job, options, stdout)
                                                   : gs_whatif_text(&job, options, stdout);
    int code = gs_cmd_flush_stdout(written ? GS_EXIT_OK : GS_EXIT_FAILED);
    if (code == GS_EXIT_OK)
        code = gs_cmd_load_damage(job.damaged_chunks, job.skipped_bytes);
    gs_whatif_job_free(&job);
    return code;
}

int gs_cmd_whatif(int argc, char **argv)
{
    static struct gs_calibration calibration;
    struct gs_args args;
    struct gs_whatif_options options = {0};
    int code = gs_args_parse(gs_cmd_find("whatif"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (args.n_rest < 1)
        return gs_cmd_fail(GS_EXIT_USAGE, "whatif: there is no capture to read; name a .gsc file "
                                          "or a directory of them");
    struct gs_prediction_args typed = GS_PREDICTION_ARGS(&args, whatif);
    code = gs_cmd_prediction_options("whatif", &typed, &calibration, &options);
    read_kind(&args, &options);
    return code == GS_EXIT_OK ? predict(&args, &options) : code;
}

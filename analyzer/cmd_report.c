/* SPDX-License-Identifier: MIT
 * gilscope report: one HTML file.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/cmd_whatif.h"
#include "analyzer/export.h"
#include "analyzer/out_file.h"
#include "analyzer/profile_build.h"
#include "analyzer/xalloc.h"

enum { LARGE_BYTES = 25 << 20 };

/* job.gsc, captures/job.gsc, captures/ -> job.html, job.html, captures.html, in the working
 * directory. The caller frees. */
static char *default_name(const char *capture)
{
    char real[PATH_MAX];
    if (!realpath(capture, real)) /* "." and "dir/.." have no name of their own */
        snprintf(real, sizeof(real), "%s", capture);
    const char *slash = strrchr(real, '/');
    const char *base = slash ? slash + 1 : real;
    size_t len = strlen(base);
    if (len > 4 && strcmp(base + len - 4, ".gsc") == 0)
        len -= 4;
    return gs_xasprintf("%.*s.html", len ? (int)len : 8, len ? base : "gilscope");
}

static void say_written(const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0)
        return;
    gs_cmd_say("wrote %s (%.1f MB); open it in a browser", path, (double)st.st_size / 1e6);
    if (st.st_size > LARGE_BYTES)
        gs_cmd_say("%s is large and may be slow to open; report fewer captures at once", path);
}

static int write_report(const struct gs_profile *p, const char *path, bool force)
{
    struct gs_error err = {0};
    struct gs_out out;
    if (gs_out_open(&out, path, force, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    bool ok = gs_export_html(p, out.file);
    if (gs_out_commit(&out, ok, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    say_written(path);
    return GS_EXIT_OK;
}

static int write_named(const struct gs_profile *p, const struct gs_args *args)
{
    char *name = default_name(args->rest[0]);
    const char *given = args->value[GS_OPT_report_output];
    int code = write_report(p, given ? given : name, args->value[GS_OPT_report_force]);
    free(name);
    return code;
}

static int write_with_savings(struct gs_profile *p, const struct gs_args *args,
                              const struct gs_whatif_options *options)
{
    struct gs_whatif_job job;
    struct gs_error err = {0};
    if (gs_whatif_load((const char *const *)args->rest, (size_t)args->n_rest, options, &job,
                       &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    struct gs_savings savings = {&job, options};
    p->savings = &savings;
    gs_savings_add_finding(p, &savings);
    int code = write_named(p, args);
    p->savings = NULL;
    gs_whatif_job_free(&job);
    return code;
}

/* Told for nothing is told by mistake. */
static int read_prediction(const struct gs_args *args, struct gs_whatif_options *options)
{
    static struct gs_calibration calibration;
    struct gs_prediction_args typed = GS_PREDICTION_ARGS(args, report);
    if (args->value[GS_OPT_report_whatif])
        return gs_cmd_prediction_options("report", &typed, &calibration, options);
    if (typed.target || typed.cores || typed.calibration)
        return gs_cmd_fail(GS_EXIT_USAGE, "report: --target, --cores and --calibration are about "
                                          "--whatif, which was not given");
    return GS_EXIT_OK;
}

int gs_cmd_report(int argc, char **argv)
{
    struct gs_args args;
    struct gs_profile profile = {0};
    struct gs_whatif_options prediction = {0};
    int code = gs_args_parse(gs_cmd_find("report"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (!gs_export_html_available())
        return gs_cmd_fail(GS_EXIT_FAILED, "report: this gilscope was built without the report "
                                           "page; build viz/ too");
    code = read_prediction(&args, &prediction);
    if (code != GS_EXIT_OK)
        return code;
    struct gs_cmd_load_args how = GS_LOAD_ARGS(&args, report);
    code = gs_cmd_load("report", args.rest, args.n_rest, &how, &profile);
    if (code == GS_EXIT_OK)
        code = args.value[GS_OPT_report_whatif] ? write_with_savings(&profile, &args, &prediction)
                                                : write_named(&profile, &args);
    if (code == GS_EXIT_OK)
        code = gs_cmd_load_verdict(&profile);
    gs_profile_free(&profile);
    return code;
}

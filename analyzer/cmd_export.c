/* SPDX-License-Identifier: MIT
 * gilscope export FORMAT: files for other tools.
 */
#include <stdio.h>
#include <string.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/export.h"
#include "analyzer/out_file.h"
#include "analyzer/profile_build.h"

enum { ALL_METRICS = -1 };

static bool export_collapsed(const struct gs_profile *p, int metric, FILE *out)
{
    return gs_export_collapsed(p, metric == ALL_METRICS ? GS_METRIC_HOLD : (enum gs_metric)metric,
                               out);
}

static const struct format {
    const char *name;
    bool (*write)(const struct gs_profile *p, int metric, FILE *out);
} formats[] = {
    {"collapsed", export_collapsed},
    {"speedscope", gs_export_speedscope},
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const struct format *find_format(const char *name)
{
    for (int i = 0; i < N_FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}

static int unknown_format(const char *name)
{
    struct gs_nearest near;
    gs_nearest_start(&near, name);
    for (int i = 0; i < N_FORMATS; i++)
        gs_nearest_offer(&near, formats[i].name);
    const char *best = gs_nearest_word(&near);
    return gs_cmd_fail(GS_EXIT_USAGE,
                       "export: '%s' is no format%s%s%s; type gilscope export collapsed|speedscope "
                       "CAPTURE",
                       name, best ? ", did you mean " : "", best ? best : "", best ? "?" : "");
}

static int metric_number(const char *name)
{
    for (int m = 0; name && m < GS_N_METRICS; m++) {
        if (strcmp(gs_metric_names[m], name) == 0)
            return m;
    }
    return ALL_METRICS;
}

/* A flame graph of nothing would look like a program that holds no memory. */
static int check_allocs(const struct gs_profile *p)
{
    const char *why = NULL;
    bool sampled = false;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_memory *m = p->processes[i].memory;
        if (!m || !m->alloc)
            continue;
        sampled |= m->alloc->samples || m->alloc->live_samples;
        why = why ? why : m->alloc->no_allocs;
        if (m->alloc->live_bytes)
            return GS_EXIT_OK;
    }
    if (sampled)
        return gs_cmd_fail(GS_EXIT_FAILED, "export: no sampled allocation has bytes that live at "
                                           "the end: all were freed, or the capture is cut off; "
                                           "type gilscope stats CAPTURE to see which");
    return gs_cmd_fail(GS_EXIT_FAILED,
                       "export: there are no samples of allocations: %s; type gilscope run --alloc "
                       "COMMAND to record them",
                       why ? why : "the capture was recorded without --alloc");
}

static int check_cuda(const struct gs_profile *p)
{
    const char *why = NULL;
    bool seen = false;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        seen |= c && !c->no_cuda;
        why = why || !c ? why : c->no_cuda;
    }
    for (size_t i = 0; i < p->n_cuda_rows; i++)
        if (p->cuda_rows[i].live_bytes)
            return GS_EXIT_OK;
    if (seen)
        return gs_cmd_fail(GS_EXIT_FAILED,
                           "export: no memory of a device lives at the end: all was freed, or went "
                           "with its context; type gilscope stats CAPTURE to see its peak");
    return gs_cmd_fail(
        GS_EXIT_FAILED,
        "export: no call of CUDA is recorded: %s; type gilscope stats CAPTURE to "
        "see what is",
        why ? why : "the program made none, or the capture was recorded without cuda in --what");
}

/* ---- one event of --counters ---- */

static bool is_event(const struct gs_profile *p, const struct gs_prof_count_row *row,
                     const char *name)
{
    return strcmp(p->processes[row->process].counters->counters[row->at].name, name) == 0;
}

static void keep_event(struct gs_profile *p, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; name && i < p->n_count_rows; i++)
        if (is_event(p, &p->count_rows[i], name))
            p->count_rows[n++] = p->count_rows[i];
    p->n_count_rows = n;
}

static int no_event(const struct gs_profile *p, const char *name)
{
    struct gs_nearest near;
    gs_nearest_start(&near, name);
    for (size_t i = 0; i < p->n_count_rows; i++) {
        const struct gs_prof_count_row *row = &p->count_rows[i];
        gs_nearest_offer(&near, p->processes[row->process].counters->counters[row->at].name);
    }
    const char *best = gs_nearest_word(&near);
    if (!p->n_count_rows)
        return gs_cmd_fail(GS_EXIT_FAILED,
                           "export: nothing was counted by stack: the capture was recorded without "
                           "--counters, or no event could be counted; type gilscope stats CAPTURE "
                           "to see which");
    return gs_cmd_fail(GS_EXIT_FAILED,
                       "export: '%s' was not counted by stack%s%s%s; type gilscope stats CAPTURE "
                       "to see what was",
                       name, best ? ", did you mean " : "", best ? best : "", best ? "?" : "");
}

static int check_event(struct gs_profile *p, const char *name)
{
    bool any = !name;
    for (size_t i = 0; i < p->n_count_rows && !any; i++)
        any = is_event(p, &p->count_rows[i], name);
    if (!any)
        return no_event(p, name);
    keep_event(p, name);
    return GS_EXIT_OK;
}

static int write_export(struct gs_profile *p, const struct format *format,
                        const struct gs_args *args)
{
    struct gs_error err = {0};
    struct gs_out out;
    const char *given = args->value[GS_OPT_export_output];
    const char *event = args->value[GS_OPT_export_event];
    int metric = event ? GS_METRIC_COUNTED : metric_number(args->value[GS_OPT_export_metric]);
    if (check_event(p, event) != GS_EXIT_OK)
        return GS_EXIT_FAILED;
    if (metric == GS_METRIC_ALLOC && check_allocs(p) != GS_EXIT_OK)
        return GS_EXIT_FAILED;
    if (metric == GS_METRIC_CUDA && check_cuda(p) != GS_EXIT_OK)
        return GS_EXIT_FAILED;
    if (gs_out_open(&out, given ? given : "-", args->value[GS_OPT_export_force], &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    bool ok = format->write(p, metric, out.file);
    if (gs_out_commit(&out, ok, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    return GS_EXIT_OK;
}

int gs_cmd_export(int argc, char **argv)
{
    struct gs_args args;
    struct gs_profile profile = {0};
    int code = gs_args_parse(gs_cmd_find("export"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (args.n_rest < 1)
        return gs_cmd_fail(GS_EXIT_USAGE, "export: name a format and a capture: gilscope export "
                                          "collapsed|speedscope CAPTURE");
    const struct format *format = find_format(args.rest[0]);
    if (!format)
        return unknown_format(args.rest[0]);
    struct gs_cmd_load_args how = GS_LOAD_ARGS(&args, export);
    how.no_pairs = true; /* no format has a place for them */
    code = gs_cmd_load("export", args.rest + 1, args.n_rest - 1, &how, &profile);
    if (code == GS_EXIT_OK)
        code = write_export(&profile, format, &args);
    if (code == GS_EXIT_OK)
        code = gs_cmd_load_verdict(&profile);
    gs_profile_free(&profile);
    return code;
}

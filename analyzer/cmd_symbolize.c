/* SPDX-License-Identifier: MIT
 * gilscope symbolize: a copy of a capture, byte for byte, with the names of its native frames
 * behind it. They are looked up here, where the program's files are; the copy is read anywhere.
 */
#include <inttypes.h>
#include <stdio.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/out_file.h"
#include "analyzer/symbol_records.h"
#include "analyzer/xalloc.h"

static void report(const char *path, const struct gs_symbol_tally *t)
{
    uint64_t unknown = t->places - t->were_there - t->named;
    if (!t->places)
        gs_cmd_say("symbolize: wrote %s; there is nothing to name in it: record with --native",
                   path);
    else
        gs_cmd_say("symbolize: wrote %s: named %" PRIu64 " places, %" PRIu64 " had names, %" PRIu64
                   " have none here",
                   path, t->named, t->were_there, unknown);
    if (t->left_out)
        gs_cmd_say("symbolize: %" PRIu64 " frames are beyond the 8 million places of a process "
                   "that are looked up",
                   t->left_out);
}

/* A capture in segments becomes one file. */
static int symbolize(const struct gs_captures *captures, const char *path, bool force)
{
    struct gs_error err = {0};
    struct gs_out out;
    struct gs_symbol_tally tally;
    if (captures->feat_ro)
        return gs_cmd_fail(GS_EXIT_FAILED,
                           "%s: uses a feature that forbids this version to rewrite it; use a "
                           "newer gilscope",
                           captures->files[0].path);
    if (gs_out_open(&out, path, force, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    for (size_t i = 0; i < captures->n_files; i++)
        fwrite(captures->files[i].data, 1, captures->files[i].len, out.file);
    gs_symbol_records_write(captures, out.file, &tally);
    if (gs_out_commit(&out, true, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    report(path, &tally);
    return gs_cmd_load_damage(captures->damaged_runs, captures->skipped_bytes);
}

int gs_cmd_symbolize(int argc, char **argv)
{
    struct gs_args args;
    struct gs_captures captures = {0};
    struct gs_error err = {0};
    int code = gs_args_parse(gs_cmd_find("symbolize"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    const char *path = args.value[GS_OPT_symbolize_output];
    if (args.n_rest != 1 || !path)
        return gs_cmd_fail(GS_EXIT_USAGE, "symbolize: name one capture and where to write it: "
                                          "gilscope symbolize CAPTURE -o FILE");
    if (gs_captures_open(&captures, (const char *const *)args.rest, 1, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    gs_xalloc_heap_per_thread();
    code = symbolize(&captures, path, args.value[GS_OPT_symbolize_force]);
    gs_captures_close(&captures);
    return code;
}

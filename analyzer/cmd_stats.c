/* SPDX-License-Identifier: MIT
 * gilscope stats: numbers, for people or as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/profile_build.h"
#include "analyzer/stats.h"

static unsigned terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    int n = columns ? atoi(columns) : 0;
    if (n <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    return n >= 40 && n <= 400 ? (unsigned)n : 0;
}

static bool print(const struct gs_profile *p, bool json)
{
    if (json)
        return gs_stats_json(p, stdout);
    struct gs_text_options options = {.colour = gs_stats_want_colour(stdout),
                                      .width = terminal_width()};
    return gs_stats_text(p, &options, stdout);
}

int gs_cmd_stats(int argc, char **argv)
{
    struct gs_args args;
    struct gs_profile profile = {0};
    int code = gs_args_parse(gs_cmd_find("stats"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    struct gs_cmd_load_args how = GS_LOAD_ARGS(&args, stats);
    code = gs_cmd_load("stats", args.rest, args.n_rest, &how, &profile);
    if (code == GS_EXIT_OK) {
        bool printed = print(&profile, args.value[GS_OPT_stats_json] != NULL);
        code = gs_cmd_flush_stdout(printed ? GS_EXIT_OK : GS_EXIT_FAILED);
        if (code == GS_EXIT_OK)
            code = gs_cmd_load_verdict(&profile);
    }
    gs_profile_free(&profile);
    return code;
}

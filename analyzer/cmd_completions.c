/* SPDX-License-Identifier: MIT
 * gilscope completions SHELL.
 */
#include "analyzer/cmd.h"

#include <stdio.h>

#include "analyzer/options.h"

int gs_cmd_completions(int argc, char **argv)
{
    struct gs_args args;
    int code = gs_args_parse(gs_cmd_find("completions"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (args.n_rest != 1)
        return gs_cmd_fail(GS_EXIT_USAGE, "completions: name one shell: gilscope completions "
                                          "bash|zsh|fish");
    if (!gs_completions(stdout, args.rest[0]))
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "completions: shell '%s' is not known; there are bash, "
                           "zsh and fish",
                           args.rest[0]);
    return gs_cmd_flush_stdout(GS_EXIT_OK);
}

/* SPDX-License-Identifier: MIT
 * gilscope help, and the hidden __man from which the build makes the man pages.
 */
#include "analyzer/cmd.h"

#include <stdio.h>
#include <string.h>

#include "analyzer/options.h"

static void print_variables(void)
{
    puts("The agent reads these in the program it is preloaded into; gilscope run sets them.\n");
    for (const struct gs_variable *v = gs_variables; v->name; v++)
        printf("%s\n    %s\n", v->name, v->help);
    puts("\nWithout gilscope run: LD_PRELOAD=.../libgilscope.so GILSCOPE_OUT=/data/%h-%p.gsc "
         "program");
}

static void print_exit_codes(void)
{
    for (const struct gs_exit_text *e = gs_exit_texts; e->text; e++)
        printf("%-14s %s\n", e->code, e->text);
}

static int unknown_word(const char *word)
{
    struct gs_nearest near;
    gs_nearest_start(&near, word);
    gs_nearest_offer(&near, "env");
    gs_nearest_offer(&near, "exit-codes");
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (c->group)
            gs_nearest_offer(&near, c->name);
    }
    const char *best = gs_nearest_word(&near);
    return gs_cmd_fail(GS_EXIT_USAGE, "help: there is no help on '%s'; try gilscope %s%s", word,
                       best ? "help " : "", best ? best : "--help");
}

int gs_cmd_help(int argc, char **argv)
{
    struct gs_args args;
    int code = gs_args_parse(gs_cmd_find("help"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    const char *word = args.n_rest ? args.rest[0] : NULL;
    const struct gs_cmd *cmd = word ? gs_cmd_find(word) : NULL;
    if (!word)
        gs_help_program(stdout);
    else if (strcmp(word, "env") == 0)
        print_variables();
    else if (strcmp(word, "exit-codes") == 0)
        print_exit_codes();
    else if (cmd && cmd->group)
        gs_help_command(stdout, cmd);
    else
        return unknown_word(word);
    return gs_cmd_flush_stdout(GS_EXIT_OK);
}

int gs_cmd_man(int argc, char **argv)
{
    const struct gs_cmd *cmd = argc > 1 ? gs_cmd_find(argv[1]) : NULL;
    if (cmd)
        gs_man_command(stdout, cmd);
    else
        gs_man_program(stdout);
    return gs_cmd_flush_stdout(GS_EXIT_OK);
}

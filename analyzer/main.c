/* SPDX-License-Identifier: MIT
 * The gilscope program: finds the command and hands over.
 */
#include "analyzer/cmd.h"
#include "analyzer/options.h"
#include "analyzer/xalloc.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int unknown_command(const char *word)
{
    struct gs_nearest near;
    gs_nearest_start(&near, word);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (c->group)
            gs_nearest_offer(&near, c->name);
    }
    const char *best = gs_nearest_word(&near);
    if (best)
        return gs_cmd_fail(GS_EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", word, best);
    return gs_cmd_fail(GS_EXIT_USAGE, "unknown command '%s'; type gilscope --help", word);
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int print_help(void)
{
    gs_help_program(stdout);
    return gs_cmd_flush_stdout(GS_EXIT_OK);
}

/* Captures are read where they are mapped. */
static void capture_has_shrunk(int sig)
{
    static const char text[] = "gilscope: a capture became shorter while it was read; nothing came "
                               "of it, try again when nobody writes to it\n";
    (void)sig;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    _exit(GS_EXIT_FAILED);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        gs_help_program(stderr);
        return GS_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (is_one_of(word, "-h", "--help"))
        return print_help();
    if (is_one_of(word, "-V", "--version")) {
        printf("gilscope %s\n", GILSCOPE_VERSION);
        return gs_cmd_flush_stdout(GS_EXIT_OK);
    }
    if (word[0] == '-')
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "unknown option '%s' before the command; "
                           "type gilscope --help",
                           word);
    const struct gs_cmd *cmd = gs_cmd_find(word);
    if (!cmd)
        return unknown_command(word);
    gs_xalloc_init();
    signal(SIGBUS, capture_has_shrunk); /* a program that `run` becomes has its own again */
    return cmd->run(argc - 1, argv + 1);
}

/* SPDX-License-Identifier: MIT
 * The options of all commands, from options.def: parsing, and the texts made from the same table.
 * Values stay the text the user typed, already checked against the option's argument type.
 */
#ifndef GS_OPTIONS_H
#define GS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct gs_cmd;

enum gs_option_id {
#define GS_OPTION(cmd, id, name, letter, arg, env, def, help) GS_OPT_##cmd##_##id,
#define GS_ALIAS(cmd, name, id, value)
#include "analyzer/options.def"
#undef GS_OPTION
#undef GS_ALIAS
    GS_N_OPTIONS
};

struct gs_option {
    const char *cmd;
    const char *name; /* long name or NULL */
    char letter;      /* or 0 */
    const char *arg;  /* NULL: a flag */
    const char *env, *def, *help;
};
extern const struct gs_option gs_options[GS_N_OPTIONS];

struct gs_args {
    const char *value[GS_N_OPTIONS]; /* NULL: not given; a flag that is given: "1" */
    int n_rest;                      /* operands; rest[n_rest] is NULL */
    char **rest;
};

#define GS_ARGS_GO_ON (-1)
/* Parses argv (argv[0] is the command's name). Returns GS_ARGS_GO_ON, or the exit code to end with:
 * 0 after --help, GS_EXIT_USAGE after an error, which it has printed. */
int gs_args_parse(const struct gs_cmd *cmd, int argc, char **argv, struct gs_args *out);

/* Checks one value against an argument type such as "SECONDS" or "0|1|2". NULL if it fits, else
 * what was expected. */
const char *gs_option_check(const char *arg, const char *value);

/* Texts; written to `out`, whose errors the caller checks. */
void gs_help_program(FILE *out);
void gs_help_command(FILE *out, const struct gs_cmd *cmd);
void gs_man_program(FILE *out);
void gs_man_command(FILE *out, const struct gs_cmd *cmd);
bool gs_completions(FILE *out, const char *shell); /* false: an unknown shell */

struct gs_variable { /* preload/agent_config.def */
    const char *name, *help;
};
extern const struct gs_variable gs_variables[]; /* ends with a NULL name */
struct gs_exit_text {
    const char *code, *text;
};
extern const struct gs_exit_text gs_exit_texts[]; /* ends with a NULL text */

#endif

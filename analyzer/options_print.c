/* SPDX-License-Identifier: MIT
 * --help, made from the table of options and the table of commands.
 */
#include "analyzer/options.h"

#include <string.h>

#include "analyzer/cmd.h"

const struct gs_variable gs_variables[] = {
#define GS_CONFIG(env, field, type, def, help) {#env, help},
#include "preload/agent_config.def"
#undef GS_CONFIG
    {NULL, NULL},
};

const struct gs_exit_text gs_exit_texts[] = {
    {"0", "ok"},
    {"1", "failed"},
    {"2", "wrong usage"},
    {"4", "the capture is damaged; what could be read was written"},
    {"125, 126, 127", "run: could not start, not executable, not found; otherwise the exit code is "
                      "the program's own"},
    {NULL, NULL},
};

enum { COLUMNS = 80, HELP_AT = 26 };

/* Prints words of `text`, wrapped at COLUMNS; continuation lines start at `indent`. */
static void print_wrapped(FILE *out, const char *text, int indent, int column)
{
    while (*text) {
        if (*text == '\n') {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            text++;
            continue;
        }
        int len = (int)strcspn(text, " \n");
        if (column + len > COLUMNS && column > indent) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        fprintf(out, "%.*s", len, text);
        text += len;
        column += len;
        if (*text == ' ') {
            text++;
            if (*text && column + 1 + (int)strcspn(text, " \n") <= COLUMNS)
                column += fprintf(out, " ");
            else
                column = COLUMNS;
        }
    }
    fputc('\n', out);
}

static void spell(const struct gs_option *o, char *buf, size_t cap)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof(letter), "-%c%s", o->letter, o->name ? ", " : "");
    snprintf(buf, cap, "  %s%s%s%s%s", letter, o->name ? "--" : "", o->name ? o->name : "",
             o->arg ? " " : "", o->arg ? o->arg : "");
}

static void print_entry(FILE *out, const char *spelled, const char *help, const char *def)
{
    char text[400];
    int column = fprintf(out, "%s", spelled);
    if (column >= HELP_AT - 1) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", HELP_AT - column, "");
    snprintf(text, sizeof(text), "%s%s%s%s", help, def ? " (default " : "", def ? def : "",
             def ? ")" : "");
    print_wrapped(out, text, HELP_AT, HELP_AT);
}

void gs_help_command(FILE *out, const struct gs_cmd *cmd)
{
    char spelled[128];
    fprintf(out, "usage: gilscope %s %s\n", cmd->name, cmd->usage);
    print_wrapped(out, cmd->about, 0, 0);
    fputs("\noptions:\n", out);
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        if (strcmp(o->cmd, cmd->name) != 0)
            continue;
        spell(o, spelled, sizeof(spelled));
        print_entry(out, spelled, o->help, o->def);
    }
    print_entry(out, "  -h, --help", "print this", NULL);
    fputs("\nexamples:\n", out);
    for (int i = 0; i < 3 && cmd->examples[i]; i++)
        fprintf(out, "  %s\n", cmd->examples[i]);
}

static void print_group(FILE *out, const char *group)
{
    const char *heading = group;
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (!c->group || strcmp(c->group, group) != 0)
            continue;
        fprintf(out, "%-8s %-12s %s\n", heading, c->name, c->summary);
        heading = "";
    }
}

void gs_help_program(FILE *out)
{
    fputs("usage: gilscope [-h] [-V] COMMAND ...\n"
          "Find out who holds Python's GIL, who waits for it, and who makes them wait.\n\n",
          out);
    print_group(out, "record");
    print_group(out, "look");
    print_group(out, "share");
    print_group(out, "help");
    fputs("\nexamples:\n"
          "  gilscope run train.py --epochs 1      records gilscope-PID.gsc\n"
          "  gilscope stats gilscope-4242.gsc      the numbers\n"
          "  gilscope report gilscope-4242.gsc     a page to look at and to mail\n"
          "More: gilscope COMMAND --help, gilscope help env, gilscope help exit-codes\n",
          out);
}

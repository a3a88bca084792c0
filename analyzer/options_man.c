/* SPDX-License-Identifier: MIT
 * Man pages, made from the table of options and the table of commands.
 */
#include "analyzer/options.h"

#include <ctype.h>
#include <string.h>

#include "analyzer/cmd.h"

/* roff text: backslashes, hyphens that are typed, and a leading dot or quote need care. */
static void put_roff(FILE *out, const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\''))
            fputs("\\&", out);
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else if (*p == '\n')
            fputs("\n.PP\n", out);
        else
            fputc(*p, out);
        line_start = *p == '\n';
    }
    fputc('\n', out);
}

static void put_title(FILE *out, const char *page, const char *summary)
{
    char upper[64];
    size_t n = 0;
    for (; page[n] && n + 1 < sizeof(upper); n++)
        upper[n] = (char)toupper((unsigned char)page[n]);
    upper[n] = '\0';
    fprintf(out, ".TH %s 1 \"\" \"gilscope %s\" \"User Commands\"\n.SH NAME\n", upper,
            GILSCOPE_VERSION);
    for (const char *p = page; *p; p++)
        fprintf(out, *p == '-' ? "\\-" : "%c", *p);
    fputs(" \\- ", out);
    put_roff(out, summary);
}

static void put_option(FILE *out, const struct gs_option *o)
{
    fputs(".TP\n.BR", out); /* arguments are bold and roman in turns */
    if (o->letter)
        fprintf(out, " \\-%c%s", o->letter, o->name ? " \", \"" : "");
    if (o->name) {
        fputs(" \\-\\-", out);
        for (const char *p = o->name; *p; p++)
            fprintf(out, *p == '-' ? "\\-" : "%c", *p);
    }
    if (o->arg)
        fprintf(out, " \" \\fI%s\\fR\"", o->arg);
    fputc('\n', out);
    put_roff(out, o->help);
    if (o->def) {
        char text[128];
        snprintf(text, sizeof(text), "(default %s)", o->def);
        put_roff(out, text);
    }
    if (o->env)
        fprintf(out, ".br\nVariable: %s\n", o->env);
}

static void put_exit_codes(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (const struct gs_exit_text *e = gs_exit_texts; e->text; e++) {
        fprintf(out, ".TP\n%s\n", e->code);
        put_roff(out, e->text);
    }
}

void gs_man_command(FILE *out, const struct gs_cmd *cmd)
{
    char page[64];
    snprintf(page, sizeof(page), "gilscope-%s", cmd->name);
    put_title(out, page, cmd->summary);
    fprintf(out, ".SH SYNOPSIS\n\\fBgilscope %s\\fR ", cmd->name);
    put_roff(out, cmd->usage);
    fputs(".SH DESCRIPTION\n", out);
    put_roff(out, cmd->about);
    fputs(".SH OPTIONS\n", out);
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        if (strcmp(gs_options[id].cmd, cmd->name) == 0)
            put_option(out, &gs_options[id]);
    }
    fputs(".TP\n.BR \\-h \", \" \\-\\-help\nprint a short help\n.SH EXAMPLES\n.nf\n", out);
    for (int i = 0; i < 3 && cmd->examples[i]; i++)
        put_roff(out, cmd->examples[i]);
    fputs(".fi\n", out);
    put_exit_codes(out);
    fputs(".SH SEE ALSO\n.BR gilscope (1)\n", out);
}

void gs_man_program(FILE *out)
{
    put_title(out, "gilscope", "find out who holds Python's GIL, and who waits for it");
    fputs(".SH SYNOPSIS\n\\fBgilscope\\fR [\\-h] [\\-V] \\fICOMMAND\\fR ...\n.SH COMMANDS\n", out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (!c->group)
            continue;
        fprintf(out, ".TP\n\\fBgilscope\\-%s\\fR(1)\n", c->name);
        put_roff(out, c->summary);
    }
    fputs(".SH ENVIRONMENT\nRead by the recording agent in the program; the options of "
          "\\fBgilscope run\\fR set them.\n",
          out);
    for (const struct gs_variable *v = gs_variables; v->name; v++) {
        fprintf(out, ".TP\n.B %s\n", v->name);
        put_roff(out, v->help);
    }
    put_exit_codes(out);
}

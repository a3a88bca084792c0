/* SPDX-License-Identifier: MIT
 * Shell completions, made from the table of options and the table of commands.
 */
#include "analyzer/options.h"

#include <ctype.h>
#include <string.h>

#include "analyzer/cmd.h"

enum arg_kind { ARG_CHOICE, ARG_FILE, ARG_DIR, ARG_OTHER };

static enum arg_kind arg_kind(const struct gs_option *o)
{
    if (islower((unsigned char)*o->arg) || isdigit((unsigned char)*o->arg))
        return ARG_CHOICE;
    if (strcmp(o->arg, "DIR") == 0)
        return ARG_DIR;
    return strstr(o->arg, "FILE") || strcmp(o->arg, "EXE") == 0 ? ARG_FILE : ARG_OTHER;
}

static void put_choices(FILE *out, const char *arg)
{
    for (; *arg; arg++)
        fputc(*arg == '|' ? ' ' : *arg, out);
}

static void put_commands(FILE *out)
{
    const char *space = "";
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (!c->group)
            continue;
        fprintf(out, "%s%s", space, c->name);
        space = " ";
    }
}

/* What a command's operands are: words, captures or anything. */
static const char *operand_words(const struct gs_cmd *c)
{
    if (strcmp(c->name, "completions") == 0)
        return "bash zsh fish";
    if (strcmp(c->name, "export") == 0)
        return "collapsed speedscope";
    return NULL;
}

/* ---- bash ---- */
static void bash_option_args(FILE *out, const char *cmd)
{
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        if (strcmp(o->cmd, cmd) != 0 || !o->arg)
            continue;
        fprintf(out, "        %s:", cmd);
        if (o->letter)
            fprintf(out, "-%c%s", o->letter, o->name ? "|" : "");
        if (o->letter && o->name)
            fprintf(out, "%s:", cmd);
        if (o->name)
            fprintf(out, "--%s", o->name);
        fputs(") ", out);
        if (arg_kind(o) == ARG_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", out);
            put_choices(out, o->arg);
            fputs("' -- \"$cur\"))", out);
        } else if (arg_kind(o) == ARG_OTHER) {
            fputs(":", out);
        } else {
            fprintf(out, "COMPREPLY=($(compgen -%c -- \"$cur\"))",
                    arg_kind(o) == ARG_DIR ? 'd' : 'f');
        }
        fputs("; return ;;\n", out);
    }
}

static void bash_options(FILE *out, const struct gs_cmd *c)
{
    fprintf(out, "        %s) words='-h --help", c->name);
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        if (strcmp(o->cmd, c->name) != 0)
            continue;
        if (o->letter)
            fprintf(out, " -%c", o->letter);
        if (o->name)
            fprintf(out, " --%s", o->name);
    }
    fputs("'; operands='", out);
    if (strcmp(c->name, "help") == 0)
        put_commands(out);
    else if (operand_words(c))
        fputs(operand_words(c), out);
    fputs("' ;;\n", out);
}

static void bash(FILE *out)
{
    fputs("# bash completion for gilscope, generated from its option table\n"
          "_gilscope() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local cmd=${COMP_WORDS[1]} words='' operands=''\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    put_commands(out);
    fputs(" -h --help -V --version' -- \"$cur\")); return\n"
          "    fi\n"
          "    case $cmd:$prev in\n",
          out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++)
        bash_option_args(out, c->name);
    fputs("    esac\n    case $cmd in\n", out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (c->group)
            bash_options(out, c);
    }
    fputs("    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    elif [ -n \"$operands\" ] && [ \"$COMP_CWORD\" -eq 2 ]; then\n"
          "        COMPREPLY=($(compgen -W \"$operands\" -- \"$cur\"))\n"
          "    else\n"
          "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
          "    fi\n"
          "}\n"
          "complete -o filenames -F _gilscope gilscope\n",
          out);
}

/* ---- zsh ---- */

/* Inside '...[text]': brackets, colons and quotes would end it. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_spelling(FILE *out, const char *dashes, const char *name, const struct gs_option *o)
{
    fprintf(out, "            '%s%s[", dashes, name);
    zsh_text(out, o->help);
    fputc(']', out);
    if (o->arg) {
        fputc(':', out);
        zsh_text(out, o->arg);
        fputc(':', out);
        if (arg_kind(o) == ARG_CHOICE) {
            fputc('(', out);
            put_choices(out, o->arg);
            fputc(')', out);
        } else if (arg_kind(o) != ARG_OTHER) {
            fputs(arg_kind(o) == ARG_DIR ? "_files -/" : "_files", out);
        }
    }
    fputs("' \\\n", out);
}

static void zsh_command(FILE *out, const struct gs_cmd *c)
{
    fprintf(out, "        %s) _arguments -s \\\n            '(- *)'{-h,--help}'[print this]' \\\n",
            c->name);
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        char letter[2] = {o->letter, '\0'};
        if (strcmp(o->cmd, c->name) != 0)
            continue;
        if (o->letter)
            zsh_spelling(out, "-", letter, o);
        if (o->name)
            zsh_spelling(out, "--", o->name, o);
    }
    if (strcmp(c->name, "run") == 0) {
        fputs("            '*::command:_normal' ;;\n", out);
    } else if (strcmp(c->name, "help") == 0) {
        fputs("            '1:command:(", out);
        put_commands(out);
        fputs(")' ;;\n", out);
    } else if (operand_words(c)) {
        fprintf(out, "            '1:word:(%s)' '*:capture:_files' ;;\n", operand_words(c));
    } else {
        fputs("            '*:capture:_files' ;;\n", out);
    }
}

static void zsh(FILE *out)
{
    fputs("#compdef gilscope\n# generated from gilscope's option table\n"
          "local -a commands=(\n",
          out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (!c->group)
            continue;
        fprintf(out, "    '%s:", c->name);
        zsh_text(out, c->summary);
        fputs("'\n", out);
    }
    fputs(")\n_arguments -C '(- *)'{-h,--help}'[print help]' '(- *)'{-V,--version}'[print version]'"
          " \\\n    '1:command:->command' '*::argument:->argument'\n"
          "case $state in\ncommand) _describe command commands ;;\nargument)\n"
          "    case $words[1] in\n",
          out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (c->group)
            zsh_command(out, c);
    }
    fputs("    esac ;;\nesac\n", out);
}

/* ---- fish ---- */
static void fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, const struct gs_option *o)
{
    fprintf(out, "complete -c gilscope -n '__fish_seen_subcommand_from %s'", o->cmd);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->name)
        fprintf(out, " -l %s", o->name);
    if (o->arg && arg_kind(o) == ARG_CHOICE) {
        fputs(" -x -a '", out);
        put_choices(out, o->arg);
        fputc('\'', out);
    } else if (o->arg) {
        fputs(arg_kind(o) == ARG_OTHER ? " -x" : " -r -F", out);
    }
    fputs(" -d ", out);
    fish_text(out, o->help);
    fputc('\n', out);
}

static void fish(FILE *out)
{
    fputs("# fish completion for gilscope, generated from its option table\n"
          "complete -c gilscope -s h -l help -d 'print help'\n"
          "complete -c gilscope -n __fish_use_subcommand -s V -l version -d 'print version'\n",
          out);
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (!c->group)
            continue;
        fprintf(out, "complete -c gilscope -n __fish_use_subcommand -f -a %s -d ", c->name);
        fish_text(out, c->summary);
        fputc('\n', out);
        if (operand_words(c))
            fprintf(out, "complete -c gilscope -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                    c->name, operand_words(c));
    }
    for (int id = 0; id < GS_N_OPTIONS; id++)
        fish_option(out, &gs_options[id]);
}

bool gs_completions(FILE *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash(out);
    else if (strcmp(shell, "zsh") == 0)
        zsh(out);
    else if (strcmp(shell, "fish") == 0)
        fish(out);
    else
        return false;
    return true;
}

/* SPDX-License-Identifier: MIT
 * Parses a command line with getopt_long, fed from options.def.
 */
#include "analyzer/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/cmd.h"

const struct gs_option gs_options[GS_N_OPTIONS] = {
#define GS_OPTION(cmd, id, name, letter, arg, env, def, help)                                      \
    {#cmd, name, letter, arg, env, def, help},
#define GS_ALIAS(cmd, name, id, value)
#include "analyzer/options.def"
#undef GS_OPTION
#undef GS_ALIAS
};

struct alias {
    const char *cmd, *name;
    enum gs_option_id id;
    const char *value;
};
static const struct alias aliases[] = {
#define GS_OPTION(cmd, id, name, letter, arg, env, def, help)
#define GS_ALIAS(cmd, name, id, value) {#cmd, name, GS_OPT_##cmd##_##id, value},
#include "analyzer/options.def"
#undef GS_OPTION
#undef GS_ALIAS
};
enum { N_ALIASES = sizeof(aliases) / sizeof(aliases[0]) };

/* getopt's view of one command. `val` of a long option is VAL_FIRST + its option or alias number.
 */
enum { VAL_HELP = 'h', VAL_FIRST = 256, VAL_ALIAS = VAL_FIRST + GS_N_OPTIONS };
struct getopt_tables {
    struct option longs[GS_N_OPTIONS + N_ALIASES + 2];
    char shorts[3 * GS_N_OPTIONS + 8];
};

static bool ends_options(int id)
{
    return id == GS_OPT_run_module || id == GS_OPT_run_code;
}

static void build_tables(const char *cmd, struct getopt_tables *t)
{
    size_t n = 0;
    /* '+': `run` must not reorder, what follows the program belongs to it. ':': we word errors. */
    char *s = stpcpy(t->shorts, strcmp(cmd, "run") == 0 ? "+:h" : ":h");
    t->longs[n++] = (struct option){"help", no_argument, NULL, VAL_HELP};
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        if (strcmp(o->cmd, cmd) != 0)
            continue;
        if (o->letter) {
            *s++ = o->letter;
            if (o->arg)
                *s++ = ':';
        }
        if (o->name)
            t->longs[n++] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL,
                                            VAL_FIRST + id};
    }
    for (int i = 0; i < N_ALIASES; i++) {
        const struct alias *a = &aliases[i];
        bool has_arg = !a->value && gs_options[a->id].arg;
        if (strcmp(a->cmd, cmd) == 0)
            t->longs[n++] = (struct option){a->name, has_arg ? required_argument : no_argument,
                                            NULL, VAL_ALIAS + i};
    }
    *s = '\0';
    t->longs[n] = (struct option){0};
}

static int letter_id(const char *cmd, int letter)
{
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        if (gs_options[id].letter == letter && strcmp(gs_options[id].cmd, cmd) == 0)
            return id;
    }
    return -1;
}

/* ---- argument types ---- */
static bool is_decimal(const char *s, double *out)
{
    if (!isdigit((unsigned char)*s) && *s != '.')
        return false;
    if (s[strspn(s, "0123456789.")] != '\0') /* strtod would take "inf", "0x10" and "1e9" */
        return false;
    char *end;
    *out = strtod(s, &end);
    return *end == '\0' && end != s && isfinite(*out);
}

static bool is_size(const char *s)
{
    size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 18)
        return false;
    return s[n] == '\0' || (strchr("KMGkmg", s[n]) && s[n + 1] == '\0');
}

static bool is_choice(const char *arg, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = arg; len; p++) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, value, n) == 0)
            return true;
        p += n;
        if (!*p)
            break;
    }
    return false;
}

static bool is_list_of(const char *choice, const char *value)
{
    char word[16];
    for (;; value++) {
        size_t n = strcspn(value, ",");
        snprintf(word, sizeof(word), "%.*s", (int)n, value);
        if (n >= sizeof(word) || !is_choice(choice, word))
            return false;
        value += n;
        if (!*value)
            return true;
    }
}

const char *gs_option_check(const char *arg, const char *value)
{
    double v;
    if (strcmp(arg, "SECONDS") == 0)
        return is_decimal(value, &v) && v >= 0.001 && v < 1e9 ? NULL : "seconds, such as 30 or 0.5";
    if (strcmp(arg, "PERCENT") == 0)
        return is_decimal(value, &v) && v >= 0.1 && v <= 100 ? NULL
                                                             : "a percentage from 0.1 to 100";
    if (strcmp(arg, "MICROSECONDS") == 0)
        return is_decimal(value, &v) && v >= 1 && v < 1e9 && !strchr(value, '.')
                   ? NULL
                   : "whole microseconds, such as 1000";
    if (strcmp(arg, "COUNT") == 0)
        return is_decimal(value, &v) && v >= 1 && v <= 1024 && !strchr(value, '.')
                   ? NULL
                   : "a whole number from 1 to 1024";
    if (strcmp(arg, "LIST") == 0)
        return is_list_of("gil|mem|cuda", value) ? NULL : "words of gil, mem, cuda with commas";
    if (strcmp(arg, "SIZE") == 0)
        return is_size(value) ? NULL : "a size, such as 500M or 2G";
    if (islower((unsigned char)*arg) || isdigit((unsigned char)*arg))
        return is_choice(arg, value) ? NULL : arg;
    return NULL; /* a name of something: any text */
}

/* ---- errors ---- */
static int bad_option(const char *cmd, const struct getopt_tables *t, const char *word)
{
    if (word[0] == '-' && word[1] == '-') {
        struct gs_nearest near;
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
        gs_nearest_start(&near, name);
        for (const struct option *o = t->longs; o->name; o++)
            gs_nearest_offer(&near, o->name);
        if (gs_nearest_word(&near))
            return gs_cmd_fail(GS_EXIT_USAGE, "%s: unknown option '%s'; did you mean '--%s'?", cmd,
                               word, gs_nearest_word(&near));
    }
    if (strcmp(cmd, "run") == 0)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "run: unknown option '%s'; options of Python go after its name: "
                           "gilscope run python3 %s ...",
                           word, word);
    return gs_cmd_fail(GS_EXIT_USAGE, "%s: unknown option '%s'; type gilscope %s --help", cmd, word,
                       cmd);
}

static int report_unknown(const char *cmd, const struct getopt_tables *t, char **argv)
{
    char letter[3] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < VAL_FIRST;
    if (!is_letter && optopt >= VAL_FIRST)
        return gs_cmd_fail(GS_EXIT_USAGE, "%s: option '%s' takes no argument", cmd,
                           argv[optind - 1]);
    return bad_option(cmd, t, is_letter ? letter : argv[optind - 1]);
}

static int store(const char *cmd, int id, const char *value, struct gs_args *out)
{
    const struct gs_option *o = &gs_options[id];
    char letter[3] = {'-', o->letter, '\0'};
    const char *expected = o->arg ? gs_option_check(o->arg, value) : NULL;
    if (expected)
        return gs_cmd_fail(GS_EXIT_USAGE, "%s: %s%s: '%s' does not fit; expected %s", cmd,
                           o->name ? "--" : "", o->name ? o->name : letter, value, expected);
    out->value[id] = value;
    return GS_ARGS_GO_ON;
}

static int take(const char *cmd, int val, struct gs_args *out, bool *last)
{
    if (val >= VAL_ALIAS) {
        const struct alias *a = &aliases[val - VAL_ALIAS];
        return store(cmd, (int)a->id, a->value ? a->value : optarg ? optarg : "1", out);
    }
    int id = val >= VAL_FIRST ? val - VAL_FIRST : letter_id(cmd, val);
    *last = ends_options(id);
    return store(cmd, id, optarg ? optarg : "1", out);
}

int gs_args_parse(const struct gs_cmd *cmd, int argc, char **argv, struct gs_args *out)
{
    struct getopt_tables t;
    *out = (struct gs_args){0};
    build_tables(cmd->name, &t);
    opterr = 0;
    optind = 0; /* GNU: start afresh, also after another scan */
    bool last = false;
    while (!last) {
        int val = getopt_long(argc, argv, t.shorts, t.longs, NULL);
        if (val == -1)
            break;
        if (val == VAL_HELP) {
            gs_help_command(stdout, cmd);
            return gs_cmd_flush_stdout(GS_EXIT_OK);
        }
        if (val == ':')
            return gs_cmd_fail(GS_EXIT_USAGE,
                               "%s: option '%s' needs an argument; "
                               "type gilscope %s --help",
                               cmd->name, argv[optind - 1], cmd->name);
        if (val == '?')
            return report_unknown(cmd->name, &t, argv);
        int code = take(cmd->name, val, out, &last);
        if (code != GS_ARGS_GO_ON)
            return code;
    }
    out->n_rest = argc - optind;
    out->rest = argv + optind;
    return GS_ARGS_GO_ON;
}

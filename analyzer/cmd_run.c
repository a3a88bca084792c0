/* SPDX-License-Identifier: MIT
 * gilscope run: sets the environment and execs, so that pid, signals, standard input and exit code
 * are the program's own.
 */
#include "analyzer/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/options.h"
#include "analyzer/run_counters.h"
#include "analyzer/run_target.h"

#define DEFAULT_NAME "gilscope-%q{RANK}-%p.gsc"
enum { PATTERN_MAX = 2 * PATH_MAX };

/* ---- the output pattern ---- */

/* The agent expands the tokens, it alone knows each process's pid; here they are only checked. */
static const char *bad_token(const char *pattern)
{
    for (const char *p = strchr(pattern, '%'); p; p = strchr(p + 1, '%')) {
        p++;
        if (*p == 'p' || *p == 'h' || *p == '%')
            continue;
        if (p[0] != 'q' || p[1] != '{' || !strchr(p, '}'))
            return p - 1;
        p = strchr(p, '}');
    }
    return NULL;
}

/* Appends a real path to a pattern: its percent signs are no tokens. */
static size_t append_escaped(char *out, size_t at, const char *path)
{
    for (; *path && at + 2 < PATTERN_MAX; path++) {
        if (*path == '%')
            out[at++] = '%';
        out[at++] = *path;
    }
    out[at] = '\0';
    return at;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes `given` absolute; a directory gets the default name in it. */
static int absolute_pattern(const char *given, char out[PATTERN_MAX])
{
    char cwd[PATH_MAX];
    size_t at = 0;
    bool directory = is_directory(given);
    out[0] = '\0';
    if (given[0] != '/') {
        if (!getcwd(cwd, sizeof(cwd)))
            return gs_cmd_fail(GS_EXIT_NOT_STARTED, "run: working directory: %s; cd to another",
                               strerror(errno));
        at = append_escaped(out, at, cwd);
        at += (size_t)snprintf(out + at, PATTERN_MAX - at, "/");
    }
    if (strlen(given) + at + sizeof(DEFAULT_NAME) + 2 >= PATTERN_MAX)
        return gs_cmd_fail(GS_EXIT_USAGE, "run: --output is too long");
    if (!directory) {
        strcpy(out + at, given);
        return GS_EXIT_OK;
    }
    at = append_escaped(out, at, given);
    snprintf(out + at, PATTERN_MAX - at, "%s%s", given[strlen(given) - 1] == '/' ? "" : "/",
             DEFAULT_NAME);
    return GS_EXIT_OK;
}

/* A directory that depends on no token can be looked at before the job starts. */
static int check_writable(const char *pattern)
{
    char dir[PATTERN_MAX];
    snprintf(dir, sizeof(dir), "%s", pattern);
    char *slash = strrchr(dir, '/');
    slash[slash == dir] = '\0';
    char *from = dir, *to = dir;
    while (*from) {
        if (*from == '%' && *++from != '%')
            return GS_EXIT_OK;
        *to++ = *from++;
    }
    *to = '\0';
    if (!is_directory(dir))
        return gs_cmd_fail(GS_EXIT_NOT_STARTED,
                           "run: --output: there is no directory %s; create "
                           "it first: mkdir -p '%s'",
                           dir, dir);
    if (access(dir, W_OK | X_OK) != 0)
        return gs_cmd_fail(GS_EXIT_NOT_STARTED, "run: --output: %s: %s; name another with -o", dir,
                           strerror(errno));
    return GS_EXIT_OK;
}

static int set_output(const struct gs_args *args)
{
    char pattern[PATTERN_MAX];
    const char *given = args->value[GS_OPT_run_output];
    if (!given)
        given = getenv("GILSCOPE_OUT");
    if (!given || !*given)
        given = DEFAULT_NAME;
    const char *bad = is_directory(given) ? NULL : bad_token(given);
    if (bad)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "run: --output: '%.3s' is no token; there are %%p, %%h, "
                           "%%q{VARIABLE} and %%%%",
                           bad);
    int code = absolute_pattern(given, pattern);
    if (code == GS_EXIT_OK)
        code = check_writable(pattern);
    if (code == GS_EXIT_OK)
        setenv("GILSCOPE_OUT", pattern, 1);
    return code;
}

/* ---- the size ---- */

static unsigned long long size_bytes(const char *s)
{
    static const char units[] = "KMG";
    char *end;
    unsigned long long n = strtoull(s, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    return unit ? n << 10 * (unit - units + 1) : n;
}

static int check_ring(const struct gs_args *args)
{
    const char *on_full = args->value[GS_OPT_run_on_full], *size = args->value[GS_OPT_run_max_size];
    if (!on_full)
        on_full = getenv("GILSCOPE_ON_FULL");
    if (!size)
        size = getenv("GILSCOPE_MAX_SIZE");
    if (!on_full || strcmp(on_full, "ring") != 0 || (size && size_bytes(size) >= 1u << 20))
        return GS_EXIT_OK;
    return gs_cmd_fail(GS_EXIT_USAGE, "run: --on-full ring needs to know how much to keep, 1M or "
                                      "more: --max-size 256M");
}

static int check_alloc(const struct gs_args *args)
{
    const char *interval = args->value[GS_OPT_run_alloc_interval],
               *alloc = getenv("GILSCOPE_ALLOC");
    if (!interval)
        return GS_EXIT_OK;
    if (size_bytes(interval) == 0)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "run: --alloc-interval: '%s' does not fit; expected a "
                           "size from 1 on, such as 64K",
                           interval);
    if (args->value[GS_OPT_run_alloc] || (alloc && strcmp(alloc, "1") == 0))
        return GS_EXIT_OK;
    return gs_cmd_fail(GS_EXIT_USAGE, "run: --alloc-interval says how often to sample allocations; "
                                      "--alloc samples them");
}

/* Before the program starts, so that a name nobody knows is an error of usage. What is in the
 * environment already may be codes, as an outer `run` left them: the agent looks at it. */
static int set_counters(const struct gs_args *args)
{
    const char *list = args->value[GS_OPT_run_counters];
    char *why;
    if (!list)
        return GS_EXIT_OK;
    char *codes = gs_counters_encode(list, &why);
    if (codes)
        setenv("GILSCOPE_COUNTERS", codes, 1);
    int code = codes ? GS_EXIT_OK : gs_cmd_fail(GS_EXIT_USAGE, "run: --counters: %s", why);
    free(codes);
    free(why);
    return code;
}

/* ---- the environment ---- */

static void set_variables(const struct gs_args *args)
{
    char pid[24];
    for (int id = 0; id < GS_N_OPTIONS; id++) {
        const struct gs_option *o = &gs_options[id];
        if (args->value[id] && o->env && id != GS_OPT_run_output && id != GS_OPT_run_counters)
            setenv(o->env, args->value[id], 1);
    }
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("GILSCOPE_ROOT_PID", pid, 1);
}

static void warn_unknown_variables(void)
{
    extern char **environ;
    for (char **e = environ; *e; e++) {
        char name[64];
        struct gs_nearest near;
        bool known = strncmp(*e, "GILSCOPE_", 9) != 0 || strncmp(*e, "GILSCOPE_ROOT_PID=", 18) == 0;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
        gs_nearest_start(&near, name);
        for (const struct gs_variable *v = gs_variables; v->name; v++) {
            known |= strcmp(v->name, name) == 0;
            gs_nearest_offer(&near, v->name);
        }
        const char *best = gs_nearest_word(&near);
        if (!known)
            gs_cmd_say("run: the variable %s means nothing here%s%s%s", name,
                       best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
    }
}

/* First in LD_PRELOAD, what was there stays behind it. */
static int set_preload(void)
{
    char agent[PATH_MAX];
    const char *old = getenv("LD_PRELOAD");
    if (!gs_agent_path(agent))
        return gs_cmd_fail(GS_EXIT_NOT_STARTED,
                           "run: the agent %s is missing; build or install "
                           "gilscope again",
                           agent);
    if (strpbrk(agent, " :"))
        return gs_cmd_fail(GS_EXIT_NOT_STARTED,
                           "run: '%s' cannot be preloaded, LD_PRELOAD knows "
                           "no spaces or colons in a name; install gilscope "
                           "elsewhere",
                           agent);
    size_t len = strlen(agent);
    if (old && strncmp(old, agent, len) == 0 && strchr(": ", old[len]))
        return GS_EXIT_OK; /* strchr finds the terminator too */
    char *list;
    if (asprintf(&list, "%s%s%s", agent, old && *old ? ":" : "", old ? old : "") < 0)
        return gs_cmd_fail(GS_EXIT_NOT_STARTED, "run: out of memory");
    setenv("LD_PRELOAD", list, 1);
    free(list);
    return GS_EXIT_OK;
}

/* ---- the program ---- */

struct command {
    char path[PATH_MAX];
    char **argv; /* freed by nobody: exec takes it, or we exit */
};

static int python_not_found(void)
{
    return gs_cmd_fail(GS_EXIT_NOT_FOUND, "run: there is no python3 in PATH; name one: gilscope "
                                          "run /path/to/python3 ...");
}

/* argv = python3 [flag value] rest... */
static int python_command(const struct gs_args *args, const char *flag, const char *value,
                          struct command *out)
{
    size_t n = 0;
    if (gs_find_python(out->path) != 0)
        return python_not_found();
    out->argv = calloc((size_t)args->n_rest + 4, sizeof(char *));
    if (!out->argv)
        return gs_cmd_fail(GS_EXIT_NOT_STARTED, "run: out of memory");
    out->argv[n++] = out->path;
    if (flag) {
        out->argv[n++] = (char *)flag;
        out->argv[n++] = (char *)value;
    }
    memcpy(out->argv + n, args->rest, (size_t)args->n_rest * sizeof(char *));
    return GS_EXIT_OK;
}

static int script_command(const struct gs_args *args, struct command *out)
{
    if (access(args->rest[0], R_OK) != 0)
        return gs_cmd_fail(errno == ENOENT ? GS_EXIT_NOT_FOUND : GS_EXIT_NOT_EXECUTABLE,
                           "run: %s: %s; look at the name and the working directory", args->rest[0],
                           strerror(errno));
    return python_command(args, NULL, NULL, out);
}

static int program_command(const struct gs_args *args, struct command *out)
{
    const char *name = args->rest[0];
    int err = gs_find_program(name, out->path);
    if (err == EACCES)
        return gs_cmd_fail(GS_EXIT_NOT_EXECUTABLE,
                           "run: %s is not executable; if it is a Python "
                           "script: gilscope run python3 %s",
                           out->path, name);
    if (err && !strchr(name, '/') && access(name, R_OK) == 0)
        return gs_cmd_fail(GS_EXIT_NOT_FOUND,
                           "run: there is no program %s in PATH; if you mean "
                           "the file here: gilscope run python3 %s",
                           name, name);
    if (err)
        return gs_cmd_fail(GS_EXIT_NOT_FOUND, "run: there is no program %s; look at the name%s",
                           name, strchr(name, '/') ? "" : " and at PATH");
    out->argv = args->rest;
    return GS_EXIT_OK;
}

static int find_command(const struct gs_args *args, struct command *out)
{
    if (args->value[GS_OPT_run_module])
        return python_command(args, "-m", args->value[GS_OPT_run_module], out);
    if (args->value[GS_OPT_run_code])
        return python_command(args, "-c", args->value[GS_OPT_run_code], out);
    if (args->n_rest == 0)
        return gs_cmd_fail(GS_EXIT_USAGE, "run: there is nothing to run; type gilscope run "
                                          "SCRIPT.py, or gilscope run --help");
    if (gs_is_python_script(args->rest[0]))
        return script_command(args, out);
    return program_command(args, out);
}

static int start(const struct command *c)
{
    execv(c->path, c->argv);
    int err = errno;
    if (err == ENOEXEC)
        return gs_cmd_fail(GS_EXIT_NOT_EXECUTABLE,
                           "run: %s is neither a program nor a script with "
                           "a #! line; try: gilscope run python3 %s",
                           c->path, c->path);
    if (err == ENOENT)
        return gs_cmd_fail(GS_EXIT_NOT_FOUND,
                           "run: %s: its interpreter is missing; look at its "
                           "first line",
                           c->path);
    return gs_cmd_fail(GS_EXIT_NOT_EXECUTABLE, "run: %s: %s; it could not be started", c->path,
                       strerror(err));
}

int gs_cmd_run(int argc, char **argv)
{
    struct gs_args args;
    struct command command = {0};
    char refusal[PATH_MAX + 256];
    int code = gs_args_parse(gs_cmd_find("run"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if ((code = find_command(&args, &command)) != GS_EXIT_OK)
        return code;
    if (gs_target_refusal(command.path, refusal, sizeof(refusal)))
        return gs_cmd_fail(GS_EXIT_NOT_STARTED, "run: %s", refusal);
    warn_unknown_variables();
    if ((code = check_ring(&args)) != GS_EXIT_OK || (code = check_alloc(&args)) != GS_EXIT_OK ||
        (code = set_counters(&args)) != GS_EXIT_OK || (code = set_output(&args)) != GS_EXIT_OK)
        return code;
    set_variables(&args);
    if ((code = set_preload()) != GS_EXIT_OK)
        return code;
    return start(&command);
}

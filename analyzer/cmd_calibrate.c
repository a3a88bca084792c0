/* SPDX-License-Identifier: MIT
 * gilscope calibrate: measures for whatif. All of it is done by a Python program, calibrate.py, in
 * the interpreters that are to be measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/options.h"
#include "analyzer/out_file.h"
#include "analyzer/run_target.h"
#include "analyzer/whatif/calibration.h"
#include "analyzer/xalloc.h"

#define MOST_BYTES 65536u

extern char **environ;

/* What the process prints, up to its end; NULL if it failed, which it has said itself. */
static char *output_of(char *const argv[])
{
    int fds[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    bool started = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    char *text = gs_xcalloc(MOST_BYTES, 1);
    size_t n = 0;
    for (ssize_t got = 1; started && n + 1 < MOST_BYTES && got != 0;) {
        got = read(fds[0], text + n, MOST_BYTES - 1 - n);
        if (got < 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    close(fds[0]);
    while (started && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (started && status == 0)
        return text;
    free(text);
    return NULL;
}

static int write_to(const char *path, bool force, const char *text)
{
    struct gs_out out;
    struct gs_error err = {0};
    if (gs_out_open(&out, path, force, &err) != GS_OK ||
        gs_out_commit(&out, fputs(text, out.file) >= 0, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    return GS_EXIT_OK;
}

static int find(const char *name, char out[PATH_MAX])
{
    int err = gs_find_program(name, out);
    if (err)
        return gs_cmd_fail(err == ENOENT ? GS_EXIT_NOT_FOUND : GS_EXIT_NOT_EXECUTABLE,
                           "calibrate: %s: %s", name, strerror(err));
    return GS_EXIT_OK;
}

/* Lines of what is not to be measured again; the caller frees it. */
static int base_lines(const char *path, char **out)
{
    static struct gs_calibration base;
    struct gs_error err = {0};
    size_t n;
    if (path && gs_calibration_load(&base, path, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    FILE *text = open_memstream(out, &n);
    if (!text)
        return gs_cmd_fail(GS_EXIT_FAILED, "calibrate: out of memory");
    if (path)
        gs_calibration_put_base(&base, text);
    fclose(text);
    return GS_EXIT_OK;
}

static int measure(const struct gs_args *args, char *python, char *python_t, char *base)
{
    static struct gs_calibration check;
    const char *why;
    char **argv = gs_xcalloc((size_t)args->n_rest + 8, sizeof(*argv));
    char *const begin[] = {python, "-I", "-c", (char *)gs_calibrate_py, "measure", python_t, base};
    memcpy(argv, begin, sizeof(begin));
    memcpy(argv + sizeof(begin) / sizeof(*begin), args->rest, (size_t)args->n_rest * sizeof(*argv));
    char *text = output_of(argv);
    free(argv);
    if (!text)
        return gs_cmd_fail(GS_EXIT_FAILED, "calibrate: %s could not measure", python);
    int code = gs_calibration_parse(&check, text, &why) == GS_OK
                   ? write_to(args->value[GS_OPT_calibrate_output],
                              args->value[GS_OPT_calibrate_force] != NULL, text)
                   : gs_cmd_fail(GS_EXIT_FAILED,
                                 "calibrate: what %s printed is not what was asked "
                                 "for: %s",
                                 python, why);
    free(text);
    return code;
}

int gs_cmd_calibrate(int argc, char **argv)
{
    struct gs_args args;
    char python[PATH_MAX], python_t[PATH_MAX] = "";
    int code = gs_args_parse(gs_cmd_find("calibrate"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    const char *with_gil = args.value[GS_OPT_calibrate_python];
    const char *without = args.value[GS_OPT_calibrate_python_t];
    if (!args.value[GS_OPT_calibrate_output])
        return gs_cmd_fail(GS_EXIT_USAGE, "calibrate: say where to write it: -o FILE");
    if (args.n_rest && !without)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "calibrate: a program is measured with both Pythons; name "
                           "the free-threaded one with --python-t");
    code = find(with_gil ? with_gil : "python3", python);
    if (code == GS_EXIT_OK && without)
        code = find(without, python_t);
    char *base = NULL;
    if (code == GS_EXIT_OK)
        code = base_lines(args.value[GS_OPT_calibrate_base], &base);
    if (code == GS_EXIT_OK)
        code = measure(&args, python, python_t, base);
    free(base);
    return code;
}

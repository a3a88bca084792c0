/* SPDX-License-Identifier: MIT
 * gilscope doctor: is this machine and Python supported?
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "analyzer/cmd.h"
#include "analyzer/doctor.h"
#include "analyzer/options.h"
#include "analyzer/run_target.h"
#include "analyzer/utf8.h"

bool gs_doctor_line(enum gs_mark mark, const char *what, const char *fmt, ...)
{
    static const char *const words[] = {"ok  ", "note", "BAD "};
    char text[2 * PATH_MAX], name[PATH_MAX + 16];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(name, sizeof(name), "%s", what); /* the path of an interpreter, it may be */
    gs_utf8_defuse(name);
    gs_utf8_defuse(text);
    printf("%s  %s: %s\n", words[mark], name, text);
    return mark != GS_MARK_BAD;
}

/* The python3 that `run` would take must work; the others in PATH are for information. */
static bool check_path_pythons(void)
{
    char exe[PATH_MAX], name[32];
    if (gs_find_python(exe) != 0)
        return gs_doctor_line(GS_MARK_BAD, "python3",
                              "there is none in PATH; name one with --python");
    bool ok = gs_doctor_python(exe, true);
    for (int minor = 9; minor <= 15; minor++) {
        snprintf(name, sizeof(name), "python3.%d", minor);
        if (gs_find_program(name, exe) == 0)
            gs_doctor_python(exe, false);
    }
    return ok;
}

static bool check_named_python(const char *name)
{
    char exe[PATH_MAX];
    if (gs_find_program(name, exe) != 0)
        return gs_doctor_line(GS_MARK_BAD, name, "there is no such program");
    return gs_doctor_python(exe, true);
}

int gs_cmd_doctor(int argc, char **argv)
{
    struct gs_args args;
    int code = gs_args_parse(gs_cmd_find("doctor"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (args.n_rest > 0)
        return gs_cmd_fail(GS_EXIT_USAGE,
                           "doctor: '%s' is too much; for an interpreter type "
                           "gilscope doctor --python %s",
                           args.rest[0], args.rest[0]);
    const char *dir = args.value[GS_OPT_doctor_output];
    const char *python = args.value[GS_OPT_doctor_python];
    printf("ok    gilscope: version %s\n", GILSCOPE_VERSION);
    bool ok = gs_doctor_machine(dir ? dir : ".");
    ok &= python ? check_named_python(python) : check_path_pythons();
    puts(ok ? "ready: gilscope run SCRIPT.py" : "not ready: see the lines marked BAD");
    return gs_cmd_flush_stdout(ok ? GS_EXIT_OK : GS_EXIT_FAILED);
}

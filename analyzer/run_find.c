/* SPDX-License-Identifier: MIT
 * Finds the agent, the interpreter and the program to start.
 */
#include "analyzer/run_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const agent_places[] = {
    "../lib/libgilscope.so",          /* build tree: bin/gilscope */
    "../lib/gilscope/libgilscope.so", /* installed */
};

bool gs_agent_path(char out[PATH_MAX])
{
    char self[PATH_MAX], joined[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(agent_places) / sizeof(agent_places[0]); i++) {
        snprintf(joined, sizeof(joined), "%s/%s", self, agent_places[i]);
        if (realpath(joined, out))
            return true;
    }
    snprintf(out, PATH_MAX, "%.4000s/../lib/libgilscope.so", self);
    return false;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int check_executable(const char *path)
{
    if (access(path, F_OK) != 0)
        return errno == EACCES ? EACCES : ENOENT;
    return is_directory(path) || access(path, X_OK) != 0 ? EACCES : 0;
}

int gs_find_program(const char *name, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    int result = ENOENT;
    if (strchr(name, '/')) {
        snprintf(out, PATH_MAX, "%s", name);
        return check_executable(name);
    }
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    for (const char *p = path; *name;) {
        size_t len = strcspn(p, ":");
        int n = snprintf(out, PATH_MAX, "%.*s/%s", len ? (int)len : 1, len ? p : ".", name);
        int err = n < PATH_MAX ? check_executable(out) : ENOENT;
        if (err == 0)
            return 0;
        if (err == EACCES && !is_directory(out))
            result = EACCES; /* as execvp: remember, look on */
        p += len;
        if (*p++ == '\0')
            break;
    }
    snprintf(out, PATH_MAX, "%s", name);
    return result;
}

int gs_find_python(char out[PATH_MAX])
{
    const char *venv = getenv("VIRTUAL_ENV");
    if (venv && *venv) {
        snprintf(out, PATH_MAX, "%.4000s/bin/python3", venv);
        if (check_executable(out) == 0)
            return 0;
    }
    int err = gs_find_program("python3", out);
    return err ? gs_find_program("python", out) : 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

bool gs_is_python_script(const char *name)
{
    char main_py[PATH_MAX];
    if (ends_with(name, ".py") || ends_with(name, ".pyw") || ends_with(name, ".pyz"))
        return true;
    snprintf(main_py, sizeof(main_py), "%.4000s/__main__.py", name);
    return is_directory(name) && access(main_py, R_OK) == 0;
}

/* SPDX-License-Identifier: MIT */
#include "preload/agent_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "preload/agent.h"
#include "preload/raw_sys.h"

static void append(char *line, size_t cap, size_t *len, const char *text)
{
    size_t n = strlen(text);
    if (n > cap - 2 - *len)
        n = cap - 2 - *len;
    memcpy(line + *len, text, n);
    *len += n;
}

/* The drain thread has no standard error: its table of descriptors is its own. /proc/self is the
 * process's first thread, so the program's stays in reach; only a socket cannot be opened again. */
static void print(const char *line, size_t len)
{
    if (gs_sys3(SYS_write, 2, line, len) != -EBADF)
        return;
    long fd = gs_open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    gs_sys3(SYS_write, fd, line, len);
    gs_close(fd);
}

void gs_log(const char *what, const char *detail)
{
    static uint32_t said;
    char line[512];
    size_t len = 0;
    if (gs_agent.config.quiet || __atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
        return;
    append(line, sizeof(line), &len, "gilscope: ");
    append(line, sizeof(line), &len, what);
    if (*detail)
        append(line, sizeof(line), &len, ": ");
    append(line, sizeof(line), &len, detail);
    line[len++] = '\n';
    print(line, len);
}

/* What, and what to do about it where that is not plain. */
static const struct {
    int e;
    const char *text;
} reasons[] = {
    {EACCES, "permission denied"},
    {EPERM, "permission denied"},
    {ENOENT, "no such directory"},
    {ENOSPC, "no space left on device"},
    {EDQUOT, "disk quota exceeded"},
    {EFBIG, "file size limit reached (ulimit -f)"},
    {EMFILE, "no file may be opened (ulimit -n)"},
    {ENFILE, "too many open files in the system"},
    {EROFS, "read-only file system"},
    {EIO, "input/output error"},
    {ESTALE, "the file was replaced by another"},
    {ENAMETOOLONG, "name too long"},
    {ENOTDIR, "not a directory"},
    {ESPIPE, "not a regular file"},
};

static const char *reason(int e)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].e == e)
            return reasons[i].text;
    return "the file cannot be written";
}

void gs_log_errno(const char *what, const char *path, int errno_value, const char *then)
{
    char text[400];
    size_t len = 0;
    append(text, sizeof(text), &len, path);
    append(text, sizeof(text), &len, ": ");
    append(text, sizeof(text), &len, reason(errno_value));
    append(text, sizeof(text), &len, then);
    text[len] = 0;
    gs_log(what, text);
}

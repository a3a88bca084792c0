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

static const char *reason(int e)
{
    switch (e) {
    case EACCES:
    case EPERM:
        return "permission denied";
    case ENOENT:
        return "no such directory";
    case ENOSPC:
        return "no space left on device";
    case EROFS:
        return "read-only file system";
    case ENAMETOOLONG:
        return "name too long";
    case ENOTDIR:
        return "not a directory";
    default:
        return "the file cannot be created";
    }
}

void gs_log_errno(const char *what, const char *detail, int errno_value)
{
    char text[400];
    size_t len = 0;
    append(text, sizeof(text), &len, detail);
    append(text, sizeof(text), &len, ": ");
    append(text, sizeof(text), &len, reason(errno_value));
    append(text, sizeof(text), &len, "; recording is off (GILSCOPE_OUT names the file)");
    text[len] = 0;
    gs_log(what, text);
}

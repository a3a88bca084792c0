/* SPDX-License-Identifier: MIT */
#include "preload/trace_sink.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "preload/raw_sys.h"

#define MAX_SUFFIX 9999

static long create_file(const char *path)
{
    return gs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND, 0600);
}

/* "job.gsc" -> "job-3.gsc" */
static void add_suffix(char *out, size_t cap, const char *path, unsigned n)
{
    char digits[12];
    size_t len = strlen(path), d = 0, keep;
    bool gsc = len > 4 && !memcmp(path + len - 4, ".gsc", 4);
    do
        digits[d++] = (char)('0' + n % 10);
    while ((n /= 10) && d < sizeof(digits));
    keep = gsc ? len - 4 : len;
    if (keep + d + 6 > cap)
        keep = cap - d - 6;
    memcpy(out, path, keep);
    out[keep++] = '-';
    while (d)
        out[keep++] = digits[--d];
    memcpy(out + keep, gsc ? ".gsc" : "", gsc ? 5 : 1);
}

/* Only a regular file of ours is replaced; anything else keeps its place. */
static void remove_old(const char *path)
{
    struct stat st;
    if (gs_syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, AT_SYMLINK_NOFOLLOW, 0, 0) ==
            0 &&
        S_ISREG(st.st_mode))
        gs_sys3(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* A device, pipe or socket of that name: somebody wants the capture there, and it cannot be. */
static bool is_special(const char *path)
{
    struct stat st;
    return gs_syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0, 0, 0) == 0 &&
           !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static long create_free_name(struct gs_sink *s)
{
    char name[sizeof(s->path)];
    long fd = create_file(s->path);
    if (fd < 0 && is_special(s->path))
        return -ESPIPE;
    /* A link in the way counts as a name that exists: it is never followed. */
    for (unsigned n = 1; (fd == -EEXIST || fd == -ELOOP) && n <= MAX_SUFFIX; n++) {
        add_suffix(name, sizeof(name), s->path, n);
        fd = create_file(name);
        if (fd >= 0)
            memcpy(s->path, name, sizeof(name));
    }
    return fd;
}

static void take_identity(struct gs_sink *s, long fd)
{
    struct stat st;
    gs_sys2(SYS_fstat, fd, &st);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->bytes = 0;
}

int gs_sink_create(struct gs_sink *s, bool force, bool keep_open)
{
    if (force)
        remove_old(s->path);
    long fd = create_free_name(s);
    if (fd < 0)
        return (int)fd;
    take_identity(s, fd);
    s->created = true;
    s->fd = keep_open ? fd : -1;
    if (!keep_open)
        gs_close(fd);
    return 0;
}

int gs_sink_switch(struct gs_sink *s, const char *path, bool force)
{
    if (force)
        remove_old(path);
    long fd = create_file(path);
    if (fd < 0)
        return (int)fd;
    take_identity(s, fd);
    gs_close(s->fd >= 0 ? s->fd : fd);
    if (s->fd >= 0)
        s->fd = fd;
    memcpy(s->path, path, strlen(path) + 1);
    return 0;
}

void gs_sink_remove(const char *path, uint64_t dev, uint64_t ino)
{
    struct stat st;
    if (gs_syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, AT_SYMLINK_NOFOLLOW, 0, 0) ==
            0 &&
        S_ISREG(st.st_mode) && st.st_dev == dev && st.st_ino == ino)
        gs_sys3(SYS_unlinkat, AT_FDCWD, path, 0);
}

static long reopen(const struct gs_sink *s)
{
    struct stat st;
    long fd = gs_open(s->path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    if (gs_sys2(SYS_fstat, fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        return fd;
    gs_close(fd);
    return -ESTALE;
}

/* 0 or -errno. */
static long write_all(long fd, const uint8_t *p, size_t len)
{
    while (len) {
        long n = gs_sys3(SYS_write, fd, p, len);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n ? n : -EIO;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

bool gs_sink_append(struct gs_sink *s, const void *data, size_t len)
{
    long fd = s->fd >= 0 ? s->fd : reopen(s);
    long rc = fd >= 0 ? write_all(fd, data, len) : fd;
    if (rc == 0)
        s->bytes += len;
    else if (fd >= 0)
        gs_sys2(SYS_ftruncate, fd, s->bytes);
    if (fd >= 0 && s->fd < 0)
        gs_close(fd);
    s->error = (int)-rc;
    s->failed_writes += rc != 0;
    return rc == 0;
}

void gs_sink_detach(struct gs_sink *s)
{
    s->fd = -1;
}

bool gs_sink_attach(struct gs_sink *s)
{
    s->fd = reopen(s);
    if (s->fd >= 0)
        return true;
    s->fd = -1;
    return false;
}

bool gs_sink_is_in_reach(const struct gs_sink *s)
{
    long fd = reopen(s);
    if (fd >= 0)
        gs_close(fd);
    return fd >= 0;
}

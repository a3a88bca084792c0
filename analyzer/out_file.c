/* SPDX-License-Identifier: MIT */
#include "analyzer/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What an interrupted program removes: the unfinished file. One at a time, as commands write. */
static char unfinished[PATH_MAX];

static void on_signal(int number)
{
    if (unfinished[0])
        unlink(unfinished);
    signal(number, SIG_DFL);
    raise(number);
}

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

/* A file that was just made is not known to on_signal() yet. */
static void hold_signals(sigset_t *old)
{
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&held, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &held, old);
}

/* A signal that the caller ignores (nohup) stays ignored. */
static void remove_on_signal(const char *path)
{
    snprintf(unfinished, sizeof(unfinished), "%s", path);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction old;
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            signal(numbers[i], on_signal);
    }
}

static bool is_stdout(const struct gs_out *out)
{
    return strcmp(out->path, "-") == 0;
}

/* /dev/full, a terminal, a pipe: written as it is. */
static bool is_device(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

/* What was looked at need not be what is opened: a file put there in between is not written to. */
static int open_device(const char *path)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || (fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))))
        return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

static int open_temp(struct gs_out *out)
{
    const char *slash = strrchr(out->path, '/');
    int dir = slash ? (int)(slash - out->path) + 1 : 0;
    int n = snprintf(out->temp, sizeof(out->temp), "%.*s.gilscope-XXXXXX", dir, out->path);
    if (n >= (int)sizeof(out->temp)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(out->temp, O_CLOEXEC);
    if (fd < 0)
        out->temp[0] = '\0';
    return fd;
}

static int open_new(struct gs_out *out)
{
    int fd = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    out->created = fd >= 0;
    return fd;
}

static int make_file(struct gs_out *out, int (*make)(struct gs_out *))
{
    sigset_t old;
    hold_signals(&old);
    int fd = make(out), error = errno;
    if (fd >= 0)
        remove_on_signal(out->created ? out->path : out->temp);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error;
    return fd;
}

static int open_path(struct gs_out *out, bool force)
{
    struct stat st;
    if (is_device(out->path))
        return open_device(out->path);
    if (stat(out->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (force && lstat(out->path, &st) == 0 && S_ISLNK(st.st_mode)) {
        errno = ELOOP; /* it would be the link that is replaced */
        return -1;
    }
    return force ? make_file(out, open_temp) : make_file(out, open_new);
}

enum gs_status gs_out_open(struct gs_out *out, const char *path, bool force, struct gs_error *err)
{
    *out = (struct gs_out){.path = path};
    if (is_stdout(out)) {
        out->file = stdout;
        return GS_OK;
    }
    int fd = open_path(out, force);
    if (fd < 0 && errno == EEXIST)
        return gs_error_set(err, GS_ERR_IO,
                            "%s: exists already; replace it with -f, or name "
                            "another with -o",
                            path);
    if (fd < 0 && errno == ELOOP)
        return gs_error_set(err, GS_ERR_IO, "%s: is a symbolic link; name the file itself with -o",
                            path);
    if (fd < 0)
        return gs_error_set(err, GS_ERR_IO, "%s: %s; name another file with -o", path,
                            strerror(errno));
    out->file = fdopen(fd, "w");
    if (!out->file) {
        close(fd);
        return gs_error_set(err, GS_ERR_NOMEM, "%s: %s", path, strerror(errno));
    }
    return GS_OK;
}

static bool is_write_error(int err)
{
    return err == ENOSPC || err == EDQUOT || err == EPIPE || err == EFBIG || err == EBADF;
}

int gs_stream_errno(FILE *f)
{
    int before = errno;
    if (fflush(f) != 0)
        return errno;
    if (!ferror(f))
        return 0;
    return is_write_error(before) ? before : EIO;
}

/* Flushes and closes; errno of the first failure, or 0. */
static int close_file(struct gs_out *out)
{
    int failed = gs_stream_errno(out->file);
    if (!is_stdout(out) && fclose(out->file) != 0 && !failed)
        failed = errno;
    out->file = NULL;
    return failed;
}

enum gs_status gs_out_commit(struct gs_out *out, bool ok, struct gs_error *err)
{
    int failed = close_file(out);
    const char *name = is_stdout(out) ? "standard output" : out->path;
    if (!failed && ok && out->temp[0] && rename(out->temp, out->path) != 0)
        failed = errno;
    unfinished[0] = '\0';
    if (!failed && ok)
        return GS_OK;
    if (out->temp[0])
        unlink(out->temp);
    else if (out->created)
        unlink(out->path);
    return gs_error_set(err, GS_ERR_IO, "%s: %s; the output is incomplete", name,
                        strerror(failed ? failed : EIO));
}

/* SPDX-License-Identifier: MIT
 * Runs an interpreter that may be broken: with a deadline, and its output kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/doctor.h"
#include "analyzer/now.h"
#include "analyzer/xalloc.h"

extern char **environ;

/* The user's own settings must not bend the test. The caller frees the array. */
static char **plain_environment(void)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **env = gs_xmalloc(n + 1, sizeof(*env));
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "GILSCOPE_", 9) != 0)
            env[kept++] = environ[i];
    }
    env[kept] = NULL;
    return env;
}

static bool start(char *const argv[], int fds[2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    char **env = plain_environment();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    int err = posix_spawn(pid, argv[0], &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    errno = err;
    return err == 0;
}

static int64_t now_ms(void)
{
    return (int64_t)(gs_now_ns() / 1000000);
}

/* Reads until the end or the deadline; what does not fit is read and dropped. */
static bool read_all(int fd, int64_t deadline, char *out, size_t cap)
{
    char drop[4096];
    size_t n = 0;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        bool room = n + 1 < cap;
        ssize_t got = read(fd, room ? out + n : drop, room ? cap - 1 - n : sizeof(drop));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        if (room)
            n += (size_t)got;
        out[n] = '\0';
    }
}

int gs_doctor_spawn(char *const argv[], unsigned timeout_ms, char *out, size_t cap)
{
    int fds[2], status = -1;
    pid_t pid;
    out[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    bool started = start(argv, fds, &pid);
    close(fds[1]);
    bool ended = started && read_all(fds[0], now_ms() + timeout_ms, out, cap);
    close(fds[0]);
    if (!started)
        return -1;
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return ended ? status : -1;
}

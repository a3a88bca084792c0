/* SPDX-License-Identifier: MIT
 * The interposed functions: decide whether the call is Python's, hand over, call through. Nothing
 * here or below it touches errno.
 */
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "preload/agent.h"
#include "preload/edges.h"
#include "preload/gil.h"
#include "preload/gil_turn.h"
#include "preload/hooks_real.h"
#include "preload/lifecycle.h"

#define GS_EXPORT __attribute__((visibility("default")))
#define CALLER()  ((uintptr_t)__builtin_return_address(0))

static __attribute__((noinline, cold)) int signal_by_the_book(pthread_cond_t *cond,
                                                              uintptr_t caller)
{
    if (gs_hook_is_on(caller))
        gs_gil_signal((uintptr_t)cond);
    return gs_real_pthread_cond_signal(cond);
}

GS_EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
    if (!gs_turn_signal((uintptr_t)cond, CALLER()))
        return signal_by_the_book(cond, CALLER());
    return gs_real_pthread_cond_signal(cond);
}

GS_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                     const struct timespec *deadline)
{
    bool wanted = gs_hook_is_on(CALLER()) || gs_gil_is_awaited((uintptr_t)cond);
    struct gs_gil *g = wanted ? gs_gil_wait_begin((uintptr_t)cond) : NULL;
    if (!g)
        return gs_real_pthread_cond_timedwait(cond, mutex, deadline);
    uint64_t seq = g->seq;
    int rc = gs_real_pthread_cond_timedwait(cond, mutex, deadline);
    if (rc != 0)
        gs_gil_wait_expired(g, seq);
    gs_agent_park();
    return rc;
}

/* In libpthread, which a program under an old glibc may not have: weak. */
extern int sem_getvalue(sem_t *sem, int *value) __attribute__((weak));

/* CPython takes many a lock with sem_wait() that nobody holds. Should another thread be faster than
 * the call that follows, that one wait has no row. */
static bool is_free(sem_t *sem)
{
    int value = 0;
    return sem_getvalue && sem_getvalue(sem, &value) == 0 && value > 0;
}

/* A blocked wait of Python's, whichever function it used. */
#define EDGE_WAIT(sem, call)                                                                       \
    do {                                                                                           \
        if (!gs_hook_is_on(CALLER()) || is_free(sem))                                              \
            return call;                                                                           \
        struct gs_edge_wait w = gs_edge_wait_begin((uintptr_t)(sem));                              \
        int rc = call;                                                                             \
        gs_edge_wait_end(&w, (uintptr_t)(sem), rc);                                                \
        return rc;                                                                                 \
    } while (0)

GS_EXPORT int sem_wait(sem_t *sem)
{
    EDGE_WAIT(sem, gs_real_sem_wait(sem));
}

GS_EXPORT int sem_timedwait(sem_t *sem, const struct timespec *deadline)
{
    EDGE_WAIT(sem, gs_real_sem_timedwait(sem, deadline));
}

GS_EXPORT int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *deadline)
{
    EDGE_WAIT(sem, gs_real_sem_clockwait(sem, clock, deadline));
}

GS_EXPORT int sem_post(sem_t *sem)
{
    if (gs_hook_is_on(CALLER()))
        gs_edge_post((uintptr_t)sem);
    return gs_real_sem_post(sem);
}

GS_EXPORT __attribute__((noreturn)) void _exit(int status)
{
    gs_hooks_resolve();
    gs_lifecycle_before_exit();
    gs_real__exit(status);
    __builtin_unreachable();
}

GS_EXPORT __attribute__((noreturn)) void _Exit(int status)
{
    gs_hooks_resolve();
    gs_lifecycle_before_exit();
    gs_real__Exit(status);
    __builtin_unreachable();
}

#define EXEC(path, call)                                                                           \
    do {                                                                                           \
        gs_hooks_resolve();                                                                        \
        gs_lifecycle_before_exec(path);                                                            \
        return gs_lifecycle_exec_failed(call);                                                     \
    } while (0)

GS_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    EXEC(path, gs_real_execve(path, argv, envp));
}

GS_EXPORT int execv(const char *path, char *const argv[])
{
    EXEC(path, gs_real_execv(path, argv));
}

GS_EXPORT int execvp(const char *file, char *const argv[])
{
    EXEC(file, gs_real_execvp(file, argv));
}

GS_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    EXEC(file, gs_real_execvpe(file, argv, envp));
}

GS_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    EXEC("", gs_real_fexecve(fd, argv, envp));
}

GS_EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
                       int flags)
{
    EXEC(path, gs_real_execveat(dirfd, path, argv, envp, flags));
}

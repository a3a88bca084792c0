/* SPDX-License-Identifier: MIT
 * A preload that wraps the condition variables' functions as ThreadSanitizer's runtime does:
 * without a version, in an object that knows versions. At the end it writes how often each was
 * called to the descriptor WRAP_FD names. With -DOLD it also has the old functions under their
 * version, which nobody may call who means the new ones.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned signals, waits;

static void *real(const char *name)
{
    return dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
}

#ifdef OLD
int old_signal(pthread_cond_t *cond);
int old_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline);

int old_signal(pthread_cond_t *cond)
{
    (void)cond;
    abort();
}

int old_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    (void)cond, (void)mutex, (void)deadline;
    abort();
}

__asm__(".symver old_signal, pthread_cond_signal@@GLIBC_2.2.5");
__asm__(".symver old_timedwait, pthread_cond_timedwait@@GLIBC_2.2.5");
#else
int pthread_cond_signal(pthread_cond_t *cond)
{
    static int (*next)(pthread_cond_t *);
    if (!next)
        next = (int (*)(pthread_cond_t *))real("pthread_cond_signal");
    __atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
    return next(cond);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *deadline)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!next)
        next = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))real(
            "pthread_cond_timedwait");
    __atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
    return next(cond, mutex, deadline);
}
#endif

__attribute__((destructor)) static void tell(void)
{
    const char *fd = getenv("WRAP_FD");
    if (fd)
        dprintf(atoi(fd), "%u %u\n", signals, waits);
}

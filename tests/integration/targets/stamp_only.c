/* SPDX-License-Identifier: MIT
 * The least a wrapper can do: read the clock where the GIL is acquired and where it is released,
 * add up the holds by thread, and write "tid turns hold_ns" lines to $STAMP_OUT at exit. What it
 * sees of a turn is the yardstick for the agent on this machine. Preloaded into a program with one
 * GIL.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 4096
#define COND_GAP    88 /* switch_cond - cond, see preload/gil.h */

struct thread {
    long tid;
    unsigned long turns, hold_ns, acquired_ns;
};
static struct thread threads[MAX_THREADS];
static unsigned n_threads;
static _Thread_local struct thread *self;
static char *switch_cond; /* the first condition variable Python signals */
static int (*real_signal)(pthread_cond_t *);

static unsigned long now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (unsigned long)ts.tv_sec * 1000000000u + (unsigned long)ts.tv_nsec;
}

static struct thread *get(void)
{
    unsigned at = self ? 0 : __atomic_fetch_add(&n_threads, 1, __ATOMIC_RELAXED);
    if (at >= MAX_THREADS)
        abort();
    if (!self) {
        self = &threads[at];
        self->tid = syscall(SYS_gettid);
    }
    return self;
}

int pthread_cond_signal(pthread_cond_t *cond)
{
    unsigned long now = now_ns();
    if (!switch_cond)
        switch_cond = (char *)cond;
    if ((char *)cond == switch_cond) {
        get()->acquired_ns = now;
    } else if ((char *)cond == switch_cond - COND_GAP && get()->acquired_ns) {
        self->turns++;
        self->hold_ns += now - self->acquired_ns;
        self->acquired_ns = 0;
    }
    return real_signal(cond);
}

__attribute__((constructor)) static void begin(void)
{
    real_signal =
        (int (*)(pthread_cond_t *))dlvsym(RTLD_NEXT, "pthread_cond_signal", "GLIBC_2.3.2");
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("STAMP_OUT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    for (unsigned i = 0; i < n_threads; i++)
        fprintf(f, "%ld %lu %lu\n", threads[i].tid, threads[i].turns, threads[i].hold_ns);
    fclose(f);
}

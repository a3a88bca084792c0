/* SPDX-License-Identifier: MIT
 * Begin and end of each call: the lock, and a line in the log (FAKECUDA_LOG, appended):
 *   seq pid tid thread-seq query|effect NAME result begin_ns end_ns current-context arguments
 * Lines stand in the order of effects; seq counts them over the process.
 */
#include "tests/cuda/fakecuda.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t n_lines, n_effects, n_queries, sync_ns;
static _Thread_local uint64_t thread_lines;

uint64_t fake_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* High up, where programs that close descriptors in bulk by number mostly do not come. */
static int log_fd(void)
{
    static int fd = -2;
    if (fd == -2) {
        const char *path = getenv("FAKECUDA_LOG");
        int low = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
        fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 900);
        if (low >= 0 && fd >= 0)
            close(low);
    }
    return fd;
}

/* A forked child can do nothing with a driver that its parent has initialised, and the lock may be
 * held by a thread that is not there. */
CUresult fake_begin(struct fake_call *c, const char *name, enum fake_class class,
                    enum fake_needs needs)
{
    *c = (struct fake_call){.name = name, .class = class, .begin_ns = fake_now_ns()};
    CUresult state = fake_init_state();
    if (state == FAKE_NOT_SUPPORTED)
        return needs == FAKE_NEEDS_NOTHING && class == FAKE_QUERY ? FAKE_OK : FAKE_NOT_INITIALIZED;
    pthread_mutex_lock(&lock);
    c->locked = true;
    return needs == FAKE_NEEDS_NOTHING ? FAKE_OK : state ? state : fake_fault_of(needs);
}

static void write_line(const struct fake_call *c, CUresult rc, const char *format, va_list args)
{
    char line[512];
    int n = snprintf(
        line, sizeof line, "%llu %d %d %llu %s %s %d %llu %llu %p ", (unsigned long long)n_lines,
        (int)getpid(), (int)syscall(SYS_gettid), (unsigned long long)++thread_lines,
        c->class == FAKE_QUERY ? "query" : "effect", c->name, rc, (unsigned long long)c->begin_ns,
        (unsigned long long)fake_now_ns(), (void *)fake_current());
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    if ((size_t)n > sizeof line - 1)
        n = sizeof line - 1;
    line[n++] = '\n';
    if (write(log_fd(), line, (size_t)n) != n)
        n = 0; /* a full disk is seen by the test that reads the log */
}

CUresult fake_end(struct fake_call *c, CUresult rc, const char *format, ...)
{
    n_lines++;
    n_effects += c->class == FAKE_EFFECT;
    n_queries += c->class == FAKE_QUERY;
    if (log_fd() >= 0) {
        va_list args;
        va_start(args, format);
        write_line(c, rc, format, args);
        va_end(args);
    }
    if (c->locked)
        pthread_mutex_unlock(&lock);
    return rc;
}

void fake_sleep(uint64_t until_ns, uint64_t least_us, bool sync)
{
    uint64_t begin = fake_now_ns(), end = begin + least_us * 1000;
    end = until_ns > end ? until_ns : end;
    if (end == begin)
        return;
    struct timespec t = {.tv_sec = (time_t)(end / 1000000000u),
                         .tv_nsec = (long)(end % 1000000000u)};
    pthread_mutex_unlock(&lock);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
        ;
    pthread_mutex_lock(&lock);
    if (sync)
        sync_ns += fake_now_ns() - begin;
}

uint64_t fake_effects(void)
{
    return n_effects;
}

uint64_t fake_queries(void)
{
    return n_queries;
}

uint64_t fake_sync_ns(void)
{
    return sync_ns;
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analyzer/xalloc.h"

#define MAX_WORKERS 256u

struct crew {
    void (*fn)(void *ctx, unsigned worker, size_t i);
    void *ctx;
    size_t n;
    atomic_size_t next;
};
struct member {
    struct crew *crew;
    unsigned worker;
    pthread_t thread;
    bool started;
};

unsigned gs_parallel_workers(unsigned jobs, size_t n)
{
    cpu_set_t set;
    if (!jobs)
        jobs = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    if (jobs > MAX_WORKERS)
        jobs = MAX_WORKERS;
    if (jobs > n)
        jobs = (unsigned)n;
    return jobs ? jobs : 1;
}

static void *work(void *arg)
{
    struct member *m = arg;
    struct crew *c = m->crew;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;)
        c->fn(c->ctx, m->worker, i);
    return NULL;
}

/* The caller is worker 0. A thread that cannot be had is one worker fewer. */
void gs_parallel(unsigned n_workers, size_t n, void (*fn)(void *ctx, unsigned worker, size_t i),
                 void *ctx)
{
    struct crew crew = {.fn = fn, .ctx = ctx, .n = n};
    struct member *members = gs_xcalloc(n_workers, sizeof(*members));
    for (unsigned w = 0; w < n_workers; w++) {
        members[w] = (struct member){.crew = &crew, .worker = w};
        if (w)
            members[w].started = pthread_create(&members[w].thread, NULL, work, &members[w]) == 0;
    }
    work(&members[0]);
    for (unsigned w = 1; w < n_workers; w++)
        if (members[w].started)
            pthread_join(members[w].thread, NULL);
    free(members);
}

/* SPDX-License-Identifier: MIT
 * record_ns THREADS EVENTS: CPU time of one recorded event, in ns, of each thread; least of several
 * stretches. Built by tests/bench/engines once for each recorder: RECORD_OURS puts a slot with a
 * time stamp into the agent's ring (emptied between stretches, by nobody's clock), RECORD_LTTNG
 * hits a tracepoint of four numbers, RECORD_UFTRACE calls a function that -pg sees.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STRETCH     2000u
#define MAX_THREADS 64u

#if defined(RECORD_OURS)
#include "preload/agent_clock.h"
#include "preload/ring.h"

struct gs_agent_clock gs_clock = {.use_tsc = true};
struct recorder {
    struct gs_ring ring;
    uint64_t n;
};

static void record(struct recorder *r, uint32_t i)
{
    struct gs_slot slot = {
        .t = gs_now(), .dur = i, .seq = i, .stack = i & 1023, .kind = GS_SLOT_TURN};
    if (gs_ring_has_room(&r->ring, 2))
        gs_ring_put(&r->ring, &slot);
    r->n += gs_ring_wants_drain(&r->ring);
}

static void empty(struct recorder *r)
{
    __atomic_store_n(&r->ring.tail, r->ring.head, __ATOMIC_RELEASE);
}
#elif defined(RECORD_LTTNG)
#define LTTNG_UST_TRACEPOINT_DEFINE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#include "record_lttng.h"

struct recorder {
    uint64_t n;
};

static void record(struct recorder *r, uint32_t i)
{
    (void)r;
    lttng_ust_tracepoint(gs_record, slice, i, i, i & 1023, i);
}

static void empty(struct recorder *r)
{
    (void)r;
}
#else
struct recorder {
    volatile uint64_t n;
};

__attribute__((noinline)) static void record(struct recorder *r, uint32_t i)
{
    r->n += i;
}

__attribute__((noinline, no_instrument_function)) static void empty(struct recorder *r)
{
    (void)r;
}
#endif

struct job {
    struct recorder recorder;
    uint64_t events;
    double least_ns;
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *work(void *arg)
{
    struct job *job = arg;
    job->least_ns = 1e9;
    for (uint64_t done = 0; done < job->events; done += STRETCH) {
        double begin = cpu_ns();
        for (uint32_t i = 0; i < STRETCH; i++)
            record(&job->recorder, i);
        double ns = (cpu_ns() - begin) / STRETCH;
        job->least_ns = ns < job->least_ns ? ns : job->least_ns;
        empty(&job->recorder);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned n = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
    pthread_t threads[MAX_THREADS];
    struct job *jobs = n && n <= MAX_THREADS ? aligned_alloc(64, n * sizeof(*jobs)) : NULL;
    if (!jobs)
        return 2;
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct job){.events = strtoull(argv[2], NULL, 10)};
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        printf("%.3f\n", jobs[i].least_ns);
    }
    free(jobs);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "preload/sched_rows.h"

#include "preload/agent_clock.h"
#include "preload/proc_self.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_writer.h"

#define THREADS_PER_TICK 16u

static struct gs_thread *cursor;
static uint32_t threads_seen; /* when last asked which have ended */

void gs_sched_forget(void)
{
    cursor = NULL;
    threads_seen = 0;
}

static void mark_if_ended(struct gs_thread *t)
{
    uint32_t live = GS_THREAD_LIVE;
    if (gs_proc_task_has_ended(t->tid))
        __atomic_compare_exchange_n(&t->state, &live, GS_THREAD_DEAD, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED);
}

static bool is_live(const struct gs_thread *t)
{
    return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == GS_THREAD_LIVE &&
           __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
}

/* Where threads come they go: ask after all of them then, so that thousands of short ones a second
 * use the memory of a few. Otherwise the rounds of gs_sched_write_some() find them soon enough. */
void gs_sched_find_ended(void)
{
    uint32_t n = gs_thread_count();
    if (n == threads_seen)
        return;
    threads_seen = n;
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        if (is_live(t))
            mark_if_ended(t);
}

static void sched_row(struct gs_thread *t, uint32_t *n, uint64_t now)
{
    uint64_t cpu, runqueue;
    if (!gs_proc_schedstat(t->tid, &cpu, &runqueue)) {
        mark_if_ended(t);
        return;
    }
    if (cpu == t->cpu_ns && runqueue == t->runqueue_ns)
        return;
    t->cpu_ns = cpu;
    t->runqueue_ns = runqueue;
    gs_writer_column(0)[*n] = now;
    gs_writer_column(1)[*n] = t->idx;
    gs_writer_column(2)[*n] = cpu;
    gs_writer_column(3)[(*n)++] = runqueue;
}

static void write_rows(uint32_t max)
{
    uint32_t n = 0;
    uint64_t now = gs_now();
    struct gs_thread *first = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    struct gs_thread *t = cursor ? cursor : first;
    for (; t && max; t = t->next) {
        if (is_live(t)) {
            sched_row(t, &n, now);
            max--;
        }
    }
    cursor = t;
    if (n)
        gs_writer_chunk(GS_STREAM_SCHED, GS_NO_GIL, n);
}

void gs_sched_write_some(void)
{
    write_rows(THREADS_PER_TICK);
}

void gs_sched_write_all(void)
{
    cursor = NULL;
    write_rows(GS_CHUNK_MAX_ROWS);
}

/* SPDX-License-Identifier: MIT */
#include "preload/lifecycle.h"

#include <errno.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/drain.h"
#include "preload/raw_sys.h"
#include "preload/trace/trace_format.h"

/* What pthread_atfork() calls; named directly because that function lives in a static library.
 * glibc only, hence weak. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *dso) __attribute__((weak));

#define HOLD_NS 500000000u

bool gs_lifecycle_is_ours(void)
{
    return gs_agent.state == GS_STATE_ON && gs_agent.live->mode != GS_LIVE_NO &&
           gs_agent.pid == gs_getpid();
}

/* CPython 3.12+ counts threads after a fork and warns when there is one it does not know. */
static void prepare_fork(void)
{
    int saved = errno;
    if (gs_lifecycle_is_ours()) {
        gs_drain_leave();
        gs_agent_before_fork();
    }
    errno = saved;
}

static void parent_after_fork(void)
{
    int saved = errno;
    if (gs_lifecycle_is_ours()) {
        gs_drain_leave_late();
        gs_agent_after_fork();
    }
    errno = saved;
}

void gs_lifecycle_init(void)
{
    if (__register_atfork)
        __register_atfork(prepare_fork, parent_after_fork, NULL, NULL);
}

void gs_lifecycle_before_exec(const char *path)
{
    int saved = errno;
    if (gs_lifecycle_is_ours())
        gs_drain_checkpoint(GS_EVENT_EXEC, path ? path : "");
    errno = saved;
}

int gs_lifecycle_exec_failed(int rc)
{
    int saved = errno;
    if (gs_lifecycle_is_ours())
        gs_drain_checkpoint(GS_EVENT_EXEC_FAILED, "");
    errno = saved;
    return rc;
}

uint32_t gs_lifecycle_ending;
static uint64_t ending_ns;

void gs_lifecycle_end(void)
{
    if (!gs_lifecycle_is_ours())
        return;
    ending_ns = gs_clock_ns(CLOCK_MONOTONIC);
    __atomic_store_n(&gs_lifecycle_ending, gs_gettid(), __ATOMIC_RELEASE);
    gs_agent.live->mode = GS_LIVE_NO; /* hooks record no more: those of daemon threads come here */
    gs_drain_finish(GS_EVENT_EXIT);
}

/* Python is finalised, its daemon threads are not all gone: one that gets the GIL now walks freed
 * memory. Without us the process would have ended before that; while it waits for the last write,
 * and a little longer, such a thread stays where it is, with gil->mutex, which stops all others. */
void gs_lifecycle_hold(void)
{
    static uint32_t never;
    uint64_t end_ns = ending_ns + HOLD_NS, now;
    if (gs_lifecycle_ending == gs_gettid() || gs_agent.pid != gs_getpid())
        return;
    while ((now = gs_clock_ns(CLOCK_MONOTONIC)) < end_ns)
        gs_futex_wait(&never, 0, end_ns - now);
}

void gs_lifecycle_before_exit(void)
{
    if (gs_lifecycle_is_ours())
        gs_drain_finish(GS_EVENT_EXIT);
}

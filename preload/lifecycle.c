/* SPDX-License-Identifier: MIT */
#include "preload/lifecycle.h"

#include <errno.h>

#include "preload/agent.h"
#include "preload/drain.h"
#include "preload/raw_sys.h"
#include "preload/trace/trace_format.h"

/* What pthread_atfork() calls; named directly because that function lives in a static library.
 * glibc only, hence weak. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *dso) __attribute__((weak));

bool gs_lifecycle_is_ours(void)
{
    return gs_agent.state == GS_STATE_ON && gs_live.mode != GS_LIVE_NO &&
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

/* CPython counts threads in the parent after the fork: a thread that was late for it gets as long
 * once more. */
static void parent_after_fork(void)
{
    int saved = errno;
    if (gs_lifecycle_is_ours()) {
        gs_drain_join();
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

/* Two threads may end the process at once: neither goes on before the capture is closed. A thread
 * nobody joined is a leak to who looks for such things (ThreadSanitizer). */
void gs_lifecycle_before_exit(void)
{
    if (gs_agent.pid != gs_getpid())
        return;
    if (gs_lifecycle_is_ours() || (gs_agent.state == GS_STATE_ON && gs_agent.leaving_tid))
        gs_drain_finish(GS_EVENT_EXIT);
    gs_drain_join();
}

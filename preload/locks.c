/* SPDX-License-Identifier: MIT */
#include "preload/locks.h"

#include <stddef.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/elf_symbols.h"
#include "preload/gil.h"
#include "preload/lock_calls.h"
#include "preload/lock_types.h"
#include "preload/thread_state.h"
#include "preload/trace_records.h"

#define MIN_SPACING_NS 1000000u
#define MAX_SPACING_NS 100000000u
#define AGE_SHARE      16u /* asked again when this part of the time so far has passed */

/* What outlives a fork. */
static const char *why_none; /* they cannot be recorded at all */
static bool queue_is_builtin;
static int (*add_pending_call)(int (*)(void *), void *);

static struct {
    uint64_t next_t;
    uint32_t pending; /* asked, and not called yet */
    uint32_t told;    /* enum gs_sync_type */
    bool told_none;
    const char *shed; /* why the governor ended it */
} s;

void gs_locks_init(const struct gs_elf_object *python)
{
    why_none = gs_agent.abi.free_threaded ? "this Python is free-threaded" : NULL;
    if (!gs_agent.config.locks || why_none)
        return;
    add_pending_call = (int (*)(int (*)(void *), void *))gs_elf_symbol(python, "Py_AddPendingCall");
    queue_is_builtin = gs_elf_symbol(python, "PyInit__queue") != 0;
    if (!add_pending_call || !gs_lock_api_find(python))
        why_none = "this Python does not export what that needs";
}

void gs_locks_forget(void)
{
    s = (__typeof__(s)){0};
}

/* ---- the pending call ---- */

/* The main thread, with the GIL. */
static int in_the_interpreter(void *unused)
{
    (void)unused;
    if (gs_agent.state == GS_STATE_ON && gs_agent.locks)
        gs_lock_types_hook();
    __atomic_store_n(&s.pending, 0, __ATOMIC_RELEASE);
    return 0;
}

/* The main thread has let go of the GIL in the midst of Python code: the interpreter is there. */
static bool main_thread_runs_code(void)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        if (__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE) == gs_agent.pid && t->tstate)
            return true;
    return false;
}

/* Where _queue is a library, to be loaded is the least it must be: that is cheap to see. */
static bool is_there_more(void)
{
    struct gs_elf_object o;
    uint32_t left = GS_SYNC_ALL & ~gs_lock_types_done();
    if (left != GS_SYNC_SIMPLE_QUEUE)
        return left != 0;
    return queue_is_builtin || gs_elf_find_object("PyInit__queue", &o);
}

static bool is_wanted(void)
{
    return gs_agent.state == GS_STATE_ON && gs_agent.locks && !gs_agent.leaving_tid &&
           gs_lock_types_done() != GS_SYNC_ALL;
}

static uint64_t spacing_ticks(uint64_t now)
{
    uint64_t ticks = (now - gs_agent.t_start) / AGE_SHARE;
    uint64_t min = gs_ticks_of_ns(MIN_SPACING_NS), max = gs_ticks_of_ns(MAX_SPACING_NS);
    bool calls = queue_is_builtin && gs_lock_types_done(); /* each look is a call then */
    return ticks < min ? min : ticks > max && !calls ? max : ticks;
}

void gs_locks_ask(uint64_t now)
{
    if (!is_wanted() || now < s.next_t || __atomic_load_n(&s.pending, __ATOMIC_ACQUIRE))
        return;
    s.next_t = now + spacing_ticks(now);
    if (!main_thread_runs_code() || gs_pyabi_is_over(&gs_agent.abi) || !is_there_more())
        return;
    __atomic_store_n(&s.pending, 1, __ATOMIC_RELEASE);
    if (add_pending_call(in_the_interpreter, NULL) != 0) /* its table is full */
        __atomic_store_n(&s.pending, 0, __ATOMIC_RELEASE);
}

uint64_t gs_locks_wait_ns(uint64_t now, uint64_t max)
{
    if (!is_wanted() || __atomic_load_n(&s.pending, __ATOMIC_ACQUIRE))
        return max;
    uint64_t left = s.next_t > now ? gs_ns_of_ticks(s.next_t - now) : 0;
    return left < max ? left : max;
}

/* ---- what the capture says ---- */

static void tell_none(const char *why)
{
    if (!s.told_none)
        gs_records_event(GS_EVENT_NO_LOCKS, GS_SYNC_ALL, why);
    s.told_none = true;
}

void gs_locks_tell(void)
{
    if (!gs_agent.config.locks)
        return;
    if (why_none || s.shed) {
        tell_none(why_none ? why_none : s.shed);
        return;
    }
    uint32_t news = gs_lock_types_done() & ~s.told;
    s.told |= news;
    for (; news; news &= news - 1) {
        uint32_t type = news & -news;
        struct gs_lock_finding f = gs_lock_types_finding(type);
        uint64_t t = f.t > gs_agent.t_start ? f.t : gs_agent.t_start; /* before a fork */
        gs_records_event_at(t, f.why_not ? GS_EVENT_NO_LOCKS : GS_EVENT_LOCKS, type,
                            f.why_not ? f.why_not : "");
    }
}

void gs_locks_end(void)
{
    gs_locks_tell();
    if (gs_agent.config.locks && !gs_lock_types_done())
        tell_none("the main thread made no pending call before the end");
}

void gs_locks_again(void)
{
    s.told = 0;
    s.told_none = false;
    gs_locks_tell();
}

void gs_locks_shed(const char *why)
{
    gs_agent.locks = false;
    s.shed = why;
    gs_locks_tell();
}

/* SPDX-License-Identifier: MIT */
#include "preload/thread_state.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/drain.h"
#include "preload/gil.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/sampler.h"
#include "preload/trace/trace_format.h"

#define STEADY_TRIES 16

struct gs_thread *gs_threads;
uint64_t gs_calls_without_state;
static uint32_t n_indexes;

__thread struct gs_thread *gs_self __attribute__((tls_model("initial-exec")));

uint32_t gs_thread_count(void)
{
    return __atomic_load_n(&n_indexes, __ATOMIC_RELAXED);
}

static uint64_t tid_and_state(uint32_t tid, enum gs_slot_state state)
{
    return (uint64_t)state << 32 | tid;
}

/* A kernel tid that comes again means its former owner has ended. Both words are compared: between
 * a look and the change the memory may have become that of a thread that lives. */
static void bury_namesakes(uint32_t tid)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next) {
        uint64_t live = tid_and_state(tid, GS_THREAD_LIVE);
        if (__atomic_load_n(&t->tid, __ATOMIC_RELAXED) != tid)
            continue;
        __atomic_compare_exchange_n(&t->tid_and_state, &live, tid_and_state(tid, GS_THREAD_DEAD),
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
}

static struct gs_thread *take_recycled(void)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next) {
        uint32_t is_free = GS_THREAD_FREE;
        if (__atomic_load_n(&t->state, __ATOMIC_RELAXED) == GS_THREAD_FREE &&
            __atomic_compare_exchange_n(&t->state, &is_free, GS_THREAD_LIVE, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return t;
    }
    return NULL;
}

static struct gs_thread *map_new(void)
{
    struct gs_thread *t = gs_map(sizeof(*t));
    if (!t)
        return NULL;
    t->tid = 0;
    t->state = GS_THREAD_LIVE;
    t->next = __atomic_load_n(&gs_threads, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&gs_threads, &t->next, t, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    return t;
}

/* The drain thread opens a new thread's events, at once rather than at its next tick. */
static void join_counters(struct gs_thread *t, struct gs_thread *first, uint32_t tid)
{
    t->counters = first ? first->counters : &t->own_counters;
    t->left_t = t->t_first; /* its first acquire ends a state too */
    if (first)
        return;
    gs_counts_thread(t, tid);
    gs_drain_kick();
}

/* `first` is the same thread's state on another GIL, or NULL for a thread not seen before. */
static struct gs_thread *create(struct gs_gil *gil, struct gs_thread *first)
{
    uint32_t tid = gs_gettid();
    if (!first)
        bury_namesakes(tid);
    struct gs_thread *t = take_recycled();
    if (!t && !(t = map_new()))
        return NULL;
    t->idx = first ? first->idx : __atomic_fetch_add(&n_indexes, 1, __ATOMIC_RELAXED);
    t->t_first = gs_now();
    t->rng = t->t_first ^ ((uint64_t)tid << 32) ^ 0x9e3779b97f4a7c15u;
    t->sample_left = gs_sampler_draw(&t->rng);
    t->gil = gil;
    t->cond = gil->cond;
    t->next_gil = first ? first->next_gil : t; /* a circle of the thread's states */
    if (first)
        first->next_gil = t;
    if (gs_agent.config.counters.n)
        join_counters(t, first, tid);
    __atomic_store_n(&t->tid, tid, __ATOMIC_RELEASE);
    return t;
}

struct gs_thread *gs_thread_get(struct gs_gil *gil)
{
    struct gs_thread *t = gs_thread_self();
    if (__builtin_expect(t && t->gil == gil, 1))
        return t;
    struct gs_thread *other = t ? t->next_gil : NULL;
    while (other && other != t && other->gil != gil)
        other = other->next_gil;
    if (!other || other == t)
        other = create(gil, t);
    if (other)
        gs_self = other;
    else
        __atomic_fetch_add(&gs_calls_without_state, 1, __ATOMIC_RELAXED);
    return other;
}

void gs_threads_leave(const struct gs_gil *gil)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        if (t->gil == gil)
            __atomic_store_n(&t->cond, 0, __ATOMIC_RELAXED);
}

/* The thread that forked may come here after one it has started since: it finds that its state, the
 * parent's, belongs to no GIL any more. */
void gs_threads_forget(void)
{
    for (struct gs_thread *t = gs_threads; t; t = t->next) {
        t->cond = 0;
        t->gil = NULL;
    }
    gs_threads = NULL;
    n_indexes = 0;
    gs_calls_without_state = 0;
    gs_self = NULL;
}

static struct gs_thread_now look_at(const struct gs_thread *t)
{
    struct gs_thread_now n = {.tot = t->tot,
                              .open_kind = __atomic_load_n(&t->open_kind, __ATOMIC_ACQUIRE),
                              .open_stack = GS_STACK_NONE};
    if (n.open_kind == GS_OPEN_HOLDING)
        n.open_since = t->acq_t;
    if (n.open_kind == GS_OPEN_WAITING) {
        n.open_since = t->wait_t;
        n.open_stack = t->wait_stack;
    }
    return n;
}

/* Two looks that agree saw what was true between them. A thread too fast for that is described as
 * it was seen; its next record comes soon. */
struct gs_thread_now gs_thread_now(const struct gs_thread *t)
{
    struct gs_thread_now n, again;
    int tries = STEADY_TRIES;
    do {
        n = look_at(t);
        n.t = gs_now();
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        again = look_at(t);
        again.t = n.t;
    } while (memcmp(&n, &again, sizeof(n)) && --tries);
    return n;
}

/* Everything but the list link goes back to zero; `state` last, for it lets others in. The ring
 * too: a short thread touches only its first pages. */
void gs_thread_recycle(struct gs_thread *t)
{
    struct gs_thread *next = t->next;
    memset(t, 0, offsetof(struct gs_thread, next));
    t->next_gil = NULL;
    t->tid = 0;
    t->t_first = t->stack_ticks = t->dropped = t->edge_hooks = t->woken_t = t->left_t = 0;
    t->looked_t = 0;
    if (t->counters == &t->own_counters)
        memset(&t->own_counters, 0, sizeof(t->own_counters));
    t->counters = NULL;
    t->py_name_len = 0;
    t->home_tstate = 0;
    memset(&t->rows, 0, sizeof(t->rows));
    memset(&t->written, 0, sizeof(t->written));
    t->written_open = t->announced = 0;
    t->cpu_ns = t->runqueue_ns = 0;
    t->gc_ticks = t->gc_written = 0;
    t->os_name[0] = 0;
    t->next = next;
    t->ring.head = t->ring.tail = t->ring.tail_seen = 0;
    __atomic_store_n(&t->state, GS_THREAD_FREE, __ATOMIC_RELEASE);
}

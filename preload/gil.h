/* SPDX-License-Identifier: MIT
 * Which condition variables are a GIL's, and what its signals mean:
 *   signal(switch_cond)   = acquired; the caller holds the GIL and gil->mutex
 *   signal(cond)          = released; locked is 0 already, gil->mutex still held
 *   timedwait(cond)       = a wait begins, or goes on after the switch interval
 * So every field of struct gs_gil that hooks write is guarded by CPython's own gil->mutex.
 * CTX of all functions: GIL hooks; no malloc, no lock, no stdio, errno untouched.
 */
#ifndef GS_GIL_H
#define GS_GIL_H

#include <stdbool.h>
#include <stdint.h>

struct gs_thread;

#define GS_MAX_GILS        64u
#define GS_GIL_GONE        1u
#define GS_SWITCH_COND_GAP 88u /* switch_cond - cond: a condition variable and a mutex between */
#define GS_LOCKED_OFF      (-16)
#define GS_LAST_HOLDER_OFF (-24)
#define GS_INTERVAL_OFF    (-32) /* of sys.setswitchinterval(), us */

struct gs_gil {
    uintptr_t cond;           /* address of gil->cond; the identity; 0 until the entry is complete,
                               * GS_GIL_GONE when the memory has become another's */
    uint64_t seq;             /* acquires so far */
    uint32_t waiters;         /* threads between their first timedwait and their acquire */
    uint32_t dead_waiters;    /* of those, threads that ended there (interpreter exit) */
    struct gs_thread *holder; /* who acquired last */
    uint64_t sampled_seq;     /* turn the drain thread took a sample of */
    uint64_t drop_asked_seq;  /* turn a waiter has asked to end */
    uint64_t next_begin_sample_t, next_expiry_sample_t, next_native_t; /* rate limits */
    uint64_t t_first;
    int64_t interpreter;
    uintptr_t interp; /* its address when its GIL was first seen */
    uint32_t idx;
    uint32_t announced; /* drain: GIL record written */
    uint64_t switch_us; /* what it says */
    uint32_t violations;
} __attribute__((aligned(64)));

extern struct gs_gil gs_gils[GS_MAX_GILS];
extern uint32_t gs_n_gils;
extern bool gs_gils_refused; /* a GIL past GS_MAX_GILS was seen and is not recorded */

/* A signal from Python's text. */
void gs_gil_signal(uintptr_t cond);
/* Around the real timedwait. begin returns the GIL waited for, or NULL when cond is no GIL's. */
struct gs_gil *gs_gil_wait_begin(uintptr_t cond);
/* Is this a wait for a GIL that comes by way of another preload's wrapper (libfaketime has one of
 * pthread_cond_timedwait)? The caller is then not Python; the condition variable tells. */
bool gs_gil_is_awaited(uintptr_t cond);
void gs_gil_wait_expired(struct gs_gil *g, uint64_t seq_before);
void gs_gils_forget(void);

/* CPython's own words, by the address of gil->cond. */
static inline bool gs_gil_locked_at(uintptr_t cond)
{
    return __atomic_load_n((const int *)(cond + GS_LOCKED_OFF), __ATOMIC_RELAXED) != 0;
}

static inline uintptr_t gs_gil_last_holder_at(uintptr_t cond)
{
    return __atomic_load_n((const uintptr_t *)(cond + GS_LAST_HOLDER_OFF), __ATOMIC_RELAXED);
}

static inline bool gs_gil_locked(const struct gs_gil *g)
{
    return gs_gil_locked_at(g->cond);
}

static inline uintptr_t gs_gil_last_holder(const struct gs_gil *g)
{
    return gs_gil_last_holder_at(g->cond);
}

#endif

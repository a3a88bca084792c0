/* SPDX-License-Identifier: MIT
 * What the agent knows of one thread on one GIL: its ring, exact totals, open turn or wait.
 * Written by the thread itself inside hooks; read by the drain thread (aligned words, no locks).
 * A thread that uses several GILs has one of these for each, sharing `idx`. Memory is mapped, never
 * malloc'ed, and recycled once the thread is dead and drained.
 */
#ifndef GS_THREAD_STATE_H
#define GS_THREAD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/counts.h"
#include "preload/pyabi/pyabi.h"
#include "preload/ring.h"

#define GS_SCRATCH_BYTES (48u << 10) /* frame walks and code copies inside hooks */
#define GS_NAME_BYTES    64u
#define GS_HIST_BUCKETS  64u

struct gs_gil;
struct gs_cuda_calls;

/* Exact whatever happens to the ring. Ticks. `lost` is what has no row: none was wanted (level 0),
 * or the ring was full (then `dropped` counts it too). */
struct gs_totals {
    uint64_t acquisitions, releases, folded_n, folded_hold; /* half a cache line: every turn */
    uint64_t contended, forced;
    uint64_t lost_n, lost_hold, lost_wait_n, lost_wait;
};

/* What lies in SLICE rows that were handed to the writer. Ticks. */
struct gs_row_sums {
    uint64_t turns, hold, waits, wait;
};

enum gs_open_kind { GS_OPEN_NONE, GS_OPEN_HOLDING, GS_OPEN_WAITING };
enum gs_slot_state { GS_THREAD_FREE, GS_THREAD_LIVE, GS_THREAD_DEAD };

struct gs_thread {
    /* hot: the first cache line, half of the next and one of the histogram's at every turn */
    uint32_t open_kind; /* enum gs_open_kind */
    uint8_t py_name_tries;
    bool waiting;
    uint64_t acq_t, acq_seq; /* of the turn being held */
    int64_t sample_left;     /* ticks of hold until the next Poisson point */
    uintptr_t tstate;        /* own thread state, 0 unless frames of ours are on it */
    uintptr_t cond;          /* gil->cond */
    struct gs_gil *gil;
    uint64_t wait_t; /* of the wait that is open */
    struct gs_totals tot;
    uint64_t wait_seq;
    uint32_t wait_stack;
    uint32_t idx;
    uint64_t fold_hist[GS_HIST_BUCKETS]; /* log2 of ticks; 2^32 turns take an hour */

    /* cold */
    struct gs_thread *next;     /* list of all, only ever grows */
    struct gs_thread *next_gil; /* the same thread's states on other GILs, a circle */
    uint64_t left_t;            /* its last release, while CPU rows are wanted; 0 once told */
    uint64_t looked_t;          /* when it read its CPU clock last */
    uint64_t woken_t;           /* end of the last blocked semaphore wait whose poster is known */
    uint32_t woken_by;          /* that poster's idx */
    union {
        struct {
            uint32_t tid;   /* set last: before, the rest is not valid */
            uint32_t state; /* enum gs_slot_state */
        };
        uint64_t tid_and_state; /* to change one only while the other stays */
    };
    uintptr_t home_tstate; /* of its first turn: lives while the thread runs Python */
    uint64_t t_first;
    uint64_t rng;
    uint64_t dropped;     /* rows the ring had no room for */
    uint64_t stack_ticks; /* spent on stacks */
    uint64_t edge_hooks;  /* stamps taken around blocked semaphores */
    struct gs_cuda_calls *cuda; /* sums by function; stay when the memory serves another thread */
    struct gs_counts_of_thread *counters; /* of its first state; NULL: none are wanted */
    uint32_t py_name_len;       /* set after py_name is complete */
    char py_name[GS_NAME_BYTES];

    /* the drain thread's own */
    struct gs_row_sums rows;
    struct gs_totals written;
    uint32_t written_open;
    uint32_t announced; /* THREAD record written, and with which name */
    uint64_t cpu_ns, runqueue_ns;
    uint64_t gc_ticks, gc_written; /* collecting garbage, as looks found it: gc_watch.c */
    char os_name[GS_NAME_BYTES];

    struct gs_ring ring;
    struct gs_py_frame frames[GS_PY_MAX_DEPTH];
    uint8_t scratch[GS_SCRATCH_BYTES];
    struct gs_counts_of_thread own_counters; /* never touched unless they are wanted */
};

_Static_assert(offsetof(struct gs_thread, tot) == 64, "the hot lines");

/* What TOTALS say, true at `t`. */
struct gs_thread_now {
    struct gs_totals tot;
    uint64_t t, open_since;
    uint32_t open_kind, open_stack;
};
/* Of a thread that goes on meanwhile. CTX: drain. */
struct gs_thread_now gs_thread_now(const struct gs_thread *t);

/* All threads ever seen, newest first. */
extern struct gs_thread *gs_threads;

/* The calling thread's state on `gil`, made on first use; NULL when memory is refused.
 * CTX: any hook; no malloc, no lock. */
struct gs_thread *gs_thread_get(struct gs_gil *gil);
/* The calling thread's current state, or NULL if it never met a GIL. All of the agent's
 * thread-local storage: one pointer, initial-exec, no destructor. */
extern __thread struct gs_thread *gs_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
/* The same, but NULL in a forked child's thread that has only its parent's. */
static inline struct gs_thread *gs_thread_self(void)
{
    struct gs_thread *t = gs_self;
    return t && t->gil ? t : NULL;
}
/* Times gs_thread_get() had no memory to give: events that nobody counts elsewhere. */
extern uint64_t gs_calls_without_state;
/* The GIL is gone: threads that used it know no address of it any more. */
void gs_threads_leave(const struct gs_gil *gil);
/* Forked child: forget the parent's threads (their memory is not given back). */
void gs_threads_forget(void);
/* Drain: the thread has ended and its ring is empty. */
void gs_thread_recycle(struct gs_thread *t);
uint32_t gs_thread_count(void);

#endif

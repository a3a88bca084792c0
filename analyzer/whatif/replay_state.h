/* SPDX-License-Identifier: MIT
 * A replay that runs: replay_clock.h has its clock, replay_steps.h what operations do,
 * replay_memory.h where all of this lies. Private.
 */
#ifndef GS_WHATIF_REPLAY_STATE_H
#define GS_WHATIF_REPLAY_STATE_H

#include "analyzer/whatif/event_heap.h"
#include "analyzer/whatif/replay.h"

/* Times and work are in ticks of 2^-10 ns. */
#define GS__TICK_BITS 10u
#define GS__NEVER     UINT64_MAX
#define GS__NOBODY    UINT32_MAX

typedef unsigned __int128 u128;

GS__HD uint64_t gs__ticks(uint64_t ns)
{
    return ns << GS__TICK_BITS;
}

/* Of what takes longer, or shorter, than it was recorded. */
GS__HD uint64_t gs__scaled_ticks(uint32_t scale_q16, uint64_t ns)
{
    return (uint64_t)((u128)ns * scale_q16 >> (16 - GS__TICK_BITS));
}

GS__HD uint64_t gs__to_ns(uint64_t ticks)
{
    return (ticks + (1u << (GS__TICK_BITS - 1))) >> GS__TICK_BITS;
}

struct gs__thread {
    uint32_t op;        /* the next one */
    uint32_t next;      /* in the queue it is in */
    uint32_t parked_on; /* object; GS__NOBODY: not parked */
    uint32_t item;      /* parked with it in PUT */
    uint64_t parked_at;
    uint64_t asked_at; /* first for the lock that it waits for; GS__NEVER: for none */
    uint64_t ready_at; /* when it was put into a queue */
    uint64_t left;     /* of the work that it was made to stop, or waits for a core with */
    uint64_t slice_at; /* has_core: since when, or that moment and whole slices */
    uint64_t began_at, ended_at;
    bool started, ended, computes_py;
    bool has_core, computes; /* with slices: may be between two pieces of work */
};

struct gs__queue { /* threads, first come first served */
    uint32_t first, last;
};

struct gs__object {
    struct gs__queue parked, putters;
    uint64_t parked_ticks, hold_ticks, held_since;
    uint64_t count;      /* LOCK: 1 taken; CHANNEL: items in it; EVENT: 1 set; BARRIER: arrived */
    uint64_t free_at;    /* DEVICE */
    uint32_t nameless;   /* CHANNEL, pool: of the initial items, those still there */
    uint32_t head, tail; /* CHANNEL, pool: of the named items in ring[] */
    uint32_t ring;       /* where its part of the ring begins */
};

struct gs_replay {
    const struct gs_program *p;
    const struct gs_replay_params *params;
    struct gs__thread *threads;
    struct gs__object *objects;
    const uint32_t *ring_at; /* by object: where its part of the ring begins */
    uint32_t *ring;          /* tasks put into pools: each has room for all that are ever put */
    uint8_t *taken;          /* tasks that some worker has drawn */
    struct gs__queue ready, runnable; /* those who can go on; who wait for a core */
    uint32_t cores_left;
    uint64_t slice;                      /* ticks; 0: no slices */
    struct gs__heap computing, sleeping; /* by work; by time */
    struct gs__ending *paused;           /* what is left for those that compute `py` */
    size_t n_paused;
    uint64_t now, work; /* the two clocks */
    uint64_t pause_end; /* GS__NEVER: no collection */
    uint64_t gc_left;   /* of `py` work, until the next one */
    uint32_t n_py;      /* that compute in the interpreter */
    uint64_t *rate,
        *inverse; /* [n]: work in a tick of time when n compute, 2^-32ths; the contrary */
    uint64_t py, native, latency, gc;
    uint64_t *mark_ns; /* by number */
    struct gs_replay_result out;
    struct gs_replay_object *totals;
    /* Of a run in slices. */
    uint64_t budget; /* operations and moments that are left to this one */
    bool is_over;
};

GS__HD void gs__queue_put(struct gs_replay *r, struct gs__queue *q, uint32_t t)
{
    r->threads[t].next = GS__NOBODY;
    r->threads[t].ready_at = r->now;
    if (q->first == GS__NOBODY)
        q->first = t;
    else
        r->threads[q->last].next = t;
    q->last = t;
}

GS__HD void gs__queue_put_first(struct gs_replay *r, struct gs__queue *q, uint32_t t)
{
    if (q->first == GS__NOBODY)
        q->last = t;
    r->threads[t].next = q->first;
    q->first = t;
}

GS__HD uint32_t gs__queue_take(struct gs_replay *r, struct gs__queue *q)
{
    uint32_t t = q->first;
    q->first = r->threads[t].next;
    return t;
}

#endif

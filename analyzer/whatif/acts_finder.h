/* SPDX-License-Identifier: MIT
 * While acts are found, private: acts.c goes through time, acts_lock.c, acts_queue.c and
 * acts_barrier.c say what rows mean, acts_place.c in which function of Python's library they are.
 */
#ifndef GS_WHATIF_ACTS_FINDER_H
#define GS_WHATIF_ACTS_FINDER_H

#include "analyzer/idmap.h"
#include "analyzer/whatif/acts.h"

#define GS__NO_OBJECT UINT32_MAX
#define GS__NO_ACT    UINT32_MAX

/* A lock or queue, as far as the walk through time has come. Addresses are used again: a lock that
 * is taken although nobody let it go is a new one. */
struct gs__thing {
    uint32_t object;  /* of the program */
    uint32_t channel; /* of the queue whose mutex it is; GS__NO_OBJECT */
    uint32_t owner, depth;
    uint32_t taken_by; /* act, or GS__NO_ACT */
    uint32_t pending;  /* signals: wake-ups that nobody waited for yet */
    bool held;
    bool signals;              /* `object` is a channel: whoever waits is woken by another thread */
    uint32_t barrier, arrived; /* of the Condition whose mutex it is: object; of its generation */
    uint32_t n_put, n_got;     /* of its items, which are tasks in the order of `items` */
    uint32_t *items;
    size_t cap_items;
    uint32_t reader;         /* +1; of those that got items from it */
    uint64_t readers_end_ns; /* when the last of them held the GIL for the last time */
};

/* A call of Queue.put or Queue.get that a thread is in. */
struct gs__queue_call {
    bool active, gets, waited, done; /* done: it put or got an item */
    uint64_t mutex;                  /* address */
    uint64_t wait_ns;                /* when it first waited */
};

/* Where a thread is with a barrier. */
struct gs__visit {
    uint64_t taken_last; /* address of a lock */
    uint32_t barrier;
    bool waits, opens;
};

enum gs__place {
    GS__NOT_LOOKED,
    GS__ELSEWHERE,
    GS__IN_PUT, /* of queue.Queue */
    GS__IN_GET,
    GS__WAITS_IN_QUEUE,
    GS__WAKES_IN_QUEUE,   /* in Condition.notify itself */
    GS__WAITS_AT_BARRIER, /* in Condition.wait itself */
    GS__OPENS_BARRIER,    /* in Condition.notify itself */
    GS__SAYS_IT_RUNS,     /* a new thread, in Condition.notify itself: Thread.start waits for it */
    GS__JOINS,            /* in Thread.join, or in what waits for all threads at the end */
};

struct gs__finder {
    struct gs_acts *a;
    struct gs_evidence *e;
    struct gs_program *p;
    const struct gs_stacks *stacks;
    uint32_t first_thread;      /* of the program, that is this process's */
    struct gs_idmap things_map; /* address -> things[] */
    struct gs__thing *things;
    size_t n_things, cap_things;
    struct gs_idmap saved_map; /* thing, thread -> saved[]: how often it had taken what it let go */
    uint32_t *saved;           /* for a Condition's wait; 0: it was taken again */
    size_t cap_saved;
    uint8_t *blocked;             /* by sync row: the call let the GIL go */
    uint8_t *explained;           /* by edge row: inside such a call */
    struct gs__queue_call *calls; /* by thread */
    struct gs__visit *visits;     /* by thread */
    uint32_t *runs;               /* by thread: the signal by which it said so; GS__NO_OBJECT */
    size_t *cover_from;           /* of each thread; when all are found */
    uint8_t *places;              /* by stack node */
    uint32_t node;                /* of the row in hand; 0: none is */
};

void gs__add_act(struct gs__finder *f, uint64_t t_ns, uint32_t thread, struct gs_op op);
void gs__add_cover(struct gs__finder *f, uint32_t thread, uint64_t from_ns, uint64_t to_ns,
                   bool sleeps);
/* what, and where: the stack's innermost frame outside of Python's own library; 0: nowhere. */
uint32_t gs__new_object(struct gs__finder *f, enum gs_object_kind kind, const char *what,
                        uint32_t node);
char *gs__name_at(const struct gs__finder *f, const char *what, uint32_t node);
struct gs__thing *gs__thing_at(struct gs__finder *f, const struct gs_sync_row *s, bool queue);
uint64_t gs__call_began(const struct gs_sync_row *s);
/* channel: of the thing; it is a new one where this is another queue in the same place. */
void gs__put_item(struct gs__finder *f, struct gs__thing *t, uint32_t *channel,
                  const struct gs_sync_row *s, uint64_t t_ns);
/* false: there is none */
bool gs__get_item(struct gs__finder *f, struct gs__thing *t, uint32_t channel, uint64_t t_ns,
                  uint32_t thread);

void gs__wake_as_recorded(struct gs__finder *f, const struct gs_edge_row *edge, uint64_t began_ns);
enum gs__place gs__place_of(struct gs__finder *f, uint32_t node);

/* Each row of a lock, in order of time. True: all that it says is in acts now. */
bool gs__queue_row(struct gs__finder *f, size_t i);
bool gs__barrier_row(struct gs__finder *f, size_t i);
void gs__lock_row(struct gs__finder *f, size_t i);
void gs__forget_hold(struct gs__finder *f, struct gs__thing *t);
/* And then, if it was a lock's. */
void gs__barrier_after(struct gs__finder *f, const struct gs_sync_row *s);

#endif

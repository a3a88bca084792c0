/* SPDX-License-Identifier: MIT
 * While acts are found: acts.c locks and wake-ups, acts_queue.c calls of queue.Queue. Private.
 */
#ifndef GS_WHATIF_ACTS_FINDER_H
#define GS_WHATIF_ACTS_FINDER_H

#include "analyzer/idmap.h"
#include "analyzer/whatif/acts.h"

#define GS__NO_OBJECT UINT32_MAX

/* A lock or queue, as far as the walk through time has come. Addresses are used again: a lock that
 * is taken although nobody let it go is a new one. */
struct gs__thing {
    uint32_t object;  /* of the program */
    uint32_t channel; /* of the queue whose mutex it is; GS__NO_OBJECT */
    uint32_t owner, depth;
    bool held;
    uint32_t n_put, n_got; /* of its items, which are tasks in the order of `items` */
    uint32_t *items;
    size_t cap_items;
    uint32_t reader; /* +1; of those that got items from it */
};

/* A call of Queue.put or Queue.get that a thread is in. */
struct gs__queue_call {
    bool active, gets, waited, done; /* done: it put or got an item */
    uint64_t mutex;                  /* address */
    uint64_t wait_ns;                /* when it first waited */
};

struct gs__finder {
    struct gs_acts *a;
    struct gs_evidence *e;
    struct gs_program *p;
    const struct gs_stacks *stacks;
    struct gs_idmap things_map; /* address -> things[] */
    struct gs__thing *things;
    size_t n_things, cap_things;
    struct gs_idmap saved_map; /* thing, thread -> saved[]: how often it had taken what it let go */
    uint32_t *saved;           /* for a Condition's wait; 0: it was taken again */
    size_t cap_saved;
    uint8_t *blocked;             /* by sync row: the call let the GIL go */
    uint8_t *explained;           /* by edge row: inside such a call */
    struct gs__queue_call *calls; /* by thread */
    size_t *cover_from;           /* of each thread; when all are found */
    uint8_t *node_kinds;          /* by stack node: what acts_queue.c found */
};

void gs__add_act(struct gs__finder *f, uint64_t t_ns, uint32_t thread, struct gs_op op);
void gs__add_cover(struct gs__finder *f, uint32_t thread, uint64_t from_ns, uint64_t to_ns,
                   bool sleeps);
uint32_t gs__new_object(struct gs__finder *f, enum gs_object_kind kind, const char *what);
struct gs__thing *gs__thing_at(struct gs__finder *f, const struct gs_sync_row *s, bool queue);
uint64_t gs__call_began(const struct gs_sync_row *s);
void gs__put_item(struct gs__finder *f, struct gs__thing *t, uint32_t channel, uint64_t t_ns,
                  uint32_t thread);
/* false: there is none */
bool gs__get_item(struct gs__finder *f, struct gs__thing *t, uint32_t channel, uint64_t t_ns,
                  uint32_t thread);

/* True: the row is part of such a call, and all that it says is in acts; before_row: to be asked of
 * each row of a lock, in order of time. */
bool gs__queue_row(struct gs__finder *f, size_t i);
/* The mutex is taken and let go as any lock is. */
void gs__lock_row(struct gs__finder *f, size_t i);

#endif

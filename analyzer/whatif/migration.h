/* SPDX-License-Identifier: MIT
 * Where the time went that threads waited for the GIL: the time of all threads in the recording,
 * and in as long a time of the median replay. README.md, "Where the wait went".
 */
#ifndef GS_WHATIF_MIGRATION_H
#define GS_WHATIF_MIGRATION_H

#include "analyzer/whatif/from_capture.h"
#include "analyzer/whatif/replay.h"
#include "analyzer/whatif/stack_text.h"

/* id, "key" of the JSON; in the order they are told */
#define GS_TIME_KINDS(X)                                                                           \
    X(PYTHON, "python")   /* computing in the interpreter */                                       \
    X(NATIVE, "native")   /* and outside of it */                                                  \
    X(LOCK, "lock")       /* waiting for one */                                                    \
    X(QUEUE, "queue")     /* for an item, or for room */                                           \
    X(WAKE, "wake")       /* for another thread's word: conditions, events, joins, devices */      \
    X(LATENCY, "latency") /* I/O, sleep */                                                         \
    X(CORE, "core")       /* for a core, or to be woken, or for a collection: the rest */          \
    X(IDLE, "idle")       /* threads that have not begun, or have ended */

enum gs_time_kind {
#define GS_TIME_ENUM(id, key) GS_TIME_##id,
    GS_TIME_KINDS(GS_TIME_ENUM)
#undef GS_TIME_ENUM
        GS_N_TIMES
};
extern const char *const gs_time_keys[GS_N_TIMES];

struct gs_time_part {
    enum gs_time_kind kind;
    char *what;    /* the lock or queue; NULL: all of the kind (that no other part names). Owned */
    uint32_t node; /* of a stack that used it; 0: none */
    struct gs_stack_text *stack;       /* the same, from job.c on; owned */
    int64_t recorded_ns, predicted_ns; /* of all threads; CORE: less than 0 where the recording's
                                        * machine had no core for who held the GIL */
    int64_t became_ns; /* of the wait for the GIL; less than 0: it is less than it was */
};
#define GS_NAMED_PARTS 6u /* locks and queues that are told alone */
#define GS_TIME_PARTS  (GS_N_TIMES + GS_NAMED_PARTS)

struct gs_migration {
    struct gs_time_part parts[GS_TIME_PARTS]; /* their became_ns add up to gil_wait_ns */
    size_t n_parts;
    uint64_t gil_wait_ns;                                  /* of all threads in the recording */
    uint64_t lock_wait_ns, channel_wait_ns, other_wait_ns; /* all that is left in the replay */
    uint64_t makespan_ns;                                  /* of the replay */
};

void gs_migration_find(const struct gs_capture_program *c, const struct gs_replay_result *r,
                       struct gs_migration *out);
/* Of the wait, how much became computing. */
int64_t gs_migration_running_ns(const struct gs_migration *m);
void gs_migration_free(struct gs_migration *m);

#endif

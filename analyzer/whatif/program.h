/* SPDX-License-Identifier: MIT
 * A program to replay: what each thread computed, waited for and told others. README.md says what
 * the operations mean. Made by from_capture.c, run by replay_clock.h.
 */
#ifndef GS_WHATIF_PROGRAM_H
#define GS_WHATIF_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, what `object` is (NONE where there is none) */
#define GS_OPS(X)                                                                                  \
    X(END, NONE) /* of a thread's list */                                                          \
    X(PY, NONE)                                                                                    \
    X(NATIVE, NONE)                                                                                \
    X(LATENCY, NONE)                                                                               \
    X(UNTIL, NONE)                                                                                 \
    X(MARK, NONE)                                                                                  \
    X(ACQUIRE, LOCK)                                                                               \
    X(RELEASE, LOCK)                                                                               \
    X(PUT, CHANNEL)                                                                                \
    X(GET, CHANNEL)                                                                                \
    X(SET, EVENT)                                                                                  \
    X(CLEAR, EVENT)                                                                                \
    X(WAIT, EVENT)                                                                                 \
    X(ARRIVE, BARRIER)                                                                             \
    X(START, THREAD)                                                                               \
    X(JOIN, THREAD)                                                                                \
    X(SUBMIT, DEVICE)                                                                              \
    X(SYNC, DEVICE)

enum gs_op_kind {
#define GS_OP_ENUM(name, object) GS_OP_##name,
    GS_OPS(GS_OP_ENUM)
#undef GS_OP_ENUM
        GS_N_OPS
};

enum gs_object_kind {
    GS_OBJECT_NONE,
    GS_OBJECT_LOCK,
    GS_OBJECT_CHANNEL,
    GS_OBJECT_EVENT,
    GS_OBJECT_BARRIER,
    GS_OBJECT_THREAD,
    GS_OBJECT_DEVICE,
};

struct gs_op {
    uint32_t kind : 8;    /* enum gs_op_kind */
    uint32_t object : 24; /* index into objects; PY: a function's number, 0: not known which */
    uint32_t item; /* PUT, GET of a pool: index into tasks, or GS_NO_TASK; MARK: its number */
    uint64_t ns;   /* what it takes; ACQUIRE, GET, WAIT: the timeout, 0: none; UNTIL: time from the
                      start; MARK: when what is done had come, from the start, 0: nobody knows */
};
#define GS_NO_TASK         UINT32_MAX
#define GS_NO_OP           UINT32_MAX
#define GS_OP_MOST         (UINT32_MAX - 1) /* operations, tasks, threads of a program */
#define GS_OBJECTS         ((size_t)1 << 24)
/* All durations of a program together; past that the replay's clock could overflow. */
#define GS_PROGRAM_MOST_NS (UINT64_C(1) << 50)

struct gs_object {
    char *name; /* owned by the program */
    enum gs_object_kind kind;
    bool lifo, pool;   /* CHANNEL */
    bool signal;       /* CHANNEL: a lock that other threads let go than those that take it */
    bool recorded;     /* EVENT: one wake-up as it was, which need not be so on another machine */
    uint32_t capacity; /* CHANNEL: 0: never full */
    uint32_t initial;  /* CHANNEL: nameless items at the start */
    uint32_t parties;  /* BARRIER */
    uint32_t thread;   /* THREAD: index into threads */
    uint32_t node;     /* a stack that used it; 0: none is known */
};

struct gs_task {       /* an item of a pool */
    uint32_t first_op; /* behind the GET that took it; GS_NO_OP: none did */
};

struct gs_program_thread {
    uint32_t first_op; /* its operations, up to the first END; 0: it has none */
    uint32_t object;
    bool late; /* begins with its START */
};

struct gs_program {
    struct gs_op *ops; /* an END, then lists one behind another, each with an END */
    struct gs_object *objects;
    struct gs_task *tasks;
    struct gs_program_thread *threads;
    size_t n_ops, n_objects, n_tasks, n_threads;
    size_t n_marks; /* numbered in the order of ops; when it is finished */
    size_t cap_ops, cap_objects, cap_tasks, cap_threads;
};

/* An operation on an object, without an item. */
static inline struct gs_op gs_op_on(enum gs_op_kind kind, uint32_t object)
{
    struct gs_op op;
    op.kind = (uint32_t)kind & 0xff;
    op.object = object & (GS_OBJECTS - 1);
    op.item = GS_NO_TASK;
    op.ns = 0;
    return op;
}

/* Where a worker goes on with another item. */
static inline bool gs_is_pool_get(const struct gs_program *p, const struct gs_op *op)
{
    return op->kind == GS_OP_GET && p->objects[op->object].pool;
}

/* Each appends; what they return is an index. Operations go to the list begun last: of each thread
 * there is one at most. */
uint32_t gs_program_object(struct gs_program *p, enum gs_object_kind kind, const char *name);
uint32_t gs_program_task(struct gs_program *p);
uint32_t gs_program_thread(struct gs_program *p, const char *name, bool late);
void gs_program_begin(struct gs_program *p, uint32_t thread);
void gs_program_op(struct gs_program *p, struct gs_op op);

/* Ends the last list. NULL, or why the program cannot be replayed. */
const char *gs_program_finish(struct gs_program *p);
void gs_program_free(struct gs_program *p);

#endif

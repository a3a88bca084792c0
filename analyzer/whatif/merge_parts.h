/* SPDX-License-Identifier: MIT
 * While processes are put together, private: merge_family.c says who belongs to whom,
 * merge_calls.c what calls threads let the GIL go in, merge_edges.c who sent what to whom.
 */
#ifndef GS_WHATIF_MERGE_PARTS_H
#define GS_WHATIF_MERGE_PARTS_H

#include "analyzer/whatif/merge.h"

/* Readers' clocks of one machine agree to this. */
#define GS__CLOCKS_AGREE_NS 2000000u

/* ---- families ---- */

/* Sets parent, root, is_helper, main_thread. */
void gs__find_families(struct gs_part *const *parts, size_t n);

/* ---- calls ---- */

enum gs__call_kind {
    GS__CALL_NONE,
    GS__CALL_SEND,    /* a message, or its last piece, goes into a pipe */
    GS__CALL_HEAD,    /* the first piece of one is read */
    GS__CALL_WAIT,    /* for leave to read, or for something to read */
    GS__CALL_BODY,    /* of one whose head was read */
    GS__CALL_IPC,     /* other calls of pipes, queues and locks between processes */
    GS__CALL_JOIN,    /* for a process to end */
    GS__CALL_LOOK_ON, /* of what only looks after processes */
};
enum gs__pipe_kind { GS__PIPE_BARE, GS__PIPE_QUEUE, GS__PIPE_TASKS, GS__PIPE_RESULTS, GS__N_PIPES };

/* A stretch off the GIL that began in such a call. */
struct gs__call {
    uint64_t from_ns, to_ns; /* to: when the GIL was asked for again */
    uint32_t part, thread;   /* of the evidence */
    uint8_t kind, pipe;
    bool known; /* with whom */
};
struct gs__calls { /* those that took no time to speak of, too */
    struct gs__call *at;
    size_t n, cap;
    size_t *from; /* of each part; [n_parts] is the end */
};
/* Of all threads of a part, by thread, then time; appended. HEAD: from the first WAIT for it on. */
void gs__list_calls(const struct gs_part *p, uint32_t part, struct gs__calls *out);

/* ---- edges ---- */

struct gs__edges {
    struct gs_part *const *parts;
    size_t n_parts;
    const uint8_t *is_member; /* by part */
    struct gs_program *p;
    bool as_threads; /* else the pipes are there, too */
    uint64_t matched, unmatched_ns;
};
/* Adds what members did with each other to their `more`; those that were started are late. */
void gs__find_edges(struct gs__edges *x);

#endif

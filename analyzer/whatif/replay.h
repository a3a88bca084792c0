/* SPDX-License-Identifier: MIT
 * Runs a program on a machine without a GIL: README.md is the definition.
 *
 * Computing goes by a clock of its own, which shows the work that each thread that computes has
 * been given so far: all who have a core go on at the same rate, so an operation ends when that
 * clock has gone on by its work, whatever happens meanwhile. An event costs a step in a heap. All
 * numbers are integers of 2^-10 ns, so every machine gives the same result.
 */
#ifndef GS_WHATIF_REPLAY_H
#define GS_WHATIF_REPLAY_H

#include "analyzer/whatif/program.h"

/* +1 with every change of what a replay does, or of the structs here and in program.h: results of a
 * library for GPUs that was built from other sources are none. */
#define GS_REPLAY_VERSION 2u

enum gs_lock_policy { GS_LOCK_BARGE, GS_LOCK_FIFO, GS_LOCK_NONE };

#define GS_Q16(x) ((uint32_t)((x)*65536.0 + 0.5)) /* 2^-16ths */

struct gs_machine {
    uint32_t cores;          /* at least 1 */
    const uint32_t *cap_q16; /* [k - 1]: what k busy cores do together, in cores; not owned */
};

struct gs_replay_params {
    struct gs_machine machine;
    uint32_t s_q16; /* time of the interpreter's work, in recorded time */
    enum gs_lock_policy lock_policy;
    uint32_t free_lock;         /* index + 1 of one that nobody ever waits for; 0: none */
    uint32_t free_function;     /* number of one whose PY takes no time; 0: none */
    uint32_t gil_free_function; /* of one that computes without the GIL; 0: none */
    uint32_t latency_q16;       /* time of latency, in recorded time */
    uint64_t wake_ns;
    uint64_t slice_ns; /* how long a thread keeps its core where others wait for one; 0: all who
                          compute share the cores at every moment */
    uint64_t gc_every_ns, gc_pause_ns; /* 0: no collections */
};

struct gs_replay_object {
    uint64_t parked_ns; /* of all threads, until they were woken */
    uint64_t hold_ns;   /* LOCK */
};

#define GS_MARK_NEVER UINT64_MAX

struct gs_replay_result {
    uint64_t makespan_ns;
    uint64_t py_ns, native_ns, latency_ns, gc_ns;
    uint64_t gil_ns;  /* that threads waited for the GIL */
    uint64_t idle_ns; /* of threads that ran: before they began, and after they ended */
    uint64_t flips;   /* waits longer than their timeouts */
    uint64_t steps;   /* operations done */
    uint64_t threads; /* that ran */
    bool deadlock;
    /* Of n marks the n/8-th from either end, both counted from 0 in the order of their times. */
    uint64_t marks, mark_from_ns, mark_to_ns; /* how many were passed; GS_MARK_NEVER: not so many */
    const uint64_t *mark_ns;          /* by number, the replay's; GS_MARK_NEVER: not passed */
    struct gs_replay_object *objects; /* as many as the program's, in their order */
};

/* For many runs of one program; the result's objects are the replay's. */
struct gs_replay;
struct gs_replay *gs_replay_open(const struct gs_program *p);
void gs_replay_run(struct gs_replay *r, const struct gs_replay_params *params,
                   struct gs_replay_result *out);
/* The same with a GIL (replay_gil.c): of the params only the machine, the lock policy and
 * gil_free_function count. Who waits for the GIL asks for it after switch_ns. */
void gs_replay_run_gil(struct gs_replay *r, const struct gs_replay_params *params,
                       uint64_t switch_ns, struct gs_replay_result *out);
void gs_replay_close(struct gs_replay *r);

#endif

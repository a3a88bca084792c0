/* SPDX-License-Identifier: MIT
 * What counters counted while a thread held the GIL, waited for it, or was away from it
 * (--counters). The thread reads them where one of these states ends: always where it waits or was
 * waited for, and elsewhere as often as READ_NS allows on average; what was counted in between
 * belongs to the states it was in since the last reading, shared by time where these were several.
 * No turn costs more than a stamp otherwise.
 */
#ifndef GS_COUNTS_H
#define GS_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/counter_spec.h"

struct gs_thread;

enum gs_count_state { GS_COUNT_HOLDING, GS_COUNT_WAITING, GS_COUNT_OFF_GIL, GS_N_COUNT_STATES };

struct gs_count_sums {
    uint64_t last;                     /* the counter when it was read last */
    uint64_t of[GS_N_COUNT_STATES];    /* counted in each state */
    uint64_t shared;                   /* of these, shared out by time */
    uint64_t fresh[GS_N_COUNT_STATES]; /* of these, added by the last reading */
};

/* Of one thread, whichever GILs it uses. The thread writes, the drain thread reads. */
struct gs_counts {
    uint32_t version; /* odd while the thread writes what follows */
    uint32_t state;   /* enum gs_count_state */
    uint64_t since_t; /* when the state began */
    uint64_t next_read_t;
    uint64_t in[GS_N_COUNT_STATES];       /* ticks since the last reading */
    uint64_t fresh_in[GS_N_COUNT_STATES]; /* ticks between the last two */
    uint32_t pages_seen;                  /* bits: of which page `last` is a value */
    struct gs_count_sums sums[GS_MAX_COUNTERS];
};

/* The drain thread's own of a thread, see perf_events.h and count_records.h. */
struct gs_counts_of_thread {
    struct gs_counts counts;
    void *page[GS_MAX_COUNTERS]; /* struct perf_event_mmap_page; stays while the thread lives */
    int32_t fd_plus_1[GS_MAX_COUNTERS];
    bool is_open;
    struct gs_perf_value {
        uint64_t count, enabled_ns, running_ns;
    } value[GS_MAX_COUNTERS];                    /* of descriptors that are closed */
    struct gs_perf_value shown[GS_MAX_COUNTERS]; /* last written */
};

/* A recording begins in the calling thread: what it counted before is not the recording's. */
void gs_counts_begin(void);
/* A thread is met, first of its states. CTX: hooks. */
void gs_counts_thread(struct gs_thread *t, uint32_t tid);
/* `ended` is over, `next` begins. must: read now, at contended points. CTX: hooks. */
void gs_counts_turn(struct gs_thread *t, enum gs_count_state ended, enum gs_count_state next,
                    uint64_t now, bool must);
/* The last `ticks` of `state`, which ended just now, were spent under `stack`: a COUNTED row for
 * each counter that counted something in them, while the ring is half empty: turns go first.
 * points: how many points of the sampler of holds fell into them, 0 where nothing was sampled. CTX:
 * hooks. */
void gs_counts_stack(struct gs_thread *t, enum gs_count_state state, uint32_t stack, uint64_t ticks,
                     uint32_t points);

/* The kernel's accounts of one thread or of the process, less what came before the recording. */
struct gs_accounts {
    uint64_t cpu_ns, minor_faults, major_faults, switches;
};
uint64_t gs_account_of(const struct gs_accounts *a, enum gs_account which);
/* What the thread that began the recording, and the process, had counted then. */
extern struct gs_accounts gs_counts_base, gs_counts_process_base;
extern uint32_t gs_counts_base_tid;
/* who: RUSAGE_SELF or RUSAGE_THREAD. */
struct gs_accounts gs_accounts_now(int who, bool want_cpu);

/* `value` of counter k is new, of the states that c->in says. */
void gs_counts_add(struct gs_counts *c, uint32_t k, uint64_t value);

#endif

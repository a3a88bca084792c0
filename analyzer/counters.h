/* SPDX-License-Identifier: MIT
 * Counters by thread and state of the GIL (`run --counters`): what the records say, and sums of it.
 */
#ifndef GS_COUNTERS_H
#define GS_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"

#define GS_COUNTS_MAX_COUNTERS 64u /* numbers from it on are ignored */

enum gs_counts_state {
    GS_COUNTS_HOLDING,
    GS_COUNTS_WAITING,
    GS_COUNTS_OFF_GIL,
    GS_N_COUNTS_STATES
};

struct gs_prof_counter {
    uint32_t counter; /* its number in the capture */
    uint32_t source;  /* enum gs_counter_source; GS_COUNTER_NONE for one that nobody knows */
    char *name, *why_not;
};
/* What one counter says of one thread. */
struct gs_prof_counts {
    int64_t thread;                  /* index within the process; -1: the process, without states */
    uint32_t tid;                    /* 0 for the process */
    size_t at;                       /* of the counter in counters[] */
    uint64_t t_ns;                   /* of the record */
    uint64_t count;                  /* as it was read; task-clock in ns */
    uint64_t enabled_ns, running_ns; /* 0: it did not share the hardware */
    uint64_t in[GS_N_COUNTS_STATES]; /* parts of count */
    uint64_t shared;                 /* of these, shared out by time */
};
/* What one counter counted under one stack, over all threads; scaled. All rows of a counter and
 * state add up to gs_counters_in(), or more: rows can be newer than the last COUNTS. */
struct gs_prof_count_row {
    uint32_t process, node;
    uint32_t at; /* of the counter in the process's counters[] */
    uint64_t in[GS_N_COUNTS_STATES];
    uint64_t estimated; /* of these, shared by samples */
};
static inline uint64_t gs_count_row_sum(const struct gs_prof_count_row *r)
{
    return r->in[GS_COUNTS_HOLDING] + r->in[GS_COUNTS_WAITING] + r->in[GS_COUNTS_OFF_GIL];
}
struct gs_prof_counters {
    struct gs_prof_counter *counters; /* by number */
    size_t n_counters, cap_counters;
    struct gs_prof_counts *counts; /* by thread, then counter; the process's first */
    size_t n_counts, cap_counts;
    struct gs_idmap map; /* while it is read: thread, counter -> counts[] */
};

/* Where the event shared the hardware: what it would have counted alone. */
uint64_t gs_counts_scaled(const struct gs_prof_counts *c, uint64_t part);
/* Of a state, over all threads, scaled. */
uint64_t gs_counters_in(const struct gs_prof_counters *c, size_t at, enum gs_counts_state state);
/* What was told of no state, over all threads and those that ended unseen. */
uint64_t gs_counters_untold(const struct gs_prof_counters *c, size_t at);
/* The process's, scaled; where it has none, the sum of its threads'. */
uint64_t gs_counters_all(const struct gs_prof_counters *c, size_t at);
/* The counter of that name which was counted; -1: there is none. */
int64_t gs_counters_find(const struct gs_prof_counters *c, const char *name);
/* instructions a cycle in that state, in thousandths; false where one of them was not counted. */
bool gs_counters_ipc(const struct gs_prof_counters *c, enum gs_counts_state state,
                     uint64_t *thousandths);
void gs_counters_free(struct gs_prof_counters *c);

#endif

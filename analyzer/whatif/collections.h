/* SPDX-License-Identifier: MIT
 * Garbage collections: what the recording's took and were for.
 */
#ifndef GS_WHATIF_COLLECTIONS_H
#define GS_WHATIF_COLLECTIONS_H

#include "analyzer/columns.h"

struct gs_gc_load {     /* of all interpreters together */
    uint64_t time_ns;   /* that collections took */
    uint64_t found_ns;  /* of it, where it is known in which thread */
    uint64_t asked_for; /* collections by gc.collect(), as far as can be told */
    double garbage;     /* containers that came to stay, or until a collection freed them */
    double live;        /* containers, on average over time */
};
void gs_gc_account(const struct gs_recording *r, struct gs_gc_load *out);

/* Of one thread's turns: hold_ns of all_hold_ns, with looks that found found_ns of collections. */
uint64_t gs_gc_time_in(const struct gs_gc_load *load, uint64_t found_ns, uint64_t hold_ns,
                       uint64_t all_hold_ns);

#endif

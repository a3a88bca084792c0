/* SPDX-License-Identifier: MIT
 * Where rows go whose thread's ring is full, because the drain thread got no CPU for long, or that
 * has none: one table for all threads of the process. Its memory is touched only then. Many
 * producers, one consumer.
 */
#ifndef GS_RING_SPILL_H
#define GS_RING_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/ring.h"

#define GS_SPILL_SLOTS 32768u /* 1.25 MiB a process */
#define GS_STRANGER    ((struct gs_thread *)1)

struct gs_thread;

struct gs_spilled {
    struct gs_slot slot;
    struct gs_thread *thread; /* written last by the producer, cleared by the consumer: not yet
                               * recycled, for its ring is full; or GS_STRANGER */
};

/* Without memory there is no room. A forked child calls it again. */
void gs_spill_init(void);

/* Room for a row, in the thread's ring or here? CTX: hooks of that thread. */
bool gs_row_has_room(struct gs_thread *t);
/* The n (1 or 2) slots of one row; false when the room went to others. Wakes the drain thread when
 * it is time. CTX: as above, after gs_row_has_room(). */
bool gs_row_put(struct gs_thread *t, const struct gs_slot *s, uint32_t n);
/* A row of a thread that has no state: it never used the GIL. False when there is no room. CTX:
 * any. */
bool gs_row_put_stranger(const struct gs_slot *s, uint32_t n);

/* The i-th (0 or 1) oldest slot, or NULL when there is none that is complete. CTX: drain. */
const struct gs_spilled *gs_spill_peek(uint32_t i);
void gs_spill_pop(uint32_t n);

#endif

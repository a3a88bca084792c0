/* SPDX-License-Identifier: MIT
 * Rows of the SYNC stream. CTX of all functions: hooks of the calling thread, which holds the GIL
 * or asks for it.
 */
#ifndef GS_SYNC_ROWS_H
#define GS_SYNC_ROWS_H

#include <stdint.h>

#include "preload/trace/trace_format.h"

struct gs_thread;

/* A thread that was away from the GIL for this long reads its CPU clock when it comes back: how
 * much of that was work, how much waiting. And when it did not read it for so long: how much of its
 * turns it had a core. */
#define GS_AWAY_NS 50000u
#define GS_LOOK_NS 1000000u

void gs_sync_begin(void); /* a recording begins: the clock's rate is known */
/* An operation is over at `now`. */
void gs_sync_row(enum gs_sync_op op, uintptr_t object, uint64_t value, uint64_t now);
/* The thread asks for the GIL, or has it without having asked, at `now`. */
void gs_sync_back(struct gs_thread *t, uint64_t now);

#endif

/* SPDX-License-Identifier: MIT
 * Watches for long holds from the drain thread: a turn that has been open for more than 10 ms has
 * its holder's frames sampled at each tick, without stopping it. Such a turn is then recorded whole
 * at its release, whoever waited. Drain thread only.
 */
#ifndef GS_HOLD_WATCH_H
#define GS_HOLD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/ring.h"

extern struct gs_ring gs_hold_watch_ring; /* the samples, drained like a thread's */

void gs_hold_watch(uint64_t now);
/* Has any GIL been in use lately? Then ticks are short. */
bool gs_hold_watch_active(void);
void gs_hold_watch_forget(void);

#endif

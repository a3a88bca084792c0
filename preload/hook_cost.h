/* SPDX-License-Identifier: MIT
 * What one hook costs on this machine: timed once, in the constructor, on a GIL of our own. The
 * agent's account of its cost stands on it.
 */
#ifndef GS_HOOK_COST_H
#define GS_HOOK_COST_H

#include <stdint.h>

/* Picoseconds one plain turn's signal adds between the locks CPython has around it; 0 when there is
 * no memory for the trial. About 50 us. CTX: before recording begins. */
uint32_t gs_hook_cost_measure(void);

#endif

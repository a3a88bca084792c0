/* SPDX-License-Identifier: MIT
 * Keeps what recording costs within the budget: every 5 s it compares the cost it can shed (stacks,
 * samples, the drain thread) with the process's CPU time, and takes one step down when over it.
 * Each step is a LEVEL record.
 */
#ifndef GS_GOVERNOR_H
#define GS_GOVERNOR_H

#include <stdint.h>

void gs_governor_tick(uint64_t now);
void gs_governor_forget(void);

#endif

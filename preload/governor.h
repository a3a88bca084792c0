/* SPDX-License-Identifier: MIT
 * Keeps what recording costs within the budget: every 5 s it compares the cost it can shed (stacks,
 * samples, rows) with the process's CPU time, and takes one step down when over it for the second
 * time in a row. Each step is a LEVEL record. What the drain thread takes whatever the detail, to
 * wake up and to look at memory, which has a budget of its own, would not become less by it.
 */
#ifndef GS_GOVERNOR_H
#define GS_GOVERNOR_H

#include <stdint.h>

void gs_governor_tick(uint64_t now);
void gs_governor_forget(void);
/* CPU time of the drain thread, from one to the other, that less detail would save. */
uint64_t gs_governor_work_begins(void);
void gs_governor_work_ends(uint64_t began_ns);

#endif

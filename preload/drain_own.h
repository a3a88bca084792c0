/* SPDX-License-Identifier: MIT
 * What the drain thread asks the kernel for, for itself alone.
 */
#ifndef GS_DRAIN_OWN_H
#define GS_DRAIN_OWN_H

#include <stdbool.h>

/* Its own table of descriptors, empty: nothing the process opens or closes is the agent's, or the
 * other way round. False where the kernel refuses. */
bool gs_drain_own_fds(void);
/* A short time slice gets this thread on a core soon after it is woken, even when all are busy: it
 * has little to do, and a fork may wait for it. Linux 6.12 and later; elsewhere it changes nothing.
 */
void gs_drain_own_slices(void);

#endif

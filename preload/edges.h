/* SPDX-License-Identifier: MIT
 * Waker -> wakee edges: a Python thread that blocks on a semaphore, and the post that ended it. A
 * small table by semaphore address; a post nobody waits for costs one load. Exact for semaphores
 * with one waiter (PyThread locks, parked mutexes); with several the last poster is named.
 */
#ifndef GS_EDGES_H
#define GS_EDGES_H

#include <stdint.h>

struct gs_edge_wait {
    uint64_t begin_t;
    uint32_t bucket, stack;
};

/* CTX: sem_wait family and sem_post called by Python; no malloc, no lock, errno untouched. */
struct gs_edge_wait gs_edge_wait_begin(uintptr_t sem);
void gs_edge_wait_end(const struct gs_edge_wait *w, uintptr_t sem, int rc);
void gs_edge_post(uintptr_t sem);
void gs_edges_forget(void);

#endif

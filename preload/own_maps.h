/* SPDX-License-Identifier: MIT
 * The agent's own memory: mapped, never malloc'ed, and remembered, so that a report can tell it
 * from the program's.
 */
#ifndef GS_OWN_MAPS_H
#define GS_OWN_MAPS_H

#include <stddef.h>
#include <stdint.h>

/* NULL on failure. Zeroed, private, never backed by a file. CTX: any hook. */
void *gs_map(size_t len);
void gs_unmap(void *p, size_t len);
/* Resident bytes of it between two addresses. CTX: drain. */
uint64_t gs_own_maps_rss(uintptr_t lo, uintptr_t hi);
/* Resident bytes between two addresses, whole pages; 0 where something is not mapped. CTX: drain.
 */
uint64_t gs_resident_bytes(uintptr_t lo, uintptr_t hi);

#endif

/* SPDX-License-Identifier: MIT
 * /proc/self/smaps, summed up by what mappings are for.
 */
#ifndef GS_MEMORY_MAPS_H
#define GS_MEMORY_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/trace/trace_format.h"

#define GS_MAP_KINDS (GS_MAP_OTHER + 1)

struct gs_maps {
    uint64_t rss_bytes, pss_bytes, anonymous_bytes, private_bytes, swap_bytes;
    uint64_t rss_of[GS_MAP_KINDS]; /* by enum gs_map_kind */
    uintptr_t heap_lo, heap_hi;    /* the C library's heap; 0 where there is none */
};

/* `arenas_rss` says how many resident bytes between two addresses are arenas. False where /proc is
 * out of reach. The kernel walks the page tables: about 1 ms a GiB. */
bool gs_maps_read(struct gs_maps *out, uint64_t (*arenas_rss)(uintptr_t lo, uintptr_t hi));

#endif

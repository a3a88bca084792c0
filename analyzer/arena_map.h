/* SPDX-License-Identifier: MIT
 * The map of arenas that the report shows: at a few times, the pools of the arenas that changed.
 * Bounded, however large the recording is: see the limits in arena_map.c.
 */
#ifndef GS_ARENA_MAP_H
#define GS_ARENA_MAP_H

#include "analyzer/arenas.h"
#include "analyzer/columns.h"

/* `whole`: a replay that has reached its end. False if there is no arena to show; *out is empty. */
bool gs_arena_map_make(const struct gs_recording *r, const struct gs_stacks *stacks,
                       const struct gs_arena_replay *whole, struct gs_prof_arena_map *out);
/* Takes snapshots, then maps, out of the job's until the page can hold them. */
void gs_arena_maps_fit(struct gs_prof_arena_map *maps, size_t n);
void gs_arena_map_free(struct gs_prof_arena_map *m);

#endif

/* SPDX-License-Identifier: MIT
 * Thread and stack -> actor, for rows, which ask for two each. In front of the map of actors stands
 * a table: by thread, then by the stack's place among the recording's.
 */
#ifndef GS_ACTORS_H
#define GS_ACTORS_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"
#include "analyzer/stacks.h"

#define GS_ACTOR_THREADS 4096u /* ids below have tables, as long as there is room */

/* A stack's place: 0 for none and for ids never defined; with GS_PLACE_KNOWN where there are frames
 * to show. */
#define GS_PLACE_KNOWN   (UINT32_C(1) << 31)

struct gs_actor_tables {
    const struct gs_definitions *defs;
    const struct gs_stacks *stacks;
    uint32_t *place_of; /* of the ids below n_ids */
    size_t n_ids;
    uint32_t *by_place[GS_ACTOR_THREADS]; /* actor, or GS_IDMAP_NONE: nobody asked yet */
    size_t n_places;
    size_t room; /* tables that may still be made */
};
/* Definitions stay as they are while the tables are open. */
void gs_actor_tables_open(struct gs_actor_tables *t, const struct gs_definitions *defs,
                          const struct gs_stacks *stacks);
void gs_actor_tables_close(struct gs_actor_tables *t);
uint32_t gs_place_of_stack(const struct gs_actor_tables *t, uint32_t stack);

uint32_t gs__actor_add(struct gs_actor_tables *t, struct gs_idmap *actors, uint32_t thread,
                       uint32_t place);
/* actors: thread id, node; the same map in all calls. */
static inline uint32_t gs_actor_of(struct gs_actor_tables *t, struct gs_idmap *actors,
                                   uint32_t thread, uint32_t place)
{
    const uint32_t *table = thread < GS_ACTOR_THREADS ? t->by_place[thread] : NULL;
    uint32_t actor = table ? table[place & ~GS_PLACE_KNOWN] : GS_IDMAP_NONE;
    return actor != GS_IDMAP_NONE ? actor : gs__actor_add(t, actors, thread, place);
}

/* Of a row: the same twice. */
struct gs_actor_pair {
    uint32_t hold, wait;
};
static inline struct gs_actor_pair gs_actors_of(struct gs_actor_tables *t, struct gs_idmap *actors,
                                                uint32_t thread, uint32_t hold, uint32_t wait)
{
    const uint32_t *table = thread < GS_ACTOR_THREADS ? t->by_place[thread] : NULL;
    struct gs_actor_pair both = {GS_IDMAP_NONE, GS_IDMAP_NONE};
    if (table)
        both = (struct gs_actor_pair){table[hold & ~GS_PLACE_KNOWN], table[wait & ~GS_PLACE_KNOWN]};
    if (both.hold == GS_IDMAP_NONE)
        both.hold = gs__actor_add(t, actors, thread, hold);
    if (both.wait == GS_IDMAP_NONE)
        both.wait = gs__actor_add(t, actors, thread, wait);
    return both;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "analyzer/actors.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define TABLE_BYTES ((size_t)32 << 20) /* of all tables together */

static uint32_t node_of(const struct gs_actor_tables *t, uint32_t place)
{
    place &= ~GS_PLACE_KNOWN;
    return place ? t->defs->stack_node[place - 1] : t->stacks->no_stack;
}

static uint32_t place_at(const struct gs_actor_tables *t, uint32_t at)
{
    return (at + 1) | (node_of(t, at + 1) != t->stacks->no_stack ? GS_PLACE_KNOWN : 0);
}

static uint32_t find_place(const struct gs_actor_tables *t, uint32_t stack)
{
    uint32_t at =
        stack == GS_STACK_NONE ? GS_IDMAP_NONE : gs_idmap_find(&t->defs->stack_map, stack);
    return at == GS_IDMAP_NONE ? 0 : place_at(t, at);
}

/* Ids are dense, as a rule: most are below twice their number. */
void gs_actor_tables_open(struct gs_actor_tables *t, const struct gs_definitions *defs,
                          const struct gs_stacks *stacks)
{
    memset(t, 0, sizeof(*t));
    t->defs = defs;
    t->stacks = stacks;
    t->n_places = defs->n_stacks + 1;
    t->room = TABLE_BYTES / (t->n_places * sizeof(**t->by_place));
    t->n_ids = 2 * defs->n_stacks;
    t->place_of = gs_xcalloc(t->n_ids, sizeof(*t->place_of));
    for (uint32_t i = 0; i < defs->n_stacks; i++) {
        uint64_t id = defs->stack_map.keys[i];
        if (id != GS_STACK_NONE && id < t->n_ids)
            t->place_of[id] = place_at(t, i);
    }
}

void gs_actor_tables_close(struct gs_actor_tables *t)
{
    for (size_t i = 0; i < GS_ACTOR_THREADS; i++)
        free(t->by_place[i]);
    free(t->place_of);
    memset(t, 0, sizeof(*t));
}

uint32_t gs_place_of_stack(const struct gs_actor_tables *t, uint32_t stack)
{
    return stack < t->n_ids ? t->place_of[stack] : find_place(t, stack);
}

uint32_t gs__actor_add(struct gs_actor_tables *t, struct gs_idmap *actors, uint32_t thread,
                       uint32_t place)
{
    uint32_t actor = gs_idmap_add(actors, gs_pack32(thread, node_of(t, place)));
    if (thread >= GS_ACTOR_THREADS)
        return actor;
    if (!t->by_place[thread] && t->room) {
        t->room--;
        t->by_place[thread] = gs_xmalloc(t->n_places, sizeof(**t->by_place));
        memset(t->by_place[thread], 0xff, t->n_places * sizeof(**t->by_place));
    }
    if (t->by_place[thread])
        t->by_place[thread][place & ~GS_PLACE_KNOWN] = actor;
    return actor;
}

/* SPDX-License-Identifier: MIT
 * Cells: what most rows add to, see engine_cpu.h.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cpu.h"
#include "analyzer/xalloc.h"

void gs__cells_reserve(struct gs__worker *w, size_t n)
{
    size_t old = w->cap_cells, cap = n + n / 2;
    if (n <= old)
        return;
    struct gs__cell *cells = gs_xaligned(cap, sizeof(*cells));
    if (old)
        memcpy(cells, w->cells, old * sizeof(*cells));
    memset(cells + old, 0, (cap - old) * sizeof(*cells));
    free(w->cells);
    w->cells = cells;
    w->cap_cells = cap;
}

static void empty(const struct gs__cell *c, struct gs_actor_sums *a)
{
    const uint64_t count = (UINT64_C(1) << GS__COUNT_BITS) - 1;
    a->hold_ns += c->hold >> GS__COUNT_BITS;
    a->hold_count += c->hold & count;
    a->blamed_ns += c->blamed >> GS__COUNT_BITS;
    a->forced += c->blamed & count;
    a->wait_ns += c->wait >> GS__COUNT_BITS;
    a->wait_count += c->wait & count;
    if (c->wait_max_ns > a->wait_max_ns)
        a->wait_max_ns = c->wait_max_ns;
    a->acquires += c->turns;
    a->releases += c->turns;
}

void gs__actor_add_to(const struct gs__worker *w, size_t actor, struct gs_actor_sums *into)
{
    if (actor < w->out.cap_actors)
        gs_actor_sums_add(into, &w->out.actors[actor]);
    empty(&w->cells[actor], into);
}

static void empty_all(struct gs__worker *w)
{
    gs_gil_result_reserve(&w->out, w->n_actors);
    for (size_t i = 0; i < w->n_actors; i++)
        empty(&w->cells[i], &w->out.actors[i]);
    if (w->n_actors)
        memset(w->cells, 0, w->n_actors * sizeof(*w->cells));
    w->cell_count = w->cell_ns = 0;
}

bool gs__cells_make_room(struct gs__worker *w, uint64_t ns, uint64_t count)
{
    bool is_long = ns >= GS__LONG_NS;
    w->cell_ns -= ns;
    w->cell_count -= count;
    if (is_long)
        return false;
    empty_all(w);
    w->cell_ns = ns;
    w->cell_count = count;
    return true;
}

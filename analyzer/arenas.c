/* SPDX-License-Identifier: MIT */
#include "analyzer/arenas.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

static uint32_t blocks_in_pool(uint32_t pool_bytes, uint32_t size_class)
{
    return (pool_bytes - GS_POOL_HDR_BYTES) / (16 * size_class);
}

static unsigned kind_of(uint16_t cell)
{
    if (!GS_POOL_CELL_CLASS(cell))
        return GS_POOLS_UNUSED;
    return GS_POOL_CELL_USED(cell) ? GS_POOL_CELL_CLASS(cell) : GS_POOLS_EMPTIED;
}

/* A cell as the format wants it read: no class above 32, no more blocks than the pool holds. */
static uint16_t clean_cell(const struct gs_rec_arena *a, uint16_t cell)
{
    uint32_t size_class = GS_POOL_CELL_CLASS(cell), used = GS_POOL_CELL_USED(cell);
    if (size_class == 0 || size_class > GS_POOL_CLASSES)
        return 0;
    uint32_t most = blocks_in_pool(a->pool_bytes, size_class);
    return (uint16_t)GS_POOL_CELL(size_class, used < most ? used : most);
}

static void add_pools(const struct gs_rec_arena *a, const uint16_t *cells,
                      struct gs_pool_sums sums[GS_N_POOL_KINDS])
{
    for (uint32_t i = 0; i < a->n_pools; i++) {
        unsigned kind = kind_of(cells[i]);
        struct gs_pool_sums *s = &sums[kind];
        s->pools++;
        s->pool_bytes += a->pool_bytes;
        if (kind == GS_POOLS_UNUSED || kind == GS_POOLS_EMPTIED)
            continue;
        s->blocks_used += GS_POOL_CELL_USED(cells[i]);
        s->blocks_total += blocks_in_pool(a->pool_bytes, kind);
    }
}

static void take_pools(const struct gs_rec_arena *a, const uint16_t *cells,
                       struct gs_pool_sums sums[GS_N_POOL_KINDS])
{
    struct gs_pool_sums own[GS_N_POOL_KINDS] = {{0}};
    add_pools(a, cells, own);
    for (unsigned k = 0; k < GS_N_POOL_KINDS; k++) {
        sums[k].pools -= own[k].pools;
        sums[k].pool_bytes -= own[k].pool_bytes;
        sums[k].blocks_used -= own[k].blocks_used;
        sums[k].blocks_total -= own[k].blocks_total;
    }
}

struct gs_arena_bytes gs_arena_bytes_of(const struct gs_pool_sums sums[GS_N_POOL_KINDS])
{
    struct gs_arena_bytes b = {.emptied = sums[GS_POOLS_EMPTIED].pool_bytes,
                               .unused = sums[GS_POOLS_UNUSED].pool_bytes};
    for (unsigned c = 1; c <= GS_POOL_CLASSES; c++) {
        uint64_t used = 16 * c * sums[c].blocks_used, all = 16 * c * sums[c].blocks_total;
        b.used += used;
        b.free += all - used;
        b.overhead += sums[c].pool_bytes - all;
    }
    return b;
}

struct gs_arena_bytes gs_arena_replay_bytes(const struct gs_arena_replay *p, uint32_t arena)
{
    struct gs_pool_sums own[GS_N_POOL_KINDS] = {{0}};
    add_pools(&p->rows->arenas[arena], p->arenas[arena].cells, own);
    return gs_arena_bytes_of(own);
}

/* ---- events ---- */

struct event {
    uint64_t t_ns;
    uint32_t arena;
};

static int by_time(const void *pa, const void *pb)
{
    const struct event *a = pa, *b = pb;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return a->arena < b->arena ? -1 : a->arena > b->arena;
}

static uint32_t *sorted_arenas(struct event *events, size_t n)
{
    uint32_t *out = gs_xmalloc(n, sizeof(*out));
    if (n)
        qsort(events, n, sizeof(*events), by_time);
    for (size_t i = 0; i < n; i++)
        out[i] = events[i].arena;
    return out;
}

/* An arena without pools, or one that ended before it began, has nothing to replay. */
static bool takes_part(const struct gs_rec_arena *a)
{
    return a->n_pools && a->born_ns < a->died_ns;
}

void gs_arena_replay_open(struct gs_arena_replay *p, const struct gs_memory_rows *rows)
{
    struct event *births = gs_xmalloc(rows->n_arenas, sizeof(*births));
    struct event *deaths = gs_xmalloc(rows->n_arenas, sizeof(*deaths));
    memset(p, 0, sizeof(*p));
    p->rows = rows;
    gs_row_cursor_open(&p->readings, &rows->pools);
    p->arenas = gs_xcalloc(rows->n_arenas, sizeof(*p->arenas));
    p->changed = gs_xmalloc(rows->n_arenas, sizeof(*p->changed));
    for (size_t i = 0; i < rows->n_arenas; i++) {
        const struct gs_rec_arena *a = &rows->arenas[i];
        if (!takes_part(a))
            continue;
        births[p->n_events] = (struct event){a->born_ns, (uint32_t)i};
        deaths[p->n_events++] = (struct event){a->died_ns, (uint32_t)i};
    }
    p->births = sorted_arenas(births, p->n_events);
    p->deaths = sorted_arenas(deaths, p->n_events);
    free(births);
    free(deaths);
}

static void mark_changed(struct gs_arena_replay *p, uint32_t arena)
{
    if (p->arenas[arena].changed)
        return;
    p->arenas[arena].changed = true;
    p->changed[p->n_changed++] = arena;
}

void gs_arena_replay_seen(struct gs_arena_replay *p)
{
    for (size_t i = 0; i < p->n_changed; i++)
        p->arenas[p->changed[i]].changed = false;
    p->n_changed = 0;
}

static void be_born(struct gs_arena_replay *p, uint32_t arena)
{
    p->arenas[arena].lives = true;
    if (p->arenas[arena].is_read)
        add_pools(&p->rows->arenas[arena], p->arenas[arena].cells, p->sums);
    mark_changed(p, arena);
}

static void die(struct gs_arena_replay *p, uint32_t arena)
{
    p->arenas[arena].lives = false;
    if (p->arenas[arena].is_read)
        take_pools(&p->rows->arenas[arena], p->arenas[arena].cells, p->sums);
}

static void put_cells(struct gs_arena_state *s, const struct gs_rec_arena *a,
                      const struct gs_rec_pools *row)
{
    for (unsigned i = 0; i < 4 && 4 * row->quad + i < a->n_pools; i++)
        s->cells[4 * row->quad + i] = clean_cell(a, (uint16_t)(row->cells >> 16 * i));
}

/* The next row, and those of the same time and arena: they are one reading. */
static void read_arena(struct gs_arena_replay *p)
{
    const struct gs_rec_pools *row = gs_row_peek(&p->readings);
    uint64_t t_ns = row->t_ns;
    uint32_t arena = row->arena;
    const struct gs_rec_arena *a = &p->rows->arenas[arena];
    struct gs_arena_state *s = &p->arenas[arena];
    if (s->lives && s->is_read)
        take_pools(a, s->cells, p->sums);
    s->is_read = true;
    memset(s->cells, 0, sizeof(s->cells));
    for (; row && row->t_ns == t_ns && row->arena == arena; row = gs_row_peek(&p->readings))
        put_cells(s, a, gs_row_next(&p->readings));
    if (s->lives) {
        add_pools(a, s->cells, p->sums);
        mark_changed(p, arena);
    }
    if (t_ns < a->born_ns || t_ns >= a->died_ns)
        return;
    struct gs_arena_bytes now = gs_arena_replay_bytes(p, arena);
    if (gs_arena_pinned(&now) > s->worst_pinned)
        s->worst_pinned = gs_arena_pinned(&now);
}

static bool has_reading(struct gs_arena_replay *p, uint64_t t_ns)
{
    const struct gs_rec_pools *row = gs_row_peek(&p->readings);
    return row && row->t_ns <= t_ns;
}

/* What holds at t_ns does not depend on the order of the three: an arena carries its readings
 * whether it lives or not. */
void gs_arena_replay_to(struct gs_arena_replay *p, uint64_t t_ns)
{
    const struct gs_memory_rows *m = p->rows;
    while (p->next_birth < p->n_events && m->arenas[p->births[p->next_birth]].born_ns <= t_ns)
        be_born(p, p->births[p->next_birth++]);
    while (p->next_death < p->n_events && m->arenas[p->deaths[p->next_death]].died_ns <= t_ns)
        die(p, p->deaths[p->next_death++]);
    while (has_reading(p, t_ns))
        read_arena(p);
}

void gs_arena_replay_close(struct gs_arena_replay *p)
{
    gs_row_cursor_close(&p->readings);
    free(p->arenas);
    free(p->births);
    free(p->deaths);
    free(p->changed);
    memset(p, 0, sizeof(*p));
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/memory_rows.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define POOL_BYTES_MIN 1024u /* CPython: 4 KiB up to 3.9, 16 KiB since */
#define POOL_BYTES_MAX (1u << 20)

#define COMPARE(a, b, field)                                                                       \
    if ((a)->field != (b)->field)                                                                  \
    return (a)->field < (b)->field ? -1 : 1

struct gs_rec_arena *gs_memory_arena(struct gs_memory_rows *m, uint32_t id)
{
    uint32_t at = gs_idmap_add(&m->arena_map, id);
    if (at == m->n_arenas) {
        struct gs_rec_arena a = {.id = id, .died_ns = GS_NEVER_NS};
        GS_PUSH(m->arenas, m->n_arenas, m->cap_arenas, a);
    }
    return &m->arenas[at];
}

/* From the first address that is a multiple of pool_bytes, wholly inside. */
void gs_memory_place_pools(struct gs_rec_arena *a, uint64_t pool_bytes)
{
    if (pool_bytes < POOL_BYTES_MIN || pool_bytes > POOL_BYTES_MAX || a->bytes > GS_BYTES_MAX ||
        a->address > UINT64_MAX / 2)
        return;
    uint64_t first = (a->address + pool_bytes - 1) / pool_bytes * pool_bytes;
    uint64_t skipped = first - a->address;
    uint64_t n = a->bytes > skipped ? (a->bytes - skipped) / pool_bytes : 0;
    a->pool_bytes = (uint32_t)pool_bytes;
    a->n_pools = n < GS_ARENA_POOLS ? (uint32_t)n : GS_ARENA_POOLS;
}

/* A chunk of 200 bytes can hold 4096 equal rows: they must not take memory. */
static bool is_said(const struct gs_memory_rows *m, const struct gs_rec_pools *row)
{
    const struct gs_rec_pools *last = m->n_pools ? &m->pools[m->n_pools - 1] : NULL;
    return last && last->t_ns == row->t_ns && last->arena == row->arena &&
           last->quad == row->quad && last->cells == row->cells;
}

void gs_memory_add_pools(struct gs_memory_rows *m, uint64_t t_ns, uint64_t arena, uint64_t quad,
                         uint64_t cells)
{
    uint32_t at = arena <= UINT32_MAX ? gs_idmap_find(&m->arena_map, arena) : GS_IDMAP_NONE;
    m->seen = true;
    if (at == GS_IDMAP_NONE || !m->arenas[at].n_pools) {
        m->homeless_pools++;
        return;
    }
    if (quad >= GS_ARENA_POOLS / 4)
        return;
    struct gs_rec_pools row = {t_ns, cells, at, (uint32_t)quad};
    if (!is_said(m, &row))
        GS_PUSH(m->pools, m->n_pools, m->cap_pools, row);
}

void gs_memory_add_alloc(struct gs_memory_rows *m, const struct gs_rec_alloc *row)
{
    m->seen = true;
    if (m->n_allocs && m->allocs[m->n_allocs - 1].id == row->id)
        return; /* an id is never given twice */
    GS_PUSH(m->allocs, m->n_allocs, m->cap_allocs, *row);
}

void gs_memory_add_free(struct gs_memory_rows *m, const struct gs_rec_free *row)
{
    m->seen = true;
    if (m->n_freed && m->freed[m->n_freed - 1].id == row->id)
        return;
    GS_PUSH(m->freed, m->n_freed, m->cap_freed, *row);
}

/* Of two rows that contradict each other the greater cells come last, and so count. */
static int by_reading(const void *pa, const void *pb)
{
    const struct gs_rec_pools *a = pa, *b = pb;
    COMPARE(a, b, t_ns);
    COMPARE(a, b, arena);
    COMPARE(a, b, quad);
    COMPARE(a, b, cells);
    return 0;
}

static int by_time(const void *pa, const void *pb)
{
    const struct gs_rec_rss *a = pa, *b = pb;
    COMPARE(a, b, t_ns);
    COMPARE(a, b, order);
    return 0;
}

static int by_id(const void *pa, const void *pb)
{
    const struct gs_rec_alloc *a = pa, *b = pb;
    COMPARE(a, b, id);
    COMPARE(a, b, t_ns);
    COMPARE(a, b, address);
    COMPARE(a, b, bytes);
    COMPARE(a, b, points);
    COMPARE(a, b, node);
    return 0;
}

static int by_freed_id(const void *pa, const void *pb)
{
    const struct gs_rec_free *a = pa, *b = pb;
    COMPARE(a, b, id);
    COMPARE(a, b, t_ns);
    return 0;
}

/* Most captures are in order already, and large. */
static void sort(void *base, size_t n, size_t size, int (*order)(const void *, const void *))
{
    const char *row = base;
    for (size_t i = 1; i < n; i++, row += size)
        if (order(row, row + size) > 0) {
            qsort(base, n, size, order);
            return;
        }
}

static void drop_repeated_allocs(struct gs_memory_rows *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n_allocs; i++)
        if (kept == 0 || m->allocs[kept - 1].id != m->allocs[i].id)
            m->allocs[kept++] = m->allocs[i];
    m->n_allocs = kept;
}

void gs_memory_rows_sort(struct gs_memory_rows *m)
{
    sort(m->pools, m->n_pools, sizeof(*m->pools), by_reading);
    sort(m->rss, m->n_rss, sizeof(*m->rss), by_time);
    sort(m->allocs, m->n_allocs, sizeof(*m->allocs), by_id);
    sort(m->freed, m->n_freed, sizeof(*m->freed), by_freed_id);
    drop_repeated_allocs(m);
}

void gs_memory_rows_free(struct gs_memory_rows *m)
{
    gs_idmap_free(&m->arena_map);
    free(m->arenas);
    free(m->pools);
    free(m->rss);
    free(m->heaps);
    free(m->allocs);
    free(m->freed);
    free(m->no_arenas);
    free(m->no_allocs);
    memset(m, 0, sizeof(*m));
}

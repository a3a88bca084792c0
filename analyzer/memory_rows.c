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

enum gs_pools_use gs_memory_pools_at(const struct gs_memory_rows *m, uint64_t arena, uint64_t quad,
                                     struct gs_rec_pools *out)
{
    uint32_t at = arena <= UINT32_MAX ? gs_idmap_find(&m->arena_map, arena) : GS_IDMAP_NONE;
    if (at == GS_IDMAP_NONE || !m->arenas[at].n_pools)
        return GS_POOLS_HOMELESS;
    if (quad >= GS_ARENA_POOLS / 4)
        return GS_POOLS_NONSENSE;
    out->arena = at;
    out->quad = (uint32_t)quad;
    return GS_POOLS_USED;
}

/* ---- samples of allocations ---- */

static bool is_freed(const struct gs_memory_rows *m, uint64_t id)
{
    uint32_t at = gs_idmap_find(&m->freed.map, id / 64);
    return at != GS_IDMAP_NONE && m->freed.words[at] >> id % 64 & 1;
}

static void drop_freed(struct gs_memory_rows *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n_allocs; i++)
        if (!is_freed(m, m->allocs[i].id))
            m->allocs[kept++] = m->allocs[i];
    m->n_allocs = kept;
}

/* As the classes are: an interpreter that is torn down frees all it has, and what is left at the
 * end of the process tells nothing of the program. */
void gs_memory_find_live_ns(struct gs_memory_rows *m)
{
    m->live_ns = m->n_rss ? 0 : GS_NEVER_NS - 1;
    for (size_t i = 0; i < m->n_rss; i++)
        m->live_ns = m->rss[i].t_ns > m->live_ns ? m->rss[i].t_ns : m->live_ns;
}

/* An id is never given twice: of rows beside each other that do the first counts. */
void gs_memory_add_alloc(struct gs_memory_rows *m, const struct gs_rec_alloc *row)
{
    bool again = m->n_alloc_rows++ && m->last_alloc_id == row->id;
    m->seen = true;
    m->last_alloc_id = row->id;
    if (again || row->t_ns > m->live_ns || is_freed(m, row->id))
        return;
    if (m->n_allocs == m->cap_allocs) {
        drop_freed(m);
        if (m->n_allocs > m->cap_allocs / 2) /* so that dropping stays rare */
            GS_RESERVE(m->allocs, 2 * m->n_allocs, m->cap_allocs);
    }
    GS_PUSH(m->allocs, m->n_allocs, m->cap_allocs, *row);
}

void gs_memory_add_free(struct gs_memory_rows *m, uint64_t id, uint64_t t_ns)
{
    bool again = m->n_free_rows++ && m->last_free_id == id;
    m->seen = true;
    m->last_free_id = id;
    if (again || t_ns > m->live_ns)
        return;
    size_t n = m->freed.map.n, at = gs_idmap_add(&m->freed.map, id / 64);
    if (at == n) {
        GS_RESERVE(m->freed.words, n + 1, m->freed.cap);
        m->freed.words[at] = 0;
    }
    m->freed.words[at] |= UINT64_C(1) << id % 64;
}

/* ---- order ---- */

/* Of two rows that contradict each other the greater cells come last, and so count. */
int gs_memory_pools_order(const void *pa, const void *pb)
{
    const struct gs_rec_pools *a = pa, *b = pb;
    COMPARE(a, b, t_ns);
    COMPARE(a, b, arena);
    COMPARE(a, b, quad);
    COMPARE(a, b, cells);
    return 0;
}

bool gs_memory_pools_is_said(const void *before, const void *row)
{
    return gs_memory_pools_order(before, row) == 0;
}

static int by_time(const void *pa, const void *pb)
{
    const struct gs_rec_rss *a = pa, *b = pb;
    COMPARE(a, b, t_ns);
    COMPARE(a, b, order);
    return 0;
}

static int by_maps_time(const void *pa, const void *pb)
{
    const struct gs_rec_maps *a = pa, *b = pb;
    COMPARE(a, b, t_ns);
    COMPARE(a, b, rss_bytes);
    COMPARE(a, b, pss_bytes);
    COMPARE(a, b, uss_bytes);
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
    gs_row_stream_sort(&m->pools);
    sort(m->rss, m->n_rss, sizeof(*m->rss), by_time);
    sort(m->all_maps, m->n_all_maps, sizeof(*m->all_maps), by_maps_time);
    drop_freed(m);
    sort(m->allocs, m->n_allocs, sizeof(*m->allocs), by_id);
    drop_repeated_allocs(m);
}

void gs_memory_rows_free(struct gs_memory_rows *m)
{
    gs_idmap_free(&m->arena_map);
    free(m->arenas);
    gs_row_stream_free(&m->pools);
    free(m->rss);
    free(m->all_maps);
    free(m->heaps);
    free(m->allocs);
    gs_idmap_free(&m->freed.map);
    free(m->freed.words);
    free(m->no_arenas);
    free(m->no_allocs);
    memset(m, 0, sizeof(*m));
}

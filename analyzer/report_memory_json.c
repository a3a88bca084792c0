/* SPDX-License-Identifier: MIT
 * What the page embeds of memory beyond the stats: allocations by stack, and the maps of arenas.
 * Bounds of the maps: arena_map.c.
 */
#include <stdlib.h>

#include "analyzer/base64.h"
#include "analyzer/stats.h"
#include "analyzer/xalloc.h"

static void put_alloc_rows(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "alloc_rows");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", p->alloc_rows, p->n_alloc_rows, process);
    GS_JSON_COLUMN(j, "node", p->alloc_rows, p->n_alloc_rows, node);
    GS_JSON_COLUMN(j, "live", p->alloc_rows, p->n_alloc_rows, live_bytes);
    GS_JSON_COLUMN(j, "live_n", p->alloc_rows, p->n_alloc_rows, live_blocks);
    GS_JSON_COLUMN(j, "pinned", p->alloc_rows, p->n_alloc_rows, pinned_bytes);
    gs_json_end_object(j);
}

static void put_arenas(struct gs_json *j, const struct gs_prof_arena_map *m)
{
    gs_json_key(j, "arenas");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "id", m->arenas, m->n_arenas, id);
    GS_JSON_COLUMN(j, "address", m->arenas, m->n_arenas, address);
    GS_JSON_COLUMN(j, "born_ns", m->arenas, m->n_arenas, born_ns);
    gs_json_key(j, "died_ns");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < m->n_arenas; i++)
        gs_json_i64(j, m->arenas[i].died_ns);
    gs_json_end_array(j);
    GS_JSON_COLUMN(j, "bytes", m->arenas, m->n_arenas, bytes);
    GS_JSON_COLUMN(j, "pools", m->arenas, m->n_arenas, pools);
    GS_JSON_COLUMN(j, "node", m->arenas, m->n_arenas, node);
    gs_json_end_object(j);
}

/* Little-endian, one arena after another. */
static char *encode_cells(const struct gs_prof_cells *cells, size_t n)
{
    enum { ARENA_BYTES = 2 * GS_PROF_ARENA_POOLS };
    unsigned char *bytes = gs_xmalloc(n, ARENA_BYTES), *to = bytes;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < GS_PROF_ARENA_POOLS; k++) {
            *to++ = (unsigned char)cells[i].cells[k];
            *to++ = (unsigned char)(cells[i].cells[k] >> 8);
        }
    char *text = gs_base64(bytes, n * ARENA_BYTES);
    free(bytes);
    return text;
}

static void put_snapshot(struct gs_json *j, const struct gs_prof_arena_map *m,
                         const struct gs_prof_snapshot *s)
{
    const struct gs_prof_cells *first = m->cells ? m->cells + s->first : NULL;
    char *cells = encode_cells(first, s->n);
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "t_ns", s->t_ns);
    GS_JSON_COLUMN(j, "arena", first, s->n, arena);
    gs_json_kv_string(j, "cells", cells);
    gs_json_end_object(j);
    free(cells);
}

static void put_map(struct gs_json *j, const struct gs_prof_arena_map *m)
{
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "process", m->process);
    gs_json_kv_u64(j, "pool_bytes", m->pool_bytes);
    gs_json_kv_u64(j, "left_out", m->left_out);
    put_arenas(j, m);
    gs_json_key(j, "snapshots");
    gs_json_begin_array(j);
    for (size_t i = 0; i < m->n_snapshots; i++)
        put_snapshot(j, m, &m->snapshots[i]);
    gs_json_end_array(j);
    gs_json_end_object(j);
}

void gs_report_json_memory(struct gs_json *j, const struct gs_profile *p)
{
    put_alloc_rows(j, p);
    gs_json_key(j, "arena_maps");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_arena_maps; i++)
        put_map(j, &p->arena_maps[i]);
    gs_json_end_array(j);
}

/* SPDX-License-Identifier: MIT
 * Records of memory: ARENA to ALLOC_STATE -> gs_memory_rows. The last one of those that say what
 * is at some time is the one with the greatest time; of two alike, the later one.
 */
#include <stdlib.h>

#include "analyzer/records.h"
#include "analyzer/xalloc.h"

static uint64_t get_bytes(struct gs_record *rec)
{
    uint64_t v = gs_record_get_u(rec);
    return v < GS_BYTES_MAX ? v : GS_BYTES_MAX;
}

static struct gs_memory_rows *rows_of(struct gs_record_context *ctx)
{
    ctx->r->memory.seen = true;
    return &ctx->r->memory;
}

/* Repeated where segments begin: the first one counts. */
void gs__on_arena(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_arena *a = gs_memory_arena(rows_of(ctx), gs__record_u32(rec));
    if (a->defined)
        return;
    a->defined = true;
    a->born_ns = gs__record_seen_ns(ctx, rec);
    a->address = gs_record_get_u(rec);
    a->bytes = get_bytes(rec);
    gs_memory_place_pools(a, gs_record_get_u(rec));
    a->stack = gs__record_u32(rec);
}

void gs__on_arena_end(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_arena *a = gs_memory_arena(rows_of(ctx), gs__record_u32(rec));
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (ns < a->died_ns)
        a->died_ns = ns;
}

void gs__on_memory(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_memory_rows *m = rows_of(ctx);
    struct gs_rec_rss row = {.t_ns = gs__record_seen_ns(ctx, rec), .order = m->n_rss};
    row.rss_bytes = get_bytes(rec);
    row.file_rss_bytes = get_bytes(rec);
    row.arenas = gs_record_get_u(rec);
    row.arena_bytes = get_bytes(rec);
    gs_record_get_u(rec); /* chunks */
    row.chunk_bytes = get_bytes(rec);
    row.arenas_unread = gs_record_get_u(rec);
    row.arenas_untracked = gs_record_get_u(rec);
    GS_PUSH(m->rss, m->n_rss, m->cap_rss, row);
}

/* A kind that we do not know is a kind of its own; what is said twice adds up. */
static void get_kinds(struct gs_record *rec, struct gs_rec_maps *maps)
{
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--) {
        uint64_t kind = gs_record_get_u(rec);
        uint64_t *bytes = &maps->kind_bytes[kind < GS_N_MAP_KIND ? kind : 0];
        *bytes += get_bytes(rec);
        if (*bytes > GS_BYTES_MAX)
            *bytes = GS_BYTES_MAX;
    }
}

void gs__on_maps(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_memory_rows *m = rows_of(ctx);
    struct gs_rec_maps maps = {.seen = true, .t_ns = gs__record_seen_ns(ctx, rec)};
    maps.rss_bytes = get_bytes(rec);
    maps.pss_bytes = get_bytes(rec);
    maps.anonymous_bytes = get_bytes(rec);
    maps.uss_bytes = get_bytes(rec);
    maps.swap_bytes = get_bytes(rec);
    get_kinds(rec, &maps);
    GS_PUSH(m->all_maps, m->n_all_maps, m->cap_all_maps, maps);
    if (!m->maps.seen || maps.t_ns >= m->maps.t_ns)
        m->maps = maps;
}

void gs__on_heap(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_memory_rows *m = rows_of(ctx);
    struct gs_rec_heap row = {.t_ns = gs__record_seen_ns(ctx, rec)};
    row.in_use_bytes = get_bytes(rec);
    row.retained_bytes = get_bytes(rec);
    GS_PUSH(m->heaps, m->n_heaps, m->cap_heaps, row);
}

void gs__on_alloc_state(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_memory_rows *m = rows_of(ctx);
    struct gs_rec_alloc_state s = {.seen = true, .t_ns = gs__record_seen_ns(ctx, rec)};
    s.mean_bytes = get_bytes(rec);
    s.samples = gs_record_get_u(rec);
    s.lost_allocs = gs_record_get_u(rec);
    s.lost_frees = gs_record_get_u(rec);
    if (!m->alloc_state.seen || s.t_ns >= m->alloc_state.t_ns)
        m->alloc_state = s;
}

/* The first one says it; it is no note, as the memory section says it too. */
void gs__note_no_memory(struct gs_recording *r, uint64_t kind, char **text)
{
    char **to = kind == GS_EVENT_NO_ARENAS ? &r->memory.no_arenas : &r->memory.no_allocs;
    r->memory.seen = true;
    if (*to)
        return;
    *to = **text ? *text : gs_xasprintf("the recording does not say why");
    if (*to == *text)
        *text = NULL;
}

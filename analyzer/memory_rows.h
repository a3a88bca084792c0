/* SPDX-License-Identifier: MIT
 * What a capture says of one process's memory, before anything is computed: filled by
 * records_memory.c and chunk_columns.c, read by arenas.c, alloc_live.c and profile_memory.c.
 * Everything in it is untrusted but for what gs_memory_rows_sort() has checked.
 */
#ifndef GS_MEMORY_ROWS_H
#define GS_MEMORY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"
#include "analyzer/row_stream.h"
#include "preload/trace/trace_format.h"

/* No machine has more; greater numbers of bytes are read as this, so that sums of them are sums. */
#define GS_BYTES_MAX  (UINT64_C(1) << 50)
#define GS_NEVER_NS   UINT64_MAX
#define GS_N_MAP_KIND (GS_MAP_OTHER + 1)

static inline uint64_t gs_add_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

struct gs_rec_arena {
    bool defined; /* an ARENA record was there */
    uint32_t id;
    uint64_t born_ns, died_ns; /* [born, died); GS_NEVER_NS: it lives */
    uint64_t address, bytes;
    uint32_t pool_bytes, n_pools; /* 0 where the sizes make no sense: its pools are ignored */
    uint32_t stack;
};
struct gs_rec_pools { /* a row of POOLS: four pools */
    uint64_t t_ns;    /* first: row_stream.h */
    uint64_t cells;
    uint32_t arena; /* index into arenas[] */
    uint32_t quad;  /* < 16 */
};
struct gs_rec_rss { /* MEMORY */
    uint64_t t_ns, order;
    uint64_t rss_bytes, file_rss_bytes, arenas, arena_bytes, chunk_bytes;
    uint64_t arenas_unread, arenas_untracked;
};
struct gs_rec_maps { /* MAPS */
    bool seen;
    uint64_t t_ns;
    uint64_t rss_bytes, pss_bytes, anonymous_bytes, uss_bytes, swap_bytes;
    uint64_t kind_bytes[GS_N_MAP_KIND]; /* [0]: of no kind we know */
};
struct gs_rec_heap {
    uint64_t t_ns, in_use_bytes, retained_bytes;
};
struct gs_rec_alloc { /* a row of ALLOC */
    uint64_t id, t_ns, address, bytes, points;
    uint32_t node;
};
/* Samples that were freed: a bit each, 64 ids in a word, as ids are dense. */
struct gs_freed_ids {
    struct gs_idmap map; /* id / 64 -> words */
    uint64_t *words;
    size_t cap;
};
struct gs_rec_alloc_state { /* ALLOC_STATE: the last one */
    bool seen;
    uint64_t t_ns, mean_bytes, samples, lost_allocs, lost_frees;
};

struct gs_memory_rows {
    bool seen; /* anything at all */
    struct gs_idmap arena_map;
    struct gs_rec_arena *arenas;
    size_t n_arenas, cap_arenas;
    struct gs_row_stream pools; /* of gs_rec_pools */
    uint64_t homeless_pools;    /* rows of arenas that no record describes */
    struct gs_rec_rss *rss;
    size_t n_rss, cap_rss;
    struct gs_rec_maps maps; /* the last one */
    struct gs_rec_maps *all_maps;
    size_t n_all_maps, cap_all_maps;
    struct gs_rec_heap *heaps;
    size_t n_heaps, cap_heaps;
    /* What lives at some time is asked for once, so samples are kept only as long as they are not
     * freed: those that are dropped are some more than those that are kept. */
    uint64_t live_ns; /* that time */
    struct gs_rec_alloc *allocs;
    size_t n_allocs, cap_allocs;
    struct gs_freed_ids freed;
    uint64_t n_alloc_rows, n_free_rows, last_alloc_id, last_free_id;
    struct gs_rec_alloc_state alloc_state;
    char *no_arenas, *no_allocs; /* texts of EVENT; NULL: there was none */
};

/* Made on first sight, `defined` or not. */
struct gs_rec_arena *gs_memory_arena(struct gs_memory_rows *m, uint32_t id);
/* Sets the pools from address, bytes and pool_bytes, all as recorded. */
void gs_memory_place_pools(struct gs_rec_arena *a, uint64_t pool_bytes);
enum gs_pools_use { GS_POOLS_USED, GS_POOLS_HOMELESS, GS_POOLS_NONSENSE };
/* Fills arena and quad from what is recorded. */
enum gs_pools_use gs_memory_pools_at(const struct gs_memory_rows *m, uint64_t arena, uint64_t quad,
                                     struct gs_rec_pools *out);
/* See struct gs_row_kind. */
int gs_memory_pools_order(const void *a, const void *b);
bool gs_memory_pools_is_said(const void *before, const void *row);
/* When samples are to live; all MEMORY records are there, and no sample. */
void gs_memory_find_live_ns(struct gs_memory_rows *m);
/* One row each. */
void gs_memory_add_alloc(struct gs_memory_rows *m, const struct gs_rec_alloc *row);
void gs_memory_add_free(struct gs_memory_rows *m, uint64_t id, uint64_t t_ns);
/* POOLS by time and arena, MEMORY and MAPS by time, samples that live by id; after it nothing
 * depends on the order in which chunks were read. */
void gs_memory_rows_sort(struct gs_memory_rows *m);
void gs_memory_rows_free(struct gs_memory_rows *m);

#endif

/* SPDX-License-Identifier: MIT
 * pymalloc's arenas as they were at any time: births, ends and readings are replayed forwards, and
 * sums over all arenas that live are kept as they change. An arena's state is its last reading;
 * before the first one nothing is known of it, and it is in no sum.
 */
#ifndef GS_ARENAS_H
#define GS_ARENAS_H

#include "analyzer/memory_rows.h"

/* Pools by what they are: 0 never used, 1 to 32 blocks of that class in use, 33 emptied. */
enum { GS_POOLS_UNUSED = 0, GS_POOLS_EMPTIED = GS_POOL_CLASSES + 1, GS_N_POOL_KINDS };

struct gs_pool_sums {
    uint64_t pools, pool_bytes;
    uint64_t blocks_used, blocks_total; /* 0 for pools without blocks in use */
};
struct gs_arena_bytes { /* what arenas hold */
    uint64_t used;      /* blocks in use */
    uint64_t free;      /* free blocks beside blocks in use */
    uint64_t overhead;  /* the rest of such pools: headers, and what no block fits in */
    uint64_t emptied;   /* pools whose last block was freed */
    uint64_t unused;    /* pools that were never touched */
};
struct gs_arena_state {
    bool lives, is_read;
    bool changed; /* since whoever looks cleared it */
    uint16_t cells[GS_ARENA_POOLS];
    uint64_t worst_pinned; /* bytes, at any reading of its life */
};

struct gs_arena_replay {
    const struct gs_memory_rows *rows;
    struct gs_arena_state *arenas; /* of rows->arenas */
    struct gs_pool_sums sums[GS_N_POOL_KINDS];
    uint32_t *births, *deaths; /* arenas by time */
    size_t n_events, next_birth, next_death;
    struct gs_row_cursor readings; /* rows of POOLS */
    uint32_t *changed;             /* arenas, each once */
    size_t n_changed;
};

/* rows: sorted, and there as long as the replay. */
void gs_arena_replay_open(struct gs_arena_replay *p, const struct gs_memory_rows *rows);
/* Everything up to and with t_ns; times may not decrease from call to call. The end of all times is
 * GS_NEVER_NS - 1. */
void gs_arena_replay_to(struct gs_arena_replay *p, uint64_t t_ns);
/* Forgets which arenas have changed. */
void gs_arena_replay_seen(struct gs_arena_replay *p);
void gs_arena_replay_close(struct gs_arena_replay *p);

struct gs_arena_bytes gs_arena_bytes_of(const struct gs_pool_sums sums[GS_N_POOL_KINDS]);
/* Of one arena as it is now. */
struct gs_arena_bytes gs_arena_replay_bytes(const struct gs_arena_replay *p, uint32_t arena);
/* All that a live arena keeps from the system although it is free. */
static inline uint64_t gs_arena_pinned(const struct gs_arena_bytes *b)
{
    return b->free + b->emptied + b->unused;
}

#endif

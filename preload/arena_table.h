/* SPDX-License-Identifier: MIT
 * The arenas of this process, as the arena hook sees them come and go: a table of fixed size,
 * without locks, and a list of what has news for the drain thread. An arena that came and went
 * between two looks is counted and leaves no row. It goes on over a fork: the child has its
 * parent's arenas.
 */
#ifndef GS_ARENA_TABLE_H
#define GS_ARENA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_ARENA_SLOTS (1u << 17) /* 64 GiB of arenas of 1 MiB; memory is used as slots are */

enum gs_arena_state {
    GS_ARENA_FREE,
    GS_ARENA_CLAIMED, /* being filled in */
    GS_ARENA_NEW,     /* lives; the drain thread does not know it yet */
    GS_ARENA_LIVE,    /* lives, and is known */
    GS_ARENA_READING, /* the same, and the drain thread reads it now: it must not be unmapped */
    GS_ARENA_ZOMBIE,  /* given back meanwhile: who reads it unmaps it */
    GS_ARENA_DEAD,    /* given back; the drain thread does not know it yet */
};

struct gs_arena {
    uintptr_t address;
    uint64_t bytes, born_t, died_t;
    uint32_t stack;
    uint32_t state;  /* enum gs_arena_state */
    uint32_t listed; /* in the list of news, and ... */
    uint32_t next;   /* ... the slot after it + 1 */
    /* the drain thread's own */
    uint32_t id;
    uint32_t place; /* in its list of those that live */
    uint64_t reserved;
};
_Static_assert(sizeof(struct gs_arena) == 64, "a cache line each");

/* Exact, also for what found no room in the table. */
struct gs_arena_counts {
    uint64_t arenas, arena_bytes;
    uint64_t chunks, chunk_bytes; /* what else the allocator serves: frame stacks */
    uint64_t untracked;           /* of the arenas, those without a slot */
    uint64_t born;                /* arenas, ever */
};

/* Maps the table, once; `arena_bytes` tells arenas from the rest. False when memory is refused. */
bool gs_arenas_init(size_t arena_bytes);
/* Forked child, alone in its process: what lives is all news again. `give_back` unmaps what the
 * parent's drain thread was reading as Python gave it back. */
void gs_arenas_after_fork(void (*give_back)(uintptr_t address, size_t bytes));

extern size_t gs_arena_bytes;
static inline bool gs_arenas_is_arena(size_t bytes)
{
    return bytes == gs_arena_bytes;
}

/* CTX: arena hook. */
void gs_arenas_born(uintptr_t address, size_t bytes, uint32_t stack);
/* False: it is being read; the reader will unmap it. Nobody waits. */
bool gs_arenas_gone(uintptr_t address, size_t bytes);

/* The next slot that has news since it was last taken, or NULL. CTX: drain. */
struct gs_arena *gs_arenas_take_news(void);
/* NEW -> LIVE: from now on its end is told too. False when it has gone already. CTX: drain. */
bool gs_arenas_make_known(struct gs_arena *a);
/* Between the two it stays mapped. The second is false when Python has given it back meanwhile:
 * then the caller unmaps it, and calls gs_arenas_bury(). CTX: drain. */
bool gs_arenas_begin_read(struct gs_arena *a);
bool gs_arenas_end_read(struct gs_arena *a);
void gs_arenas_bury(struct gs_arena *a);
/* DEAD -> FREE. CTX: drain. */
void gs_arenas_release(struct gs_arena *a);
uint32_t gs_arenas_slot_of(const struct gs_arena *a);
struct gs_arena *gs_arenas_at(uint32_t slot);
struct gs_arena_counts gs_arenas_counts(void);

#endif

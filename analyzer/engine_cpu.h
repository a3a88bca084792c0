/* SPDX-License-Identifier: MIT
 * A worker of the CPU engine, and what it does with one window: engine_cpu_window.c. Private.
 */
#ifndef GS_ENGINE_CPU_H
#define GS_ENGINE_CPU_H

#include "analyzer/engine.h"
#include "analyzer/square_sums.h"

#define GS__NO_ACTOR UINT32_MAX

/* Tables of a worker's first threads; the others' pairs and histograms are in the maps. */
#define GS__THREADS  255u
#define GS__CHAINS   (GS_CHAIN_NONE + 1) /* the last row and column are of those not told apart */

/* Sub-periods: stretches of a window's time with one holder, one behind another. */
struct gs__subs {
    uint64_t *end_ns;
    uint64_t *hold_ns; /* of it, inside the turn: what its actor held */
    uint64_t *part_ns; /* what waits took of it that do not take the whole */
    uint64_t *words;   /* the whole, for square sums */
    uint32_t *actor;   /* GS__NO_ACTOR: unknown holder */
    int32_t *delta;    /* waiters that begin to (+) or no longer (-) wait through the whole of it */
    uint16_t *who;     /* indexes into the worker's tables: holder | thread << 8 */
    uint8_t *counts;   /* GS__COUNT_* */
    size_t n, cap;
};
#define GS__COUNT_HOLD   1u /* a stretch of holding */
#define GS__COUNT_TURN   2u /* and all of a row with a TURN, */
#define GS__COUNT_FORCED 4u /* which was forced */

struct gs__actor { /* indexes into the worker's tables; the last thread's is of all others */
    uint8_t thread, waiter, holder;
    bool is_typical; /* typicals[] says how turns that end at it divide */
};
static inline uint16_t gs__who(struct gs__actor a)
{
    return (uint16_t)(a.holder | a.thread << 8);
}

/* What most rows add to, two actors a cache line. Times share words with numbers: cells are taken
 * to out.actors before any could be full, and times of GS__LONG_NS and more go there at once. */
struct gs__cell {
    uint64_t hold, wait; /* ns << GS__COUNT_BITS | number */
    uint64_t blamed;     /* the same; number of turns that were forced */
    uint32_t wait_max_ns;
    uint32_t turns; /* acquires and releases */
} __attribute__((aligned(32)));
#define GS__COUNT_BITS 20u
#define GS__LONG_NS    (UINT64_C(1) << 32)
#define GS__AHEAD      16u /* cells asked for before they are added to: they lie anywhere */

struct gs__worker {
    struct gs_decoder d;
    struct gs_window_rows rows;
    struct gs_gil_result out; /* actors are the decoder's; no map before the end */
    struct gs_bins bins;
    struct gs_bin_cursor hold_bin, wait_bin;
    struct gs_square_sums pairs, chains; /* waiting, holding: threads; stacks */
    struct gs__actor *actors;
    struct gs__cell *cells;
    uint64_t cell_count, cell_ns; /* that any cell can have at most */
    struct gs_typical *typicals;
    size_t n_actors, cap_actors, cap_cells, cap_typicals; /* described so far */
    struct gs_idmap threads;                              /* ids; the first n_near have tables */
    uint8_t n_near;
    uint64_t *hists[GS__THREADS];
    struct gs__subs subs;
    uint32_t *first_sub; /* of row i */
    uint32_t *waits;     /* rows that wait */
    size_t n_waits, cap_first, cap_waits;
    struct gs_segment *segments;
    size_t cap_segments;
    bool failed; /* a window with more rows than indexes */
};

/* What no cell holds of an actor; of most, nothing until cells are emptied. */
static inline struct gs_actor_sums *gs__sums_of(struct gs__worker *w, uint32_t actor)
{
    if (actor >= w->out.cap_actors)
        gs_gil_result_reserve(&w->out, w->n_actors);
    return &w->out.actors[actor];
}

/* The window in hand. */
struct gs__window {
    struct gs__worker *me;
    const struct gs_window *at;
    const struct gs_row_columns *rows;
    size_t n;
    bool is_first; /* nothing is known of before its first row */
    bool is_dense; /* no seq is missing between its first and its last */
};

void gs__cpu_window(struct gs__worker *w, const struct gs_windows *windows, size_t window);

/* ---- engine_cpu_cut.c ---- */
void gs__describe_actors(struct gs__worker *w, const struct gs_windows *windows);
/* Holds, and which rows wait; then, when the waits were laid over the sub-periods, what is summed
 * up over these. */
void gs__cut_periods(struct gs__window *w, const struct gs_windows *windows);
void gs__sum_subs(struct gs__window *w);
void gs__cut_free(struct gs__worker *w);

/* ---- engine_cpu_cells.c ---- */
void gs__cells_reserve(struct gs__worker *w, size_t n);
bool gs__cells_make_room(struct gs__worker *w, uint64_t ns, uint64_t count);
/* To be asked before `count` times, ns together, are added to cells; false: they are too long. */
static inline bool gs__cells_take(struct gs__worker *w, uint64_t ns, uint64_t count)
{
    w->cell_ns += ns;
    w->cell_count += count;
    if (ns < GS__LONG_NS && !(w->cell_ns >> (64 - GS__COUNT_BITS)) &&
        !(w->cell_count >> GS__COUNT_BITS))
        return true;
    return gs__cells_make_room(w, ns, count);
}
static inline uint64_t gs__cell_word(uint64_t ns, unsigned count)
{
    return (ns << GS__COUNT_BITS) + count;
}
/* All that there is of an actor, at the end. */
void gs__actor_add_to(const struct gs__worker *w, size_t actor, struct gs_actor_sums *into);

#endif

/* SPDX-License-Identifier: MIT
 * Sampled allocations that live at some time, by stack; and who pins: the free bytes of each arena
 * are shared among the stacks whose blocks keep it, by the bytes they have in it.
 */
#ifndef GS_ALLOC_LIVE_H
#define GS_ALLOC_LIVE_H

#include "analyzer/arenas.h"
#include "analyzer/profile.h"

/* Rows by node, in order of node; the pinned bytes add up to out->pinned_bytes exactly. `at`: a
 * replay that has come to m->live_ns. The caller frees the rows; out is zeroed by the caller.
 * not_sampled: the node that gets what no sample speaks for. */
struct gs_prof_alloc_row *gs_alloc_live(const struct gs_memory_rows *m,
                                        const struct gs_arena_replay *at, uint32_t not_sampled,
                                        struct gs_prof_alloc *out, size_t *n_rows);

#endif

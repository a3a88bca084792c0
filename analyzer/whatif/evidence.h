/* SPDX-License-Identifier: MIT
 * What a capture says about one process that a prediction needs, all of it in memory: turns of the
 * GIL, what threads did with locks and queues, who woke whom, CPU clocks.
 */
#ifndef GS_WHATIF_EVIDENCE_H
#define GS_WHATIF_EVIDENCE_H

#include "analyzer/columns.h"
#include "analyzer/whatif/tax.h"

/* Rows, all kinds together; a longer recording is not replayed. */
#define GS_EVIDENCE_MOST_ROWS (UINT64_C(1) << 24)

/* Who waits for the GIL has it so soon after it was let go, where there is a core. */
#define GS_HAND_OVER_NS       100000u

struct gs_turn_row {
    uint64_t asked_ns, acq_ns, rel_ns;
    uint64_t dropped_ns; /* of it, what is not there in one process: tax.h */
    size_t first_segment;
    uint32_t n_segments; /* 0: nobody knows what it did */
    uint32_t thread;     /* dense, as in all rows here */
    uint32_t node;       /* its stack as it let the GIL go; 0: nobody knows */
    bool forced;         /* somebody had asked for the drop */
};
struct gs_segment_row { /* of a turn, in order of time: turns.h */
    uint64_t end_ns;
    uint32_t node; /* of the stack that held */
};
struct gs_sync_row {
    uint64_t t_ns; /* when the operation was over */
    uint64_t
        value; /* CPU: of the clock, ns; RELEASED: 1 of all times; the others: ns of the call */
    uint64_t object; /* address */
    uint32_t thread, node;
    uint8_t op; /* enum gs_sync_op */
};
struct gs_edge_row {
    uint64_t began_ns, wake_ns, post_ns;
    uint32_t thread, node; /* that was woken; where it waited */
    uint32_t waker;
};

struct gs_evidence {
    struct gs_turn_row *turns; /* by thread, then time */
    struct gs_segment_row *segments;
    struct gs_sync_row *syncs;
    struct gs_edge_row *edges; /* those with a waker */
    size_t n_turns, n_syncs, n_edges, cap_turns, cap_syncs, cap_edges;
    size_t n_segments, cap_segments;
    size_t *turn_from, *sync_from, *edge_from; /* of each thread; [n_threads] is the end */
    size_t n_threads;
    uint64_t folded_turns; /* of which there is no row */
    uint64_t lost_rows;    /* of any kind */
    uint64_t late_ns;      /* that the GIL was free although somebody had waited for it before */
    bool too_long;
    uint8_t *classes; /* of stack nodes: enum gs_tax_class */
    struct gs_tax_sums tax;
};

/* The recording was read. */
void gs_evidence_collect(struct gs_evidence *e, struct gs_recording *r,
                         const struct gs_stacks *stacks, const struct gs_chunk_ref *chunks,
                         size_t n_chunks);
void gs_evidence_free(struct gs_evidence *e);

/* evidence_turns.c: of all GILs, with what was done in them; those that were open at the end, too.
 */
void gs__evidence_turns(struct gs_evidence *e, struct gs_recording *r,
                        const struct gs_stacks *stacks);
static inline bool gs__evidence_is_full(struct gs_evidence *e)
{
    e->too_long |= e->n_turns + e->n_syncs + e->n_edges >= GS_EVIDENCE_MOST_ROWS;
    return e->too_long;
}

#endif

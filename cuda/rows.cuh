/* SPDX-License-Identifier: MIT
 * Rows of one window of one GIL on the device, a column each; what they mean, and what is summed,
 * is defined by analyzer/engine.h.
 */
#ifndef GS_ROWS_CUH
#define GS_ROWS_CUH

#include "cuda/device.cuh"

/* Flags of a row beside enum gs_slice_flag, as the analyzer's rows have them. */
#define GS_ROW_KNOWN_STACK (1u << 30) /* TURN: the stack at the release is known */
#define GS_ROW_BY_HOLDER   (1u << 31) /* WAIT: whom it waited for is told apart */

#define GS_NO_ACTOR        UINT32_MAX
#define GS_NO_CLASS        UINT32_MAX /* the actor is in no class (thread, chosen stack) */

struct gs_rows {
    gs_u64 *seq, *acq_ns, *rel_ns, *begin_ns;
    gs_u64 *a_ns; /* acq_ns made monotone in order of seq */
    uint32_t *hold_actor, *wait_actor, *ds, *flags, *thread;
};

/* The rows from the first-th on. */
inline gs_rows gs_rows_from(const gs_rows &r, size_t first)
{
    return {r.seq + first,   r.acq_ns + first,     r.rel_ns + first,     r.begin_ns + first,
            r.a_ns + first,  r.hold_actor + first, r.wait_actor + first, r.ds + first,
            r.flags + first, r.thread + first};
}

/* Sums by actor: k * n_actors + actor. */
enum gs_sum_kind {
    GS_SUM_HOLD_NS,
    GS_SUM_HOLD_COUNT,
    GS_SUM_WAIT_NS,
    GS_SUM_WAIT_COUNT,
    GS_SUM_WAIT_MAX_NS,
    GS_SUM_ACQUIRES,
    GS_SUM_RELEASES,
    GS_SUM_FORCED,
    GS_SUM_BLAMED_NS,
    GS_SUM_LONG_NS,
    GS_SUM_LONG_COUNT,
    GS_SUM_KINDS
};
struct gs_actor_table {
    gs_u64 *sums; /* GS_SUM_KINDS * n_actors, zeroed by the caller */
    uint32_t n_actors;
};
__device__ inline gs_u64 *gs_sum_at(const gs_actor_table &t, unsigned kind, uint32_t actor)
{
    return &t.sums[(size_t)kind * t.n_actors + actor];
}

#endif

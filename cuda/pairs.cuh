/* SPDX-License-Identifier: MIT
 * Who waited for whom, of waits whose flag GS_ROW_BY_HOLDER says that it is to be told: a matrix of
 * classes of actors. Classes are what the caller likes: threads, or stacks that matter.
 */
#ifndef GS_PAIRS_CUH
#define GS_PAIRS_CUH

#include "cuda/blame.cuh"

struct gs_pairs_out {
    const uint8_t *waiter_class, *holder_class; /* by actor */
    unsigned width;                             /* of the matrix: classes are below it */
    gs_u64 *ns, *count; /* added to; class of the waiter * width + class of the holder */
    gs_u64 *n_left;     /* added to: stretches between actors of which one has no class */
};

/* blame, left: of gs_launch_blame() before, whose workspace still stands. */
cudaError_t gs_launch_pairs(const struct gs_blame *blame, const struct gs_blame_left *left,
                            const struct gs_pairs_out *out, cudaStream_t stream);

#endif

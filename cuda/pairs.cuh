/* SPDX-License-Identifier: MIT
 * Who waited for whom, of waits whose flag GS_ROW_BY_HOLDER says that it is to be told: a matrix
 * for the first 256 actors.
 */
#ifndef GS_PAIRS_CUH
#define GS_PAIRS_CUH

#include "cuda/blame.cuh"

#define GS_MATRIX_ACTORS 256u

struct gs_pairs_out { /* added to; waiter * GS_MATRIX_ACTORS + holder */
    gs_u64 *ns, *count;
    gs_u64 *n_left; /* stretches of actors beyond the matrix: where there are any, ask the CPU */
};

/* blame, left: of gs_launch_blame() before, whose workspace still stands. */
cudaError_t gs_launch_pairs(const struct gs_blame *blame, const struct gs_blame_left *left,
                            const struct gs_pairs_out *out, cudaStream_t stream);

#endif

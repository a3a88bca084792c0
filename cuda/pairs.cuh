/* SPDX-License-Identifier: MIT
 * Who waited for whom, of waits whose flag GS_ROW_BY_HOLDER says that it is to be told: by classes
 * of actors, once for threads and once for chosen stacks.
 */
#ifndef GS_PAIRS_CUH
#define GS_PAIRS_CUH

#include "cuda/blame.cuh"

/* A pair is known by class of the waiter * n_holders + class of the holder. */
struct gs_pair_table {
    const uint32_t *waiter_class, *holder_class; /* by actor; GS_NO_CLASS: told apart by nobody */
    uint64_t n_holders;
    gs_u64 *ns, *count; /* added to; by pair, or where there are keys, by slot */
    gs_u64 *keys;       /* UINT64_MAX: free. NULL: there is room for every pair */
    uint64_t mask;      /* slots - 1, a power of two less 1 */
};
struct gs_pairs_out {
    gs_pair_table threads, stacks;
    uint32_t *is_full; /* set where a pair found no slot: the sums are not whole then */
};

/* blame, left: of gs_launch_blame() before, whose workspace still stands. */
cudaError_t gs_launch_pairs(const struct gs_blame *blame, const struct gs_blame_left *left,
                            const struct gs_pairs_out *out, cudaStream_t stream);

#endif

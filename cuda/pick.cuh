/* SPDX-License-Identifier: MIT
 * Of a table of sums the places that are not empty, in their order, side by side: of the 4 million
 * places that pairs of 2,000 threads may have, most are.
 */
#ifndef GS_PICK_CUH
#define GS_PICK_CUH

#include "cuda/primitives.cuh"

struct gs_picked {
    uint32_t *at; /* places; of the workspace, */
    uint32_t *n;  /* as is their number */
};
size_t gs_pick_work_bytes(uint32_t n);
/* Those of n whose count is not 0. */
cudaError_t gs_launch_pick(const gs_u64 *count, uint32_t n, char *work, size_t work_bytes,
                           gs_picked *out, cudaStream_t stream);
/* to[i] = from[at[i]], n of them; from NULL: the place itself. */
cudaError_t gs_launch_gather(const gs_u64 *from, const uint32_t *at, uint32_t n, gs_u64 *to,
                             cudaStream_t stream);

#endif

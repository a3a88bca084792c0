/* SPDX-License-Identifier: MIT
 * A block is one thread. Two replays in one warp are seldom at the same kind of operation, so they
 * would wait for each other at every step; and there are fewer of them than warps that a device
 * runs side by side. README.md reckons with that.
 */
#include "cuda/replay.cuh"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "analyzer/whatif/replay_clock.h"
#pragma GCC diagnostic pop

namespace
{
__global__ void __launch_bounds__(1) gs_k_replay_reset(gs_replay *replays)
{
    gs_replay r = replays[blockIdx.x];
    gs__replay_reset(&r);
    replays[blockIdx.x] = r;
}

/* The clocks and the sums stay in registers for as long as the slice takes. */
__global__ void __launch_bounds__(1)
    gs_k_replay_slice(gs_replay *replays, uint64_t budget, uint32_t *n_left)
{
    if (replays[blockIdx.x].is_over)
        return;
    gs_replay r = replays[blockIdx.x];
    gs__replay_run_slice(&r, budget);
    replays[blockIdx.x] = r;
    if (!r.is_over)
        atomicAdd(n_left, 1u);
}
} // namespace

cudaError_t gs_launch_replay_reset(struct gs_replay *replays, uint32_t n, cudaStream_t stream)
{
    GS_LAUNCH(gs_k_replay_reset, n, 1, 0, stream, replays);
    return cudaGetLastError();
}

cudaError_t gs_launch_replay_slice(struct gs_replay *replays, uint32_t n, uint64_t budget,
                                   uint32_t *n_left, cudaStream_t stream)
{
    GS_LAUNCH(gs_k_replay_slice, n, 1, 0, stream, replays, budget, n_left);
    return cudaGetLastError();
}

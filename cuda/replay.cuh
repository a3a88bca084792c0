/* SPDX-License-Identifier: MIT
 * Replays of a program, one in each block, in slices. What a replay does is said in
 * analyzer/whatif/replay_clock.h, for the CPU and for here.
 */
#ifndef GS_REPLAY_CUH
#define GS_REPLAY_CUH

#include "cuda/device.cuh"

/* They are C, too. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "analyzer/whatif/replay_memory.h"
}
#pragma GCC diagnostic pop

/* Each with pointers into memory of the device (gs__replay_lay_out()), taken zeroed. */
cudaError_t gs_launch_replay_reset(struct gs_replay *replays, uint32_t n, cudaStream_t stream);
/* Those that are not over do about `budget` operations; *n_left, which was 0: how many are left. */
cudaError_t gs_launch_replay_slice(struct gs_replay *replays, uint32_t n, uint64_t budget,
                                   uint32_t *n_left, cudaStream_t stream);

#endif

/* SPDX-License-Identifier: MIT
 * Many replays of one program: as many at a time as there is memory for, each launch no longer than
 * a slice.
 */
#ifndef GS_ENGINE_SWEEP_CUH
#define GS_ENGINE_SWEEP_CUH

#include "cuda/engine_memory.cuh"
#include "cuda/replay.cuh"

#include "analyzer/engine_cuda.h"

/* A single operation may wake all threads, and resetting visits all objects: with more of them a
 * launch could take long. */
#define GS_SWEEP_THREADS_MAX (1u << 16)
#define GS_SWEEP_OBJECTS_MAX (1u << 20)

inline bool gs_sweep_is_small_enough(const struct gs_program *p)
{
    return p->n_threads <= GS_SWEEP_THREADS_MAX && p->n_objects <= GS_SWEEP_OBJECTS_MAX;
}
cudaError_t gs_sweep_run(const struct gs_cuda_sweep *sweep, gs_uploader *up, cudaStream_t compute);

#endif

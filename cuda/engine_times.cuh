/* SPDX-License-Identifier: MIT
 * How long each step took, by events in the streams. They are looked at when they have passed for
 * certain, so that nobody waits for them.
 */
#ifndef GS_ENGINE_TIMES_CUH
#define GS_ENGINE_TIMES_CUH

#include "cuda/engine_tables.cuh"

struct gs_laps { /* of one window */
    cudaEvent_t copy_begin, copy_end;
    cudaEvent_t begin[GS_CUDA_STEPS + 1]; /* and the end of the step before; [0] is unused */
    bool is_counted;                      /* all of begin[] was noted, and not yet added */
};
struct gs_times {
    gs_laps laps[2]; /* of a window and the one before */
    double ms[GS_CUDA_STEPS];
};
cudaError_t gs_times_open(gs_times *t);
void gs_times_close(gs_times *t);
void gs_times_begin(gs_times *t);
/* The step begins in its stream; GS_CUDA_STEPS: the last one has ended. */
inline cudaError_t gs_lap(gs_laps *l, int step, cudaStream_t stream)
{
    return cudaEventRecord(l->begin[step], stream);
}
/* What was noted has happened: adds it up. */
cudaError_t gs_times_add_copy(gs_times *t, const gs_laps *l);
cudaError_t gs_times_add_steps(gs_times *t, gs_laps *l);

#endif

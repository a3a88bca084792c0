/* SPDX-License-Identifier: MIT
 * All sums of a GIL on their way back to the host: whole tables, and of large ones, of which most
 * places may be empty, what is in them.
 */
#ifndef GS_ENGINE_RESULTS_CUH
#define GS_ENGINE_RESULTS_CUH

#include "cuda/engine_window.cuh"

/* *values is what *out points into. Waits for the device; c's memory for windows is used. */
cudaError_t gs_results_fetch(std::vector<uint64_t> *values, const gs_tables *t, gs_counter *c,
                             cudaStream_t compute, gs_cuda_sums *out);

#endif

/* SPDX-License-Identifier: MIT
 * A window on its way to the device: its chunks as they are in the file, and what to do with them.
 * Chunks stay on the device while there is room for all of the GIL's; else two windows' chunks
 * have room, the one that is counted and the one that is copied meanwhile.
 */
#ifndef GS_ENGINE_STAGE_CUH
#define GS_ENGINE_STAGE_CUH

#include <vector>

#include "cuda/decode.cuh"
#include "cuda/engine_tables.cuh"
#include "cuda/engine_times.cuh"

struct gs_chunk_store {
    gs_buffer memory;
    bool is_resident;
    size_t used, end;               /* bytes: where the next chunk goes; where there is no more */
    uint64_t window;                /* counts windows */
    std::vector<uint64_t> at, seen; /* by chunk: its offset, valid if `seen` says this window */
};
struct gs_staged {
    gs_buffer memory;
    cudaEvent_t arrived, counted; /* the device has it; the device needs it no more */
    bool is_waiting;              /* to be counted */
    gs_cuda_window about;         /* its pointers mean nothing */
    gs_part *parts;
    gs_column_task *tasks;
    gs_samples samples;
    gs_u64 *sample_keys;
    uint32_t *sample_actors;
    uint32_t n_own, n_rows; /* rows in the order of the file; own ones first */
};

/* slot_bytes: of the chunks of one window, where not all stay. */
cudaError_t gs_chunk_store_begin(gs_chunk_store *s, size_t n_chunks, size_t all_bytes,
                                 size_t slot_bytes);
/* Bytes that so many chunks take there. */
inline size_t gs_chunk_store_bytes(size_t n_chunks, uint64_t encoded_bytes)
{
    return (size_t)encoded_bytes + 16 * n_chunks;
}
/* GS_CUDA_INTERNAL: a header that contradicts itself. *status: the runtime's, where it failed. */
gs_cuda_status gs_stage(gs_staged *out, gs_chunk_store *store, const gs_cuda_window *w,
                        gs_uploader *up, const gs_laps *laps, cudaError_t *status);

#endif

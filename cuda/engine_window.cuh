/* SPDX-License-Identifier: MIT
 * One staged window, counted: decode, rows, order, blame, pairs, groups, timeline.
 */
#ifndef GS_ENGINE_WINDOW_CUH
#define GS_ENGINE_WINDOW_CUH

#include "cuda/engine_stage.cuh"

#define GS_SPARSE_TABLES 3u /* see engine_results.cu */
struct gs_counts {          /* what the host must know before it can go on; pinned */
    uint32_t n_actors, n_out, n_reaching_out, is_damaged, is_full, n_picked[GS_SPARSE_TABLES];
};
struct gs_counter {
    gs_buffer rows; /* memory of the window in hand */
    gs_counts *seen;
    gs_times times;
    uint32_t n_windows; /* counted so far */
};

/* Memory of the device that a window takes, whose numbers are dense or not. */
size_t gs_window_bytes(uint32_t n_own, uint32_t n_reaching, uint32_t n_parts, uint32_t n_samples,
                       uint64_t span, bool has_shares);
/* Its sums are added to the tables when the compute stream gets there. */
cudaError_t gs_count_window(gs_counter *c, const gs_staged *s, const gs_chunk_store *store,
                            gs_tables *t, cudaStream_t compute);

#endif

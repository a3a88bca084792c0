/* SPDX-License-Identifier: MIT
 * What stands on the device while one GIL is counted: what the host knows of it, the actors met so
 * far, and the sums.
 */
#ifndef GS_ENGINE_TABLES_CUH
#define GS_ENGINE_TABLES_CUH

#include "cuda/blame.cuh"
#include "cuda/chunk_rows.cuh"
#include "cuda/engine_memory.cuh"
#include "cuda/group.cuh"
#include "cuda/pairs.cuh"
#include "cuda/timeline.cuh"

/* C11 in C++, see device.cuh. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "analyzer/engine_cuda.h"
}
#pragma GCC diagnostic pop

struct gs_tables {
    gs_buffer fixed, growing;

    gs_ticks clock;
    gs_map stacks;
    const uint32_t *stack_node;
    const gs_shares *shares; /* of the first n_shares actors */
    uint32_t n_shares, no_stack, steps_per_row, steps_of_chunk;

    gs_map actors;
    gs_actor_classes classes;
    gs_actor_table sums; /* n_actors is the room there is */
    uint32_t n_classified;

    gs_group_out group; /* its tables by actor are filled in for each window */
    gs_pairs_out pairs; /* likewise */
    gs_device_bins bins;
    gs_u64 *unknown_holder_ns;
    unsigned *is_damaged;
    uint32_t *n_out, *n_reaching_out; /* rows of the window in hand, in order */
    size_t n_threads, n_waiters, n_holders, pair_slots;
};

/* Both on the uploader's stream, and then the compute stream. */
cudaError_t gs_tables_begin(gs_tables *t, const gs_cuda_gil *gil, gs_uploader *up,
                            cudaStream_t compute);
/* More room for actors; those that are there keep their numbers and sums. */
cudaError_t gs_tables_grow(gs_tables *t, cudaStream_t compute);
void gs_tables_free(gs_tables *t);

#endif

/* SPDX-License-Identifier: MIT
 * Decoded columns of SLICE chunks -> rows in the order of the file, times in ns, stacks as actors:
 * gs_decode_slices() and gs_decoded_slice() on the device. Rows that are not meant have no flags.
 */
#ifndef GS_CHUNK_ROWS_CUH
#define GS_CHUNK_ROWS_CUH

#include "cuda/clock.cuh"
#include "cuda/map.cuh"
#include "cuda/rows.cuh"

/* The rows of one chunk that one window wants. */
struct gs_part {
    uint64_t lo, last;       /* of rows with these seqs */
    uint64_t reaching_below; /* not 0: waits alone, that saw a turn before this one */
    uint32_t first_row, n_rows, clock_epoch, unused;
};
/* What an actor is: thread id << 32 | node. */
struct gs_decoded_chunks {
    const gs_part *parts; /* in the order of their rows */
    uint32_t n_parts, n_rows;
    gs_u64 *columns; /* GS_CHUNK_ROWS_COLUMNS of n_rows each; of stacks become actors' keys */
    const unsigned *damaged; /* by part and column, see decode.cuh */
    unsigned *is_damaged;    /* set where any is */
    gs_ticks clock;
    gs_map stacks; /* ids -> stack_node[] */
    const uint32_t *stack_node;
    uint32_t no_stack;
    uint32_t steps_per_row, steps_of_chunk; /* see GS_ROW_BY_HOLDER in analyzer/slices.h */
    gs_map actors;                          /* added to */
    gs_rows rows;                           /* written, but for a_ns */
};
#define GS_CHUNK_ROWS_COLUMNS 9u

/* Rows without their actors, which are added to the map; then, if all of them found their place
 * there, the actors. */
cudaError_t gs_launch_chunk_rows(const struct gs_decoded_chunks *c, cudaStream_t stream);
const gs_u64 *gs_hold_keys(const gs_decoded_chunks &c); /* then: of each row, UINT64_MAX for none */
const gs_u64 *gs_wait_keys(const gs_decoded_chunks &c);
cudaError_t gs_launch_row_actors(const struct gs_decoded_chunks *c, cudaStream_t stream);

/* The same of n keys; UINT64_MAX is none. */
cudaError_t gs_launch_add_actors(const struct gs_map *actors, const gs_u64 *keys, uint32_t n,
                                 cudaStream_t stream);
cudaError_t gs_launch_find_actors(const struct gs_map *actors, const gs_u64 *keys, uint32_t n,
                                  uint32_t *out, cudaStream_t stream);

/* Classes of actors [from, to): by thread id, and by node as one that waits and one that holds. */
struct gs_actor_classes {
    gs_map threads, waiters, holders;
    uint32_t *of_thread, *of_waiter, *of_holder;
};
cudaError_t gs_launch_classify(const struct gs_map *actors, const struct gs_actor_classes *classes,
                               uint32_t from, uint32_t to, cudaStream_t stream);

#endif

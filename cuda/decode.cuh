/* SPDX-License-Identifier: MIT
 * Columns of chunks: preload/trace/chunk_decode.c and block_pack.c on the device. The host looks at
 * a chunk's header (gs_column_task_of), a warp at each block of 1024 values.
 */
#ifndef GS_DECODE_CUH
#define GS_DECODE_CUH

#include "cuda/device.cuh"

/* One column of one chunk. Offsets are from the buffer that all chunks were copied into. */
struct gs_column_task {
    uint64_t begin, end; /* bytes: its blocks; all of them end at or before the dictionary */
    uint64_t dict;       /* bytes: the chunk's stack dictionary */
    uint64_t out;        /* index of its first value in the output */
    uint32_t n_rows, n_dict;
    uint32_t is_stack;  /* values go through the dictionary */
    uint32_t is_absent; /* zeros */
};

/* chunk_off: where the chunk lies in the buffer. GS_OK, or what gs_chunk_decode_column() says of
 * such a header. */
enum gs_status gs_column_task_of(const struct gs_chunk_hdr *hdr, uint64_t chunk_off, unsigned col,
                                 uint64_t out, struct gs_column_task *task);

/* damaged[i] is set to 1 where task i contradicts the format: nothing of its output is to be used.
 * All pointers are the device's; damaged is zeroed by the caller. */
cudaError_t gs_launch_decode(const uint8_t *buffer, const struct gs_column_task *tasks,
                             unsigned n_tasks, gs_u64 *out, unsigned *damaged, cudaStream_t stream);

#endif

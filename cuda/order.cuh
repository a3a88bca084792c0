/* SPDX-License-Identifier: MIT
 * Rows of a window in the order of the file -> in order of seq, each seq once, monotone: what
 * gs_window_load() gives. Of two rows of one seq the earlier one in the file keeps its halves and
 * takes those it lacks; of two waits the one that saw more acquires counts, and a_ns begins as the
 * latest acq_ns of all of them.
 */
#ifndef GS_ORDER_CUH
#define GS_ORDER_CUH

#include "cuda/rows.cuh"

struct gs_order {
    gs_rows in; /* a_ns is not read */
    uint32_t n_in;
    uint64_t first_seq,
        span;           /* rows of other seqs than the `span` from first_seq on are left out */
    uint64_t before_ns; /* greatest acq_ns of all rows before the window */
    bool is_sparse;     /* sort; else a place for each seq: span is below 2^32 then */
    gs_rows out;        /* room for min(n_in, span) rows */
    uint32_t *n_out;    /* the device's */
};
/* Bytes of the device that gs_launch_order() needs beside. */
size_t gs_order_work_bytes(const struct gs_order *order);
cudaError_t gs_launch_order(const struct gs_order *order, void *work, size_t work_bytes,
                            cudaStream_t stream);

#endif

/* SPDX-License-Identifier: MIT
 * Rows are in order of time, so those of a block fall into few bins: it keeps those around its
 * first row in shared memory and adds to the others directly.
 */
#include "cuda/timeline.cuh"

namespace
{
const unsigned THREADS = 256, TILE = 4096;
const unsigned NEAR = 512,
               BEHIND = 128; /* bins kept, of which so many lie before the first row's */

struct near_bins {
    gs_shared<gs_u64> sums;
    gs_u64 *all;
    uint64_t first; /* bin of sums[0] */
};

__device__ inline void add_to_bin(const near_bins &near, uint64_t bin, gs_u64 ns)
{
    if (bin - near.first < NEAR)
        atomicAdd(&near.sums[(unsigned)(bin - near.first)], ns);
    else
        atomicAdd(&near.all[bin], ns);
}

__device__ void add_stretch(const gs_device_bins &b, const near_bins &near, uint64_t from_ns,
                            uint64_t to_ns)
{
    uint64_t limit = b.origin_ns + b.bin_ns * b.n;
    from_ns = from_ns < b.origin_ns ? b.origin_ns : from_ns;
    to_ns = to_ns > limit ? limit : to_ns;
    if (b.n == 0 || from_ns >= to_ns)
        return;
    for (uint64_t bin = (from_ns - b.origin_ns) / b.bin_ns; from_ns < to_ns; bin++) {
        uint64_t end = b.origin_ns + (bin + 1) * b.bin_ns;
        end = end > to_ns ? to_ns : end;
        add_to_bin(near, bin, end - from_ns);
        from_ns = end;
    }
}

__device__ uint64_t first_near_bin(const gs_device_bins &b, uint64_t acq_ns)
{
    uint64_t bin = acq_ns > b.origin_ns && b.n ? (acq_ns - b.origin_ns) / b.bin_ns : 0;
    return bin > BEHIND ? bin - BEHIND : 0;
}

__device__ void flush(const gs_device_bins &b, const near_bins &near)
{
    for (unsigned i = threadIdx.x; i < NEAR && near.first + i < b.n; i += THREADS) {
        gs_u64 ns = near.sums[i];
        if (ns)
            atomicAdd(&near.all[near.first + i], ns);
    }
}

__global__ void __launch_bounds__(THREADS) gs_k_timeline(gs_rows rows, size_t n, gs_device_bins b)
{
    GS_SHARED(gs_u64, holds, NEAR);
    GS_SHARED(gs_u64, waits, NEAR);
    size_t base = (size_t)blockIdx.x * TILE;
    uint64_t first = base < n ? first_near_bin(b, rows.acq_ns[base]) : 0;
    near_bins hold = {holds, b.hold_ns, first}, wait = {waits, b.wait_ns, first};
    for (unsigned i = threadIdx.x; i < NEAR; i += THREADS)
        holds[i] = waits[i] = 0;
    __syncthreads();
    for (size_t i = base + threadIdx.x; i < n && i < base + TILE; i += THREADS) {
        if (rows.flags[i] & GS_SLICE_TURN)
            add_stretch(b, hold, rows.acq_ns[i], rows.rel_ns[i]);
        if (rows.flags[i] & GS_SLICE_WAIT)
            add_stretch(b, wait, rows.begin_ns[i], rows.a_ns[i]);
    }
    __syncthreads();
    flush(b, hold);
    flush(b, wait);
}
} // namespace

cudaError_t gs_launch_timeline(const struct gs_rows *rows, size_t n,
                               const struct gs_device_bins *bins, cudaStream_t stream)
{
    gs_rows rows_by_value = *rows;
    gs_device_bins bins_by_value = *bins;
    GS_LAUNCH(gs_k_timeline, gs_blocks_for(n, TILE), THREADS, 0, stream, rows_by_value, n,
              bins_by_value);
    return cudaGetLastError();
}

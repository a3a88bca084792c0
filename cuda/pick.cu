/* SPDX-License-Identifier: MIT */
#include "cuda/pick.cuh"

namespace
{
const unsigned THREADS = 256, TILE = 16 * THREADS; /* places of a block */

struct memory {
    uint32_t *places;
    uint8_t *flags;
    gs_picked out;
};

memory carve(uint32_t n, gs_carver *from)
{
    memory m;
    m.places = from->array<uint32_t>(n);
    m.flags = from->array<uint8_t>(n);
    m.out.at = from->array<uint32_t>(n);
    m.out.n = from->array<uint32_t>(1);
    return m;
}

__global__ void __launch_bounds__(THREADS)
    gs_k_flag(const gs_u64 *count, uint32_t n, uint32_t *places, uint8_t *flags)
{
    size_t end = min((gs_u64)n, (gs_u64)(blockIdx.x + 1) * TILE);
    for (size_t i = (size_t)blockIdx.x * TILE + threadIdx.x; i < end; i += THREADS) {
        places[i] = (uint32_t)i;
        flags[i] = count[i] != 0;
    }
}

__global__ void __launch_bounds__(THREADS)
    gs_k_gather(const gs_u64 *from, const uint32_t *at, uint32_t n, gs_u64 *to)
{
    size_t i = gs_global_thread();
    if (i < n)
        to[i] = from ? from[at[i]] : at[i];
}
} // namespace

size_t gs_pick_work_bytes(uint32_t n)
{
    gs_carver count = {NULL, 0, 0};
    memory m = carve(n, &count);
    gs_select_flagged(&count, m.places, m.flags, m.out.at, m.out.n, n, NULL);
    return count.used;
}

cudaError_t gs_launch_pick(const gs_u64 *count, uint32_t n, char *work, size_t work_bytes,
                           gs_picked *out, cudaStream_t stream)
{
    gs_carver from = {work, 0, work_bytes};
    memory m = carve(n, &from);
    *out = m.out;
    GS_LAUNCH(gs_k_flag, gs_blocks_for(n, TILE), THREADS, 0, stream, count, n, m.places, m.flags);
    GS_TRY(cudaGetLastError());
    return gs_select_flagged(&from, m.places, m.flags, m.out.at, m.out.n, n, stream);
}

cudaError_t gs_launch_gather(const gs_u64 *from, const uint32_t *at, uint32_t n, gs_u64 *to,
                             cudaStream_t stream)
{
    GS_LAUNCH(gs_k_gather, gs_blocks_for(n, THREADS), THREADS, 0, stream, from, at, n, to);
    return cudaGetLastError();
}

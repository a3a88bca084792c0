/* SPDX-License-Identifier: MIT */
#include "cuda/map.cuh"

namespace
{
const unsigned THREADS = 256;

__global__ void __launch_bounds__(THREADS) gs_k_clear_slots(gs_map m)
{
    size_t i = gs_global_thread();
    if (i == 0)
        *m.n = 0; /* claims look at it */
    if (i > m.mask)
        return;
    m.slot_keys[i] = GS_NO_KEY;
    m.slot_numbers[i] = GS_NO_NUMBER;
}

__global__ void __launch_bounds__(THREADS) gs_k_place_keys(gs_map m, uint32_t n)
{
    size_t i = gs_global_thread();
    if (i >= n)
        return;
    uint32_t at = gs_map_claim(m, m.keys[i]);
    if (at != GS_NO_NUMBER)
        m.slot_numbers[at] = (uint32_t)i;
}

__global__ void gs_k_set_n(gs_map m, uint32_t n)
{
    *m.n = n;
}
} // namespace

cudaError_t gs_launch_map_build(const struct gs_map *map, uint32_t n, cudaStream_t stream)
{
    gs_map m = *map;
    GS_LAUNCH(gs_k_clear_slots, gs_blocks_for((size_t)m.mask + 1, THREADS), THREADS, 0, stream, m);
    GS_LAUNCH(gs_k_place_keys, gs_blocks_for(n, THREADS), THREADS, 0, stream, m, n);
    GS_LAUNCH(gs_k_set_n, 1, 1, 0, stream, m, n);
    return cudaGetLastError();
}

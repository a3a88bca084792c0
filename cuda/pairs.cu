/* SPDX-License-Identifier: MIT
 * One thread a wait: it walks the sub-periods that the wait lies over. Most waits see a few; one
 * over thousands keeps its warp busy, which the limit behind GS_ROW_BY_HOLDER bounds.
 */
#include "cuda/pairs.cuh"

namespace
{
const unsigned THREADS = 256;

__device__ inline void add_pair(const gs_pairs_out &out, uint32_t waiter, uint32_t holder,
                                gs_u64 ns)
{
    if (holder == GS_NO_ACTOR || ns == 0)
        return;
    unsigned row = out.waiter_class[waiter], column = out.holder_class[holder];
    if (row == GS_NO_CLASS || column == GS_NO_CLASS) {
        atomicAdd(out.n_left, 1ull);
        return;
    }
    atomicAdd(&out.ns[row * out.width + column], ns);
    atomicAdd(&out.count[row * out.width + column], 1ull);
}

__global__ void __launch_bounds__(THREADS)
    gs_k_pairs(gs_blame b, gs_blame_left left, gs_pairs_out out)
{
    size_t at = gs_global_thread();
    if (at >= (size_t)b.n + b.n_reaching)
        return;
    const gs_rows &waits = at < b.n ? b.rows : b.reaching;
    size_t i = at < b.n ? at : at - b.n;
    if (!(waits.flags[i] & GS_ROW_BY_HOLDER))
        return;
    gs_wait_span s = left.spans[at];
    gs_u64 at_ns = s.from_ns;
    for (uint32_t k = s.first; k < s.end; k++) {
        add_pair(out, waits.wait_actor[i], left.actor[k], left.end_ns[k] - at_ns);
        at_ns = left.end_ns[k];
    }
}
} // namespace

cudaError_t gs_launch_pairs(const struct gs_blame *blame, const struct gs_blame_left *left,
                            const struct gs_pairs_out *out, cudaStream_t stream)
{
    gs_blame b = *blame;
    gs_blame_left l = *left;
    gs_pairs_out o = *out;
    GS_LAUNCH(gs_k_pairs, gs_blocks_for((size_t)b.n + b.n_reaching, THREADS), THREADS, 0, stream, b,
              l, o);
    return cudaGetLastError();
}

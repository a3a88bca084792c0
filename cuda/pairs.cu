/* SPDX-License-Identifier: MIT
 * One thread a wait: it walks the sub-periods that the wait lies over. Most waits see a few; one
 * over thousands keeps its warp busy, which the limit behind GS_ROW_BY_HOLDER bounds.
 */
#include "cuda/pairs.cuh"

#include "cuda/map.cuh"

namespace
{
const unsigned THREADS = 256;
const uint64_t NOWHERE = UINT64_MAX;

/* The slot of a pair, claimed for it if it has none yet. */
__device__ uint64_t claim_slot(const gs_pair_table &t, gs_u64 pair)
{
    uint64_t at = gs_mix(pair) & t.mask;
    for (uint64_t probe = 0; probe <= t.mask; probe++, at = (at + 1) & t.mask) {
        gs_u64 there = t.keys[at];
        if (there == GS_NO_KEY)
            there = atomicCAS(&t.keys[at], GS_NO_KEY, pair);
        if (there == GS_NO_KEY || there == pair)
            return at;
    }
    return NOWHERE;
}

__device__ inline void add_pair(const gs_pair_table &t, uint32_t waiter, uint32_t holder, gs_u64 ns,
                                uint32_t *is_full)
{
    uint32_t row = t.waiter_class[waiter], column = t.holder_class[holder];
    if (row == GS_NO_CLASS || column == GS_NO_CLASS)
        return;
    uint64_t pair = row * t.n_holders + column, at = t.keys ? claim_slot(t, pair) : pair;
    if (at == NOWHERE) {
        atomicOr(is_full, 1u);
        return;
    }
    atomicAdd(&t.ns[at], ns);
    atomicAdd(&t.count[at], 1ull);
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
        gs_u64 ns = left.end_ns[k] - at_ns;
        at_ns = left.end_ns[k];
        if (left.actor[k] == GS_NO_ACTOR || ns == 0)
            continue;
        add_pair(out.threads, waits.wait_actor[i], left.actor[k], ns, out.is_full);
        add_pair(out.stacks, waits.wait_actor[i], left.actor[k], ns, out.is_full);
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

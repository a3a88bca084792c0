/* SPDX-License-Identifier: MIT
 * A block has 4096 rows. Its sums are kept in shared memory, in slots that actors claim by the low
 * bits of their number; an actor that finds its slot taken adds to global memory, so the sums are
 * exact however many actors there are, and fast while a block meets few.
 *
 * Shared atomics are 32 bits wide: a sum is kept as two halves of 16 bits of its terms, and
 * 4096 * 65535 < 2^32. Terms of 2^32 ns (4.3 s) and more are rare and go to global memory.
 * Where all lanes of a warp have one actor, one of them adds for all.
 */
#include "cuda/group.cuh"

namespace
{
const unsigned THREADS = 256, TILE = 4096, SLOTS = 512, LANES = 32;
static_assert(TILE % THREADS == 0 && TILE <= 65537, "halves of sums must fit");

enum word {
    HOLD_LOW,
    HOLD_HIGH,
    HOLDS,
    WAIT_LOW,
    WAIT_HIGH,
    WAITS,
    WAIT_MAX,
    ACQUIRES,
    RELEASES,
    FORCED,
    WORDS
};

struct tile {
    gs_shared<uint32_t> owner; /* of each slot */
    gs_shared<uint32_t> words; /* word * SLOTS + slot */
    gs_shared<uint32_t> hold_hist, wait_hist;
    gs_group_out out;
};

struct term { /* what a thread adds for one row */
    gs_u64 ns;
    uint32_t actor;
    bool is_there;
};

/* ---- slots ---- */

__device__ inline bool claim(const tile &t, uint32_t actor)
{
    uint32_t before = atomicCAS(&t.owner[actor % SLOTS], GS_NO_ACTOR, actor);
    return before == GS_NO_ACTOR || before == actor;
}

__device__ inline void add_word(const tile &t, unsigned word, uint32_t actor, uint32_t v)
{
    atomicAdd(&t.words[word * SLOTS + actor % SLOTS], v);
}

__device__ inline void add_count(const tile &t, unsigned word, unsigned kind, uint32_t actor,
                                 uint32_t n)
{
    if (n == 0)
        return;
    if (claim(t, actor))
        add_word(t, word, actor, n);
    else
        atomicAdd(gs_sum_at(t.out.actors, kind, actor), (gs_u64)n);
}

__device__ inline void add_ns(const tile &t, unsigned low_word, unsigned kind, uint32_t actor,
                              gs_u64 ns)
{
    if (ns >> 32 || !claim(t, actor)) {
        atomicAdd(gs_sum_at(t.out.actors, kind, actor), ns);
        return;
    }
    add_word(t, low_word, actor, (uint32_t)ns & 0xffff);
    add_word(t, low_word + 1, actor, (uint32_t)ns >> 16);
}

__device__ inline void add_max(const tile &t, uint32_t actor, gs_u64 ns)
{
    if (ns >> 32 || !claim(t, actor))
        atomicMax(gs_sum_at(t.out.actors, GS_SUM_WAIT_MAX_NS, actor), ns);
    else
        atomicMax(&t.words[WAIT_MAX * SLOTS + actor % SLOTS], (uint32_t)ns);
}

/* ---- one actor in a whole warp ---- */

__device__ inline gs_u64 warp_sum(gs_u64 v)
{
    for (int by = LANES / 2; by > 0; by /= 2)
        v += __shfl_xor_sync(GS_FULL_WARP, v, by);
    return v;
}

__device__ inline gs_u64 warp_max(gs_u64 v)
{
    for (int by = LANES / 2; by > 0; by /= 2)
        v = max(v, __shfl_xor_sync(GS_FULL_WARP, v, by));
    return v;
}

/* Whether all lanes that have a term have it for one actor. All lanes of the warp call. */
__device__ inline bool is_one_actor(const term &x)
{
    unsigned there = __ballot_sync(GS_FULL_WARP, x.is_there);
    unsigned alike = __match_any_sync(GS_FULL_WARP, x.is_there ? x.actor : GS_NO_ACTOR);
    return __all_sync(GS_FULL_WARP, !x.is_there || alike == there) && there;
}

/* Then the term of all lanes, in the first of them; *n says how many they were. */
__device__ inline term gather(const term &x, uint32_t *n)
{
    unsigned there = __ballot_sync(GS_FULL_WARP, x.is_there);
    bool is_first = (int)(threadIdx.x % LANES) == __ffs((int)there) - 1;
    term sum = {warp_sum(x.is_there ? x.ns : 0), x.actor, is_first};
    *n = (uint32_t)__popc(there);
    return sum;
}

__device__ void add_hold(const tile &t, term x)
{
    uint32_t n = 1;
    if (is_one_actor(x))
        x = gather(x, &n);
    if (!x.is_there)
        return;
    add_ns(t, HOLD_LOW, GS_SUM_HOLD_NS, x.actor, x.ns);
    add_count(t, HOLDS, GS_SUM_HOLD_COUNT, x.actor, n);
}

__device__ void add_wait(const tile &t, term x)
{
    uint32_t n = 1;
    gs_u64 most = x.ns;
    if (is_one_actor(x)) {
        most = warp_max(x.is_there ? x.ns : 0);
        x = gather(x, &n);
    }
    if (!x.is_there)
        return;
    add_ns(t, WAIT_LOW, GS_SUM_WAIT_NS, x.actor, x.ns);
    add_count(t, WAITS, GS_SUM_WAIT_COUNT, x.actor, n);
    add_max(t, x.actor, most);
}

/* ---- rows ---- */

__device__ inline void add_to_thread(const gs_group_out &out, const term &wait)
{
    uint32_t thread = out.thread_class[wait.actor];
    unsigned bucket = gs_device_hist_bucket_of(wait.ns);
    if (thread != GS_NO_CLASS)
        atomicAdd(&out.thread_hists[(size_t)thread * GS_DEVICE_HIST_BUCKETS + bucket], 1ull);
}

__device__ void add_row(const tile &t, const gs_rows &rows, const uint8_t *is_cut, size_t i,
                        bool is_row)
{
    uint32_t flags = is_row ? rows.flags[i] : 0;
    term hold = {}, wait = {};
    if (flags & GS_SLICE_TURN) {
        hold = {rows.rel_ns[i] - rows.acq_ns[i], rows.hold_actor[i], !is_cut || !is_cut[i]};
        atomicAdd(&t.hold_hist[gs_device_hist_bucket_of(hold.ns)], 1u);
    }
    if (flags & GS_SLICE_WAIT) {
        wait = {rows.a_ns[i] - rows.begin_ns[i], rows.wait_actor[i], true};
        atomicAdd(&t.wait_hist[gs_device_hist_bucket_of(wait.ns)], 1u);
        add_to_thread(t.out, wait);
    }
    add_hold(t, hold);
    add_wait(t, wait);
    gs_u64 waited = warp_sum(wait.ns);
    if (threadIdx.x % LANES == 0 && waited)
        atomicAdd(t.out.wait_ns, waited);
    if (!is_row)
        return;
    uint32_t actor = rows.hold_actor[i];
    add_count(t, ACQUIRES, GS_SUM_ACQUIRES, actor, 1);
    add_count(t, RELEASES, GS_SUM_RELEASES, actor, (flags & GS_SLICE_TURN) != 0);
    add_count(t, FORCED, GS_SUM_FORCED, actor, (flags & GS_SLICE_FORCED) != 0);
}

__device__ void clear(const tile &t)
{
    for (unsigned i = threadIdx.x; i < SLOTS; i += THREADS)
        t.owner[i] = GS_NO_ACTOR;
    for (unsigned i = threadIdx.x; i < WORDS * SLOTS; i += THREADS)
        t.words[i] = 0;
    for (unsigned i = threadIdx.x; i < GS_DEVICE_HIST_BUCKETS; i += THREADS)
        t.hold_hist[i] = t.wait_hist[i] = 0;
}

/* ---- into global memory ---- */

__device__ inline void flush_sum(const tile &t, unsigned kind, uint32_t actor, gs_u64 v)
{
    if (v)
        atomicAdd(gs_sum_at(t.out.actors, kind, actor), v);
}

__device__ inline gs_u64 word_of(const tile &t, unsigned word, unsigned slot)
{
    return t.words[word * SLOTS + slot];
}

__device__ void flush_slot(const tile &t, unsigned s)
{
    uint32_t actor = t.owner[s];
    if (actor == GS_NO_ACTOR)
        return;
    flush_sum(t, GS_SUM_HOLD_NS, actor, word_of(t, HOLD_LOW, s) + (word_of(t, HOLD_HIGH, s) << 16));
    flush_sum(t, GS_SUM_HOLD_COUNT, actor, word_of(t, HOLDS, s));
    flush_sum(t, GS_SUM_WAIT_NS, actor, word_of(t, WAIT_LOW, s) + (word_of(t, WAIT_HIGH, s) << 16));
    flush_sum(t, GS_SUM_WAIT_COUNT, actor, word_of(t, WAITS, s));
    flush_sum(t, GS_SUM_ACQUIRES, actor, word_of(t, ACQUIRES, s));
    flush_sum(t, GS_SUM_RELEASES, actor, word_of(t, RELEASES, s));
    flush_sum(t, GS_SUM_FORCED, actor, word_of(t, FORCED, s));
    atomicMax(gs_sum_at(t.out.actors, GS_SUM_WAIT_MAX_NS, actor), word_of(t, WAIT_MAX, s));
}

__device__ void flush(const tile &t)
{
    for (unsigned s = threadIdx.x; s < SLOTS; s += THREADS)
        flush_slot(t, s);
    for (unsigned i = threadIdx.x; i < GS_DEVICE_HIST_BUCKETS; i += THREADS) {
        uint32_t holds = t.hold_hist[i], waits = t.wait_hist[i];
        if (holds)
            atomicAdd(&t.out.hold_hist[i], (gs_u64)holds);
        if (waits)
            atomicAdd(&t.out.wait_hist[i], (gs_u64)waits);
    }
}

__global__ void __launch_bounds__(THREADS)
    gs_k_group(gs_rows rows, size_t n, const uint8_t *is_cut, gs_group_out out)
{
    GS_SHARED(uint32_t, owner, SLOTS);
    GS_SHARED(uint32_t, words, WORDS * SLOTS);
    GS_SHARED(uint32_t, hold_hist, GS_DEVICE_HIST_BUCKETS);
    GS_SHARED(uint32_t, wait_hist, GS_DEVICE_HIST_BUCKETS);
    tile t = {owner, words, hold_hist, wait_hist, out};
    clear(t);
    __syncthreads();
    for (unsigned k = threadIdx.x; k < TILE; k += THREADS) {
        size_t i = (size_t)blockIdx.x * TILE + k;
        add_row(t, rows, is_cut, i, i < n);
    }
    __syncthreads();
    flush(t);
}
} // namespace

cudaError_t gs_launch_group(const struct gs_rows *rows, size_t n, const uint8_t *is_cut,
                            const struct gs_group_out *out, cudaStream_t stream)
{
    gs_rows rows_by_value = *rows;
    gs_group_out out_by_value = *out;
    GS_LAUNCH(gs_k_group, gs_blocks_for(n, TILE), THREADS, 0, stream, rows_by_value, n, is_cut,
              out_by_value);
    return cudaGetLastError();
}

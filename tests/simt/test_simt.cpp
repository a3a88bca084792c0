/* SPDX-License-Identifier: MIT
 * The emulator itself: it computes what CUDA computes, and finds each kind of mistake it is there
 * to find.
 */
#include "tests/simt/simt_test.h"

/* ---- what works ---- */

static void k_index(unsigned *out)
{
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + thread + 1000 * block;
}

static void every_thread_of_every_block_runs_once(void **state)
{
    const unsigned blocks = 2 * 3 * 2, threads = 5 * 3 * 2;
    std::vector<unsigned> out(blocks * threads), want;
    (void)state;
    GS_LAUNCH(k_index, dim3(2, 3, 2), dim3(5, 3, 2), 0, nullptr, out.data());
    assert_ran(cudaGetLastError());
    for (unsigned i = 0; i < blocks * threads; i++)
        want.push_back(1 + i % threads + 1000 * (i / threads));
    assert_same(out, want);
}

/* Reverses its block through shared memory, sums it with atomics. */
static void k_shared(unsigned *out, unsigned *sum)
{
    GS_SHARED_DYNAMIC(unsigned, all);
    GS_SHARED(unsigned, total, 1);
    if (threadIdx.x == 0)
        total[0] = 0;
    all[threadIdx.x] = 2 * threadIdx.x;
    all[threadIdx.x] += threadIdx.x;
    __syncthreads();
    atomicAdd(&total[0], threadIdx.x);
    out[threadIdx.x] = *(all + (blockDim.x - 1 - threadIdx.x));
    __syncthreads();
    if (threadIdx.x == 7)
        *sum = total[0];
}

static void shared_memory_and_barriers(void **state)
{
    (void)state;
    for (uint64_t seed : SEEDS) {
        std::vector<unsigned> out(100), want;
        unsigned sum = 0;
        gs::simt::set_seed(seed);
        GS_LAUNCH(k_shared, 1, 100, 100 * sizeof(unsigned), nullptr, out.data(), &sum);
        assert_ran(cudaGetLastError());
        for (unsigned i = 0; i < 100; i++)
            want.push_back(3 * (99 - i));
        assert_same(out, want);
        assert_int_equal(sum, 99 * 100 / 2);
    }
}

struct warp_answers {
    unsigned idx, up, down, xored, part, ballot, any, all, match;
    gs_u64 wide;
};

static void k_warp(warp_answers *out)
{
    unsigned i = threadIdx.x, lane = i % 32, all = 0xffffffffu;
    warp_answers a = {};
    a.idx = __shfl_sync(all, i, 3);
    a.up = __shfl_up_sync(all, i, 2);
    a.down = __shfl_down_sync(all, i, 5);
    a.xored = __shfl_xor_sync(all, i, 6);
    a.part = __shfl_sync(all, i, 1, 8);
    a.ballot = __ballot_sync(all, lane % 3 == 0);
    a.any = (unsigned)__any_sync(all, lane == 30);
    a.all = (unsigned)__all_sync(all, lane != 30);
    a.match = __match_any_sync(all, lane / 10);
    a.wide = __shfl_up_sync(all, (gs_u64)i << 40, 1);
    out[i] = a;
}

static void warp_operations(void **state)
{
    std::vector<warp_answers> out(64);
    (void)state;
    GS_LAUNCH(k_warp, 1, 64, 0, nullptr, out.data());
    assert_ran(cudaGetLastError());
    for (unsigned i = 0; i < 64; i++) {
        unsigned warp = i & ~31u, lane = i % 32;
        assert_int_equal(out[i].idx, warp + 3);
        assert_int_equal(out[i].up, lane < 2 ? i : i - 2);
        assert_int_equal(out[i].down, lane + 5 > 31 ? i : i + 5);
        assert_int_equal(out[i].xored, warp + (lane ^ 6));
        assert_int_equal(out[i].part, (i & ~7u) + 1);
        assert_int_equal(out[i].ballot, 0x49249249u);
        assert_int_equal(out[i].any, 1);
        assert_int_equal(out[i].all, 0);
        assert_int_equal(out[i].match, lane < 30 ? 0x3ffu << lane / 10 * 10 : 3u << 30);
        assert_int_equal(out[i].wide, (gs_u64)(lane ? i - 1 : i) << 40);
    }
}

/* Parts of a warp may work apart, each with its own mask. */
static void k_halves(unsigned *out)
{
    unsigned i = threadIdx.x;
    if (i < 16)
        out[i] = __shfl_sync(0x0000ffffu, i, 0);
    else
        out[i] = __shfl_xor_sync(0xffff0000u, i, 1);
}

static void masks_of_half_a_warp(void **state)
{
    std::vector<unsigned> out(32);
    (void)state;
    GS_LAUNCH(k_halves, 1, 32, 0, nullptr, out.data());
    assert_ran(cudaGetLastError());
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(out[i], i < 16 ? 0 : i ^ 1);
}

static void k_atomics(unsigned *word, gs_u64 *wide, int *number)
{
    unsigned seen = 0, i = threadIdx.x;
    atomicAdd(&word[0], 1u);
    atomicMax(&word[1], i);
    atomicMin(&word[2], i);
    atomicOr(&word[3], 1u << i % 32);
    while (atomicCAS(&word[4], seen, seen + 2) != seen) /* a lock-free += 2 */
        seen = word[4];
    atomicAdd(&wide[0], (gs_u64)i << 32);
    atomicMax(&wide[1], (gs_u64)i << 33);
    atomicExch(&wide[2], 9u);
    atomicMin(&number[0], -(int)i);
    atomicMax(&number[1], -1);
}

static void atomics_on_global_memory(void **state)
{
    unsigned word[5] = {0, 0, 1000, 0, 0};
    gs_u64 wide[3] = {};
    int number[2] = {0, -5};
    (void)state;
    GS_LAUNCH(k_atomics, 3, 90, 0, nullptr, word, wide, number);
    assert_ran(cudaGetLastError());
    assert_int_equal(word[0], 270);
    assert_int_equal(word[1], 89);
    assert_int_equal(word[2], 0);
    assert_int_equal(word[3], 0xffffffffu);
    assert_int_equal(word[4], 540);
    assert_int_equal(wide[0], (gs_u64)3 * (89 * 90 / 2) << 32);
    assert_int_equal(wide[1], (gs_u64)89 << 33);
    assert_int_equal(wide[2], 9);
    assert_int_equal(number[0], -89);
    assert_int_equal(number[1], -1);
}

/* Threads note in which order they ran. */
static void k_order(unsigned *out, unsigned *at)
{
    out[atomicAdd(at, 1u)] = threadIdx.x;
}

static std::vector<unsigned> order_of(uint64_t seed)
{
    std::vector<unsigned> out(64);
    unsigned at = 0;
    gs::simt::set_seed(seed);
    GS_LAUNCH(k_order, 1, 64, 0, nullptr, out.data(), &at);
    assert_ran(cudaGetLastError());
    assert_int_equal(at, 64);
    return out;
}

static void the_seed_decides_the_order(void **state)
{
    (void)state;
    assert_same(order_of(5), order_of(5));
    assert_true(order_of(5) != order_of(6));
}

static void impossible_launches_are_refused(void **state)
{
    std::vector<unsigned> out(64);
    unsigned at = 0;
    (void)state;
    GS_LAUNCH(k_order, 1, 1025, 0, nullptr, out.data(), &at);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
    GS_LAUNCH(k_order, 0, 32, 0, nullptr, out.data(), &at);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
    GS_LAUNCH(k_order, 1, 32, 1u << 20, nullptr, out.data(), &at);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    assert_int_equal(at, 0);
}

/* ---- races ---- */

enum race { RAW, WAR, WAW, ATOMIC_READ, BY_WARP, NONE, WARP_ORDERED, ALL_ATOMIC };

static void k_race(race what, unsigned *out)
{
    GS_SHARED(unsigned, word, 64);
    unsigned i = threadIdx.x;
    word[i] = i;
    __syncthreads();
    if (what == RAW)
        word[i] = word[(i + 1) % 64];
    else if (what == WAR && i == 9)
        out[0] = word[40];
    else if (what == WAR && i == 40)
        word[40] = 1;
    else if (what == WAW)
        word[i / 2] = 1;
    else if (what == ATOMIC_READ)
        out[i] = i ? atomicAdd(&word[0], 1u) : (unsigned)word[0];
    else if (what == ALL_ATOMIC)
        atomicAdd(&word[0], 1u);
    if (what == WARP_ORDERED || what == BY_WARP) {
        out[i] = word[i ^ 1];
        __syncwarp();
        word[i ^ 1] = 2;
        __syncwarp();
        out[i] = word[what == BY_WARP ? i ^ 32 : i];
    }
}

static void try_race(race what, const char *fault)
{
    for (uint64_t seed : SEEDS) {
        std::vector<unsigned> out(64);
        gs::simt::set_seed(seed);
        GS_LAUNCH(k_race, 1, 64, 0, nullptr, what, out.data());
        if (fault)
            assert_fault(fault);
        else
            assert_ran(cudaGetLastError());
    }
}

static void races_are_found_in_any_order(void **state)
{
    (void)state;
    for (race what : {RAW, WAR, WAW, ATOMIC_READ, BY_WARP})
        try_race(what, "race: byte");
    for (race what : {NONE, WARP_ORDERED, ALL_ATOMIC})
        try_race(what, nullptr);
}

/* A __syncwarp of half a warp orders nothing for the other half. */
static void k_half_sync(unsigned *out)
{
    GS_SHARED(unsigned, word, 32);
    unsigned i = threadIdx.x;
    word[i] = i;
    if (i < 16)
        __syncwarp(0x0000ffffu);
    out[i] = word[i ^ 16];
}

static void half_a_warp_orders_nothing(void **state)
{
    std::vector<unsigned> out(32);
    (void)state;
    GS_LAUNCH(k_half_sync, 1, 32, 0, nullptr, out.data());
    assert_fault("race: byte");
}

/* ---- indexes ---- */

static void k_index_of_shared(int at, bool dynamic)
{
    GS_SHARED(gs_u64, fixed, 4);
    GS_SHARED_DYNAMIC(gs_u64, given);
    if (threadIdx.x == 1)
        (dynamic ? given : fixed)[at] = 1;
}

static void indexes_out_of_shared_arrays(void **state)
{
    (void)state;
    for (bool dynamic : {false, true}) {
        for (int at : {0, 3}) {
            GS_LAUNCH(k_index_of_shared, 1, 2, 32, nullptr, at, dynamic);
            assert_ran(cudaGetLastError());
        }
        for (int at : {-1, 4, 1 << 30}) {
            GS_LAUNCH(k_index_of_shared, 1, 2, 32, nullptr, at, dynamic);
            assert_fault("of an array of 32");
        }
    }
}

static void k_uninitialised(unsigned *out)
{
    GS_SHARED(unsigned, word, 1);
    *out = word[0];
}

static void fresh_shared_memory_is_not_zero(void **state)
{
    unsigned out = 0;
    (void)state;
    GS_LAUNCH(k_uninitialised, 1, 1, 0, nullptr, &out);
    assert_ran(cudaGetLastError());
    assert_int_not_equal(out, 0);
}

/* ---- barriers, masks ---- */

enum divergence { SOME_RETURN, OTHER_BARRIER, BARRIER_AND_WARP };

static void k_divergent(divergence what)
{
    if (what == SOME_RETURN && threadIdx.x == 33)
        return;
    if (what == OTHER_BARRIER && threadIdx.x % 2) {
        __syncthreads();
        return;
    }
    if (what == BARRIER_AND_WARP && threadIdx.x < 32)
        __syncwarp(threadIdx.x == 5 ? 0xffffffffu : ~(1u << 5));
    __syncthreads();
}

static void divergent_barriers(void **state)
{
    (void)state;
    GS_LAUNCH(k_divergent, 1, 64, 0, nullptr, SOME_RETURN);
    assert_fault("1 of 64 have returned");
    GS_LAUNCH(k_divergent, 1, 64, 0, nullptr, OTHER_BARRIER);
    assert_fault("divergent barrier: threads wait at");
    GS_LAUNCH(k_divergent, 1, 64, 0, nullptr, BARRIER_AND_WARP);
    assert_fault("lanes that do not take part");
}

enum mask_mistake { LANE_RETURNED, NOT_ME, NO_SUCH_LANE, SOURCE_OUTSIDE, OTHER_OP, BAD_WIDTH };

static void k_mask(mask_mistake what, unsigned *out)
{
    unsigned i = threadIdx.x;
    if (what == LANE_RETURNED && i == 4)
        return;
    if (what == LANE_RETURNED)
        out[i] = __ballot_sync(0xffffffffu, 1);
    else if (what == NOT_ME)
        out[i] = __ballot_sync(0xfffffffeu, 1);
    else if (what == NO_SUCH_LANE && i >= 32)
        out[i] = __ballot_sync(0xffffffffu, 1);
    else if (what == SOURCE_OUTSIDE && i < 8)
        out[i] = __shfl_down_sync(0xffu, i, 2);
    else if (what == OTHER_OP && i < 32)
        out[i] = i % 2 ? __ballot_sync(0xffffffffu, 1) : __shfl_sync(0xffffffffu, i, 0);
    else if (what == BAD_WIDTH)
        out[i] = __shfl_sync(0xffffffffu, i, 0, 12);
}

static void masks_of_lanes_that_take_no_part(void **state)
{
    static const struct {
        mask_mistake what;
        unsigned threads;
        const char *fault;
    } mistakes[] = {
        {LANE_RETURNED, 32, "lanes that do not take part"},
        {NOT_ME, 32, "lacks the caller's lane"},
        {NO_SUCH_LANE, 40, "lanes the block has not"},
        {SOURCE_OUTSIDE, 32, "which takes no part"},
        {OTHER_OP, 32, "lanes that do not take part"},
        {BAD_WIDTH, 32, "no power of two"},
    };
    (void)state;
    for (const auto &m : mistakes) {
        std::vector<unsigned> out(40);
        GS_LAUNCH(k_mask, 1, m.threads, 0, nullptr, m.what, out.data());
        assert_fault(m.fault);
    }
}

static void a_launch_after_a_fault_runs(void **state)
{
    std::vector<unsigned> out(100);
    unsigned sum = 0;
    (void)state;
    GS_LAUNCH(k_divergent, 1, 64, 0, nullptr, SOME_RETURN);
    assert_fault("divergent");
    GS_LAUNCH(k_shared, 1, 100, 100 * sizeof(unsigned), nullptr, out.data(), &sum);
    assert_ran(cudaGetLastError());
    assert_int_equal(sum, 99 * 100 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_of_every_block_runs_once),
        cmocka_unit_test(shared_memory_and_barriers),
        cmocka_unit_test(warp_operations),
        cmocka_unit_test(masks_of_half_a_warp),
        cmocka_unit_test(atomics_on_global_memory),
        cmocka_unit_test(the_seed_decides_the_order),
        cmocka_unit_test(impossible_launches_are_refused),
        cmocka_unit_test(races_are_found_in_any_order),
        cmocka_unit_test(half_a_warp_orders_nothing),
        cmocka_unit_test(indexes_out_of_shared_arrays),
        cmocka_unit_test(fresh_shared_memory_is_not_zero),
        cmocka_unit_test(divergent_barriers),
        cmocka_unit_test(masks_of_lanes_that_take_no_part),
        cmocka_unit_test(a_launch_after_a_fault_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

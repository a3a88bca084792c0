/* SPDX-License-Identifier: MIT
 * What lives of the driver's memory, and its contexts, while many threads change them and the drain
 * thread looks on.
 * LINK: gs_agent_objects
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/cuda_context.h"
#include "preload/cuda_live.h"

#define THREADS  8
#define ROUNDS   100
#define STEPS    5000000
#define NAMES    4 /* a thread's */
#define CONTEXT  9
#define NAME_GAP UINT64_C(512)

static pthread_barrier_t barrier;
static uint32_t got[THREADS];
static uint64_t last_seq;
static bool done, wrong;

/* cmocka's own are for the thread that runs the tests. */
static void expect(bool is_so)
{
    if (!is_so)
        __atomic_store_n(&wrong, true, __ATOMIC_RELAXED);
}

/* Those from THREADS on take no part in the barrier. */
static void run(void *(*body)(void *), unsigned n)
{
    pthread_t threads[THREADS + 1];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, body, (void *)i);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

/* ---- a context that nobody saw made ---- */

static void *meet_stranger(void *arg)
{
    const struct gs_cuda_birth unknown = {.t = 1};
    for (uintptr_t i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        got[(uintptr_t)arg] = gs_cuda_context_add((void *)(0x1000 + 16 * i), 0, &unknown, true);
        pthread_barrier_wait(&barrier);
        if (!arg)
            for (unsigned k = 1; k < THREADS; k++)
                expect(got[k] == got[0]);
    }
    return NULL;
}

static void test_a_stranger_is_added_once(void **state)
{
    uint32_t before = gs_cuda_n_contexts();
    (void)state;
    run(meet_stranger, THREADS);
    assert_false(wrong);
    assert_int_equal(gs_cuda_n_contexts(), before + ROUNDS);
    assert_int_equal(gs_cuda_context_of((void *)0x1000), before + 1);
}

/* One that is just ending has the handle that a new one gets. */
static void test_a_new_one_with_an_old_ones_handle(void **state)
{
    const struct gs_cuda_birth birth = {.t = 1};
    void *handle = (void *)0x77000;
    (void)state;
    uint32_t old = gs_cuda_context_add(handle, 0, &birth, false);
    assert_int_equal(gs_cuda_context_of(handle), old);
    uint32_t new = gs_cuda_context_add(handle, 0, &birth, false);
    assert_int_not_equal(old, new);
    assert_int_equal(gs_cuda_context_of(handle), new);
    gs_cuda_context_end(old, 2);
    assert_int_equal(gs_cuda_context_of(handle), new);
}

static void test_more_than_are_told_apart(void **state)
{
    const struct gs_cuda_birth birth = {.t = 1};
    (void)state;
    while (gs_cuda_n_contexts() < GS_CUDA_CONTEXTS - 1)
        gs_cuda_context_add((void *)0x99000, 0, &birth, false);
    assert_false(gs_cuda_has_more_contexts());
    assert_int_equal(gs_cuda_context_add((void *)0x99010, 0, &birth, false), 0);
    assert_true(gs_cuda_has_more_contexts());
    assert_int_equal(gs_cuda_n_contexts(), GS_CUDA_CONTEXTS - 1);
    gs_cuda_contexts_forget();
    assert_int_equal(gs_cuda_n_contexts(), 0);
    assert_false(gs_cuda_has_more_contexts());
}

/* ---- blocks ---- */

static uint64_t name_of(uintptr_t thread, uint64_t i)
{
    return ((uint64_t)thread * NAMES + i + 1) * NAME_GAP;
}

static struct gs_cuda_block block_of(uint64_t seq, uint64_t name)
{
    return (struct gs_cuda_block){.t = seq + 1,
                                  .seq = seq,
                                  .bytes = seq + 2,
                                  .address = name,
                                  .thread = (uint32_t)seq,
                                  .stack = (uint32_t)seq,
                                  .context = CONTEXT,
                                  .kind = GS_CUDA_KIND_DEVICE};
}

static bool is_whole(const struct gs_cuda_block *b)
{
    return b->t == b->seq + 1 && b->bytes == b->seq + 2 && b->thread == (uint32_t)b->seq &&
           b->stack == (uint32_t)b->seq && b->context == CONTEXT;
}

/* Where they come and go most: a name mostly gets the place it had. */
static void *watch(void)
{
    struct gs_cuda_block b;
    uint64_t seen = 0;
    for (uint64_t i = 0; !__atomic_load_n(&done, __ATOMIC_ACQUIRE); i++) {
        uint64_t name = name_of(i % THREADS, 0);
        const struct gs_cuda_block *found = gs_cuda_live_find(GS_SPACE_DEVICE, name);
        for (unsigned k = 0; found && k < 100; k++)
            if (gs_cuda_live_read(gs_cuda_live_slot(found), &b)) {
                expect(is_whole(&b));
                seen++;
            }
    }
    expect(seen > 0);
    return NULL;
}

static void *come_and_go(void *arg)
{
    uint64_t lives[NAMES] = {0}, random = (uintptr_t)arg + 1;
    struct gs_cuda_block b;
    if ((uintptr_t)arg == THREADS)
        return watch();
    for (unsigned step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t i = (random >> 33) % NAMES, name = name_of((uintptr_t)arg, i);
        if (lives[i]) {
            expect(gs_cuda_live_take(GS_SPACE_DEVICE, name, &b));
            expect(is_whole(&b) && b.seq == lives[i] && b.address == name);
            gs_cuda_sum_free(CONTEXT, b.kind, b.bytes);
            lives[i] = 0;
        } else {
            lives[i] = __atomic_add_fetch(&last_seq, 1, __ATOMIC_RELAXED);
            b = block_of(lives[i], name);
            gs_cuda_sum_alloc(CONTEXT, b.kind, b.bytes);
            expect(gs_cuda_live_put(GS_SPACE_DEVICE, name, &b));
        }
    }
    pthread_barrier_wait(&barrier);
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void test_no_block_is_torn_lost_or_left(void **state)
{
    const struct gs_cuda_sums *s = gs_cuda_sums_of(CONTEXT, GS_CUDA_KIND_DEVICE);
    struct gs_cuda_block b;
    uint64_t live = 0, n = 0;
    (void)state;
    run(come_and_go, THREADS + 1);
    assert_false(wrong);
    for (uint32_t slot = 0; slot < GS_CUDA_SLOTS; slot++)
        if (gs_cuda_live_read(slot, &b)) {
            live += b.bytes;
            n++;
        }
    assert_int_equal(s->live_bytes, live);
    assert_int_equal(s->allocs - s->frees, n);
    assert_true(s->peak_bytes >= live);
    assert_int_equal(gs_cuda_sums_of_devices()->live_bytes, live);
    assert_int_equal(gs_cuda_untracked(), 0);
    assert_int_equal(gs_cuda_live_end_context(CONTEXT), live);
    assert_int_equal(s->live_bytes, 0);
    for (uint32_t slot = 0; slot < GS_CUDA_SLOTS; slot++)
        assert_false(gs_cuda_live_read(slot, &b));
}

static int map_table(void **state)
{
    (void)state;
    return gs_cuda_live_init() ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stranger_is_added_once),
        cmocka_unit_test(test_a_new_one_with_an_old_ones_handle),
        cmocka_unit_test(test_more_than_are_told_apart),
        cmocka_unit_test(test_no_block_is_torn_lost_or_left),
    };
    return cmocka_run_group_tests(tests, map_table, NULL);
}

/* SPDX-License-Identifier: MIT
 * The table of sampled blocks that live, and the filter in front of it.
 * LINK: gs_agent_objects
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/alloc_table.h"

#define MEAN          65536u
#define FILTER_PERIOD (GS_ALLOC_FILTER_WORDS * 32u * 16u)
#define HEAP          UINT64_C(0x7f0000000000)

static const void *block_at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

static bool put(uint64_t address, uint64_t id)
{
    struct gs_alloc_sample s = {.id = id, .bytes = id + 1, .points = 3, .stack = 4, .domain = 1};
    return gs_alloc_table_put(block_at(address), &s);
}

static uint64_t take(uint64_t address)
{
    struct gs_alloc_sample s;
    return gs_alloc_table_take(block_at(address), &s) ? s.id : 0;
}

static bool may_live(uint64_t address)
{
    return gs_alloc_may_live(block_at(address));
}

static int start(void **state)
{
    (void)state;
    assert_true(gs_alloc_table_init(MEAN));
    return 0;
}

static void a_sample_is_found_once(void **state)
{
    struct gs_alloc_sample s;
    (void)state;
    assert_false(may_live(HEAP));
    assert_true(put(HEAP, 7));
    assert_true(may_live(HEAP));
    assert_int_equal(take(HEAP + 16), 0);
    assert_true(gs_alloc_table_take(block_at(HEAP), &s));
    assert_int_equal(s.id, 7);
    assert_int_equal(s.bytes, 8);
    assert_int_equal(s.points, 3);
    assert_int_equal(s.stack, 4);
    assert_int_equal(s.domain, 1);
    assert_int_equal(take(HEAP), 0);
    assert_false(may_live(HEAP));
}

static void null_is_no_block(void **state)
{
    (void)state;
    assert_int_equal(take(0), 0);
    assert_true(put(FILTER_PERIOD, 1)); /* has the bit of address 0 */
    assert_int_equal(take(0), 0);
}

static void a_bit_stays_while_one_that_has_it_lives(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 300; i++) /* more than a count holds */
        assert_true(put(HEAP + i * FILTER_PERIOD, i));
    for (uint64_t i = 1; i <= 300; i++) {
        assert_true(may_live(HEAP + i * FILTER_PERIOD));
        assert_int_equal(take(HEAP + i * FILTER_PERIOD), i);
    }
    assert_true(put(HEAP + 64, 1));
    assert_true(put(HEAP + 64 + FILTER_PERIOD, 2));
    assert_int_equal(take(HEAP + 64), 1);
    assert_true(may_live(HEAP + 64 + FILTER_PERIOD));
    assert_int_equal(take(HEAP + 64 + FILTER_PERIOD), 2);
    assert_false(may_live(HEAP + 64));
}

/* Blocks of one place: as many as there are probes, and no more. What is freed makes room. */
static void a_full_place_refuses(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < GS_ALLOC_PROBES; i++)
        assert_true(put(HEAP + 16 * i, i + 1));
    assert_false(put(HEAP + 16 * GS_ALLOC_PROBES, 99));
    assert_false(may_live(HEAP + 16 * GS_ALLOC_PROBES));
    assert_int_equal(take(HEAP + 16 * 5), 6);
    assert_true(put(HEAP + 16 * GS_ALLOC_PROBES, 99));
    assert_int_equal(take(HEAP + 16 * GS_ALLOC_PROBES), 99);
}

/* A heap of 16 GiB as its samples lie in it: one a mean, at random. */
static void a_large_heap_has_room(void **state)
{
    const uint64_t n = UINT64_C(16) << 30 >> 16;
    uint64_t *blocks = calloc(n, sizeof(*blocks)), rng = 5, lost = 0;
    (void)state;
    assert_non_null(blocks);
    for (uint64_t i = 0; i < n; i++) {
        rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
        blocks[i] = HEAP + (rng >> 30) % (n * MEAN) / 16 * 16;
        if (!put(blocks[i], i + 1)) {
            blocks[i] = 0;
            lost++;
        }
    }
    assert_int_equal(lost, 0);
    for (uint64_t i = 0; i < n; i++)
        assert_int_not_equal(take(blocks[i]), 0);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(take(blocks[i]), 0);
    free(blocks);
}

static void the_drain_thread_sees_what_lives(void **state)
{
    struct gs_alloc_sample s;
    uintptr_t address;
    uint32_t seen = 0;
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        assert_true(put(HEAP + i * MEAN, i + 1));
    take(HEAP);
    for (uint32_t slot = 0; slot < GS_ALLOC_SLOTS; slot++) {
        if (!gs_alloc_table_read(slot, &address, &s))
            continue;
        assert_int_equal(address, HEAP + (s.id - 1) * MEAN);
        seen++;
    }
    assert_int_equal(seen, 99);
}

/* Under a GIL each: nobody loses a sample to another, whatever bits and places they share. */
static void *come_and_go(void *arg)
{
    uint64_t mine = HEAP + (uintptr_t)arg * 16, wrong = 0;
    for (uint64_t round = 1; round <= 100000; round++) {
        uint64_t at = mine + round % 7 * FILTER_PERIOD;
        wrong += !put(at, round) || take(at) != round;
    }
    return (void *)(uintptr_t)wrong;
}

static void several_gils_share_it(void **state)
{
    pthread_t threads[4];
    void *wrong;
    (void)state;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)i), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    for (uint64_t i = 0; i < 4; i++) {
        assert_false(may_live(HEAP + i * 16));
        assert_true(put(HEAP + i * 16, 1) && may_live(HEAP + i * 16));
    }
}

static void a_forked_child_has_none_of_it(void **state)
{
    int status;
    (void)state;
    assert_true(put(HEAP, 1));
    pid_t pid = fork();
    if (pid == 0)
        _exit(may_live(HEAP) || take(HEAP));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(take(HEAP), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_sample_is_found_once, start),
        cmocka_unit_test_setup(null_is_no_block, start),
        cmocka_unit_test_setup(a_bit_stays_while_one_that_has_it_lives, start),
        cmocka_unit_test_setup(a_full_place_refuses, start),
        cmocka_unit_test_setup(a_large_heap_has_room, start),
        cmocka_unit_test_setup(the_drain_thread_sees_what_lives, start),
        cmocka_unit_test_setup(several_gils_share_it, start),
        cmocka_unit_test_setup(a_forked_child_has_none_of_it, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

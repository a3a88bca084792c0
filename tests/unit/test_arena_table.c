/* SPDX-License-Identifier: MIT
 * The table of arenas: what lives, what the drain thread is told, and that nothing is unmapped
 * under a reader. LINK: gs_agent_objects
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "preload/agent_clock.h"
#include "preload/arena_table.h"

#define BYTES (1u << 20)
#define BASE  (uintptr_t)0x7f0000001000

static uintptr_t at(uint32_t i)
{
    return BASE + (uintptr_t)i * BYTES;
}

static int begin(void **state)
{
    (void)state;
    gs_clock_init();
    return gs_arenas_init(BYTES) ? 0 : -1;
}

static uint32_t n_news(void)
{
    uint32_t n = 0;
    while (gs_arenas_take_news())
        n++;
    return n;
}

/* As the drain thread does: a slot that has news is made known, or let go. */
static struct gs_arena *settle(void)
{
    struct gs_arena *a = gs_arenas_take_news();
    if (a && !gs_arenas_make_known(a))
        gs_arenas_release(a);
    return a;
}

static void an_arena_comes_and_goes(void **state)
{
    (void)state;
    gs_arenas_born(at(0), BYTES, 7);
    struct gs_arena *a = settle();
    assert_non_null(a);
    assert_int_equal(a->address, at(0));
    assert_int_equal(a->stack, 7);
    assert_int_equal(a->state, GS_ARENA_LIVE);
    assert_null(gs_arenas_take_news());
    assert_int_equal(gs_arenas_counts().arena_bytes, BYTES);
    assert_true(gs_arenas_gone(at(0), BYTES));
    assert_ptr_equal(gs_arenas_take_news(), a);
    assert_int_equal(a->state, GS_ARENA_DEAD);
    assert_true(a->died_t >= a->born_t);
    gs_arenas_release(a);
    assert_int_equal(gs_arenas_counts().arenas, 0);
}

/* A thousand lives of one address between two looks take one slot and are no news in the end. */
static void brief_ones_leave_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        gs_arenas_born(at(1), BYTES, 0);
        assert_true(gs_arenas_gone(at(1), BYTES));
    }
    assert_true(n_news() <= 1);
    assert_int_equal(gs_arenas_counts().arenas, 0);
    assert_int_equal(gs_arenas_counts().untracked, 0);
}

static void other_sizes_are_counted_apart(void **state)
{
    (void)state;
    gs_arenas_born(at(2), 16384, 0);
    assert_int_equal(gs_arenas_counts().chunks, 1);
    assert_int_equal(gs_arenas_counts().chunk_bytes, 16384);
    assert_true(gs_arenas_gone(at(2), 16384));
    assert_int_equal(gs_arenas_counts().chunks, 0);
    assert_int_equal(n_news(), 0);
}

static void one_that_is_read_is_unmapped_by_its_reader(void **state)
{
    (void)state;
    gs_arenas_born(at(3), BYTES, 0);
    struct gs_arena *a = settle();
    assert_true(gs_arenas_begin_read(a));
    assert_false(gs_arenas_gone(at(3), BYTES));
    assert_false(gs_arenas_end_read(a));
    gs_arenas_bury(a);
    assert_ptr_equal(gs_arenas_take_news(), a);
    assert_int_equal(a->state, GS_ARENA_DEAD);
    gs_arenas_release(a);
    assert_false(gs_arenas_begin_read(a));
}

static uint64_t given_back;

static void give_back(uintptr_t address, size_t bytes)
{
    (void)address;
    given_back += bytes;
}

static void a_child_has_its_parents(void **state)
{
    (void)state;
    for (uint32_t i = 4; i < 8; i++) {
        gs_arenas_born(at(i), BYTES, 9);
        settle();
    }
    struct gs_arena *a = NULL;
    gs_arenas_born(at(8), BYTES, 9);
    a = settle();
    assert_true(gs_arenas_begin_read(a)); /* by a thread that the child does not have */
    assert_false(gs_arenas_gone(at(8), BYTES));
    gs_arenas_after_fork(give_back);
    assert_int_equal(given_back, BYTES);
    for (int n = 0; n < 4; n++) {
        a = settle();
        assert_int_equal(a->state, GS_ARENA_LIVE);
        assert_int_equal(a->stack, 0);
    }
    assert_null(gs_arenas_take_news());
    for (uint32_t i = 4; i < 8; i++)
        assert_true(gs_arenas_gone(at(i), BYTES));
    while (settle())
        ;
    assert_int_equal(gs_arenas_counts().arenas, 0);
}

/* More at once than a neighbourhood of the table holds: counted, and forgotten as they go. */
static void what_has_no_room_is_counted(void **state)
{
    const uintptr_t lap = (uintptr_t)GS_ARENA_SLOTS * BYTES; /* the same home */
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        gs_arenas_born(at(9) + i * lap, BYTES, 0);
    assert_int_equal(gs_arenas_counts().arenas, 100);
    assert_int_equal(gs_arenas_counts().untracked, 36);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(gs_arenas_gone(at(9) + i * lap, BYTES));
    assert_int_equal(gs_arenas_counts().arenas, 0);
    assert_int_equal(gs_arenas_counts().untracked, 0);
    n_news();
}

/* ---- at once ---- */

#define THREADS 4
#define ROUNDS  200000
static bool mapped[THREADS][16]; /* by thread and place: what the threads believe */
static bool over;
static uint64_t wrong;

static void *come_and_go(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t place = i * 7 % 16, n = 100 + me * 16 + place;
        if (!__atomic_load_n(&mapped[me][place], __ATOMIC_ACQUIRE)) {
            __atomic_store_n(&mapped[me][place], true, __ATOMIC_RELEASE);
            gs_arenas_born(at(n), BYTES, me);
        } else if (i % 3) {
            if (gs_arenas_gone(at(n), BYTES))
                __atomic_store_n(&mapped[me][place], false, __ATOMIC_RELEASE);
            else
                while (__atomic_load_n(&mapped[me][place], __ATOMIC_ACQUIRE))
                    ; /* the address comes again only when the reader has unmapped it */
        }
    }
    return NULL;
}

static bool *place_of(const struct gs_arena *a)
{
    uint32_t n = (uint32_t)((a->address - BASE) / BYTES) - 100;
    return &mapped[n / 16][n % 16];
}

/* While it reads, an arena is there; it unmaps those that went meanwhile. */
static void read_one(struct gs_arena *a)
{
    if (!gs_arenas_begin_read(a))
        return;
    for (int i = 0; i < 20; i++)
        wrong += !__atomic_load_n(place_of(a), __ATOMIC_ACQUIRE);
    if (gs_arenas_end_read(a))
        return;
    bool *place = place_of(a);
    gs_arenas_bury(a);
    __atomic_store_n(place, false, __ATOMIC_RELEASE);
}

static void *drain(void *arg)
{
    struct gs_arena *known[THREADS * 16 * 4];
    uint32_t n = 0;
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        struct gs_arena *a;
        while ((a = gs_arenas_take_news()))
            if (gs_arenas_make_known(a) && n < sizeof(known) / sizeof(*known))
                known[n++] = a;
            else
                gs_arenas_release(a);
        for (uint32_t i = 0; i < n; i++)
            read_one(known[i]);
        for (uint32_t i = 0; i < n;)
            if (known[i]->state == GS_ARENA_LIVE)
                i++;
            else
                known[i] = known[--n];
    }
    return NULL;
}

static void threads_and_a_reader_at_once(void **state)
{
    pthread_t threads[THREADS], reader;
    (void)state;
    pthread_create(&reader, NULL, drain, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, come_and_go, (void *)i); /* NOLINT */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    pthread_join(reader, NULL);
    uint64_t live = 0;
    for (int i = 0; i < THREADS * 16; i++)
        live += mapped[i / 16][i % 16];
    assert_int_equal(wrong, 0);
    assert_int_equal(gs_arenas_counts().untracked, 0);
    assert_int_equal(gs_arenas_counts().arenas, live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_comes_and_goes),
        cmocka_unit_test(brief_ones_leave_nothing),
        cmocka_unit_test(other_sizes_are_counted_apart),
        cmocka_unit_test(one_that_is_read_is_unmapped_by_its_reader),
        cmocka_unit_test(a_child_has_its_parents),
        cmocka_unit_test(what_has_no_room_is_counted),
        cmocka_unit_test(threads_and_a_reader_at_once),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}

/* SPDX-License-Identifier: MIT
 * Memory from captures that are damaged, repeated, in another order, hostile or very long: the same
 * bytes out whatever the order and the engine, and bounds that hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/arena_map.h"
#include "tests/unit/capture_order.h"

#define ARENA (UINT64_C(1) << 20)
#define POOL  UINT64_C(16384)
#define BASE  UINT64_C(0x7f0000000000)
#define CELL  GS_POOL_CELL

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
}

static void put_arena(struct cap *c, uint64_t id, uint64_t t)
{
    CAP_REC(c, GS_RECORD_ARENA, id, t, BASE + id * ARENA, ARENA, POOL, id % 3);
}

static void put_memory(struct cap *c, uint64_t t, uint64_t arenas)
{
    CAP_REC(c, GS_RECORD_MEMORY, t, 30 * ARENA, 0, arenas, arenas * ARENA, 0, 0, 0, 0);
}

/* ---- order ---- */

static void put_some_records(struct cap *c, uint64_t *rng, uint64_t t)
{
    cap_records(c);
    for (unsigned i = 0; i < 4; i++) {
        put_arena(c, cap_random(rng) % 20, t - 50 + cap_random(rng) % 100);
        CAP_REC(c, GS_RECORD_ARENA_END, 10 + cap_random(rng) % 10, t + cap_random(rng) % 900);
    }
    put_memory(c, t, cap_random(rng) % 20);
    CAP_REC(c, GS_RECORD_MAPS, t - t % 300, cap_random(rng) % ARENA, 1, 2, 3, 4, 1, GS_MAP_HEAP,
            99);
    CAP_REC(c, GS_RECORD_HEAP, t + cap_random(rng) % 40, cap_random(rng) % 200, 5);
    CAP_REC(c, GS_RECORD_ALLOC_STATE, t - t % 300, 1000 + t, t, 0, 0);
    CAP_REC(c, GS_RECORD_STACK, 1 + cap_random(rng) % 5, 0, 1, 1, cap_random(rng) % 9);
    cap_code(c, 1, "/app/cache.py", "fill", 88);
    cap_event(c, t, GS_EVENT_NO_ARENAS, t % 2 ? "one" : "two");
    cap_end_records(c);
}

static void put_some_rows(struct cap *c, uint64_t *rng, uint64_t t)
{
    struct cap_pools pools[40];
    struct cap_alloc allocs[30];
    struct cap_free freed[10];
    for (unsigned i = 0; i < 40; i++)
        pools[i] = (struct cap_pools){t + cap_random(rng) % 3, cap_random(rng) % 22,
                                      cap_random(rng) % 18, cap_random(rng)};
    for (unsigned i = 0; i < 30; i++)
        allocs[i] = (struct cap_alloc){t,
                                       cap_random(rng) % 900,
                                       BASE + cap_random(rng) % (22 * ARENA),
                                       cap_random(rng) % 600,
                                       1 + cap_random(rng) % 3,
                                       0,
                                       0,
                                       cap_random(rng) % 7};
    for (unsigned i = 0; i < 10; i++)
        freed[i] = (struct cap_free){t, cap_random(rng) % 900};
    cap_frees(c, freed, 10);
    cap_pools(c, pools, 40);
    cap_allocs(c, allocs, 30);
}

static void make_busy(struct cap *c)
{
    uint64_t rng = 42;
    begin(c);
    cap_end_records(c);
    for (uint64_t t = 100; t < 3000; t += 97) {
        put_some_records(c, &rng, t);
        put_some_rows(c, &rng, t);
    }
}

static void the_order_of_chunks_means_nothing(void **state)
{
    struct cap c;
    (void)state;
    make_busy(&c);
    cap_check_any_order(&c, "\"cells\":\"");
    cap_close(&c);
}

static void a_capture_twice_counts_once(void **state)
{
    struct cap c;
    (void)state;
    make_busy(&c);
    cap_check_twice_is_once(&c);
    cap_close(&c);
}

static void sums_agree_with_each_other(void **state)
{
    struct cap c;
    struct gs_profile p;
    uint64_t pinned = 0, live = 0, used = 0, free_bytes = 0;
    (void)state;
    make_busy(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    const struct gs_prof_memory_sample *last = &m->samples[m->n_samples - 1];
    for (size_t i = 0; i < p.n_alloc_rows; i++) {
        pinned += p.alloc_rows[i].pinned_bytes;
        live += p.alloc_rows[i].live_bytes;
    }
    for (size_t i = 0; i < m->n_classes; i++) {
        used += m->classes[i].blocks_used * m->classes[i].size_bytes;
        free_bytes +=
            (m->classes[i].blocks_total - m->classes[i].blocks_used) * m->classes[i].size_bytes;
    }
    assert_true(pinned > 0 && live > 0 && used > 0);
    assert_int_equal(pinned, m->alloc->pinned_bytes);
    assert_int_equal(live, m->alloc->live_bytes);
    assert_int_equal(used, last->pool_used_bytes);
    assert_int_equal(free_bytes, last->pool_free_bytes);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- hostile ---- */

static void cells_that_cannot_be_are_bounded(void **state)
{
    const struct cap_pools rows[] = {
        {150, 0, 0, CAP_CELLS(CELL(33, 5), CELL(63, 1023), CELL(32, 1023), CELL(0, 77))},
        {150, 0, 16, CAP_CELLS(CELL(1, 1), 0, 0, 0)},         /* no such quad */
        {150, 0, UINT64_MAX, CAP_CELLS(CELL(1, 1), 0, 0, 0)}, /* nor such */
        {150, 1, 15, CAP_CELLS(0, 0, 0, CELL(1, 1))},         /* it has 63 pools */
        {150, 5, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)},          /* no record */
        {150, UINT64_MAX, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)},
        {150, 2, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)}, /* sizes that make no sense */
        {150, 3, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)}, /* ended before it began */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    CAP_REC(&c, GS_RECORD_ARENA, 0, 100, BASE, ARENA, POOL, 0);
    CAP_REC(&c, GS_RECORD_ARENA, 1, 100, BASE + 9 * ARENA + 16, ARENA, POOL, 0);
    CAP_REC(&c, GS_RECORD_ARENA, 2, 100, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    CAP_REC(&c, GS_RECORD_ARENA, 3, 100, BASE, ARENA, POOL, 0);
    CAP_REC(&c, GS_RECORD_ARENA_END, 3, 50);
    CAP_REC(&c, GS_RECORD_ARENA_END, 9, 50);
    put_memory(&c, 200, 2);
    cap_end_records(&c);
    cap_pools(&c, rows, sizeof(rows) / sizeof(*rows));
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_int_equal(m->samples[0].pool_used_bytes, 31 * 512); /* a full pool, no more */
    assert_int_equal(m->samples[0].pool_free_bytes, 0);
    assert_int_equal(m->samples[0].pinned_free_bytes, (63 + 63) * POOL);
    assert_int_equal(m->n_classes, 1);
    assert_int_equal(p.n_arena_maps, 1);
    assert_int_equal(p.arena_maps[0].n_arenas, 2);
    assert_int_equal(p.arena_maps[0].arenas[1].pools, 63);
    assert_non_null(strstr(p.processes[0].notes, "the records of some arenas are missing"));
    gs_profile_free(&p);
    cap_close(&c);
}

static void greatest_numbers_do_not_overflow(void **state)
{
    const uint64_t most = UINT64_MAX;
    const struct cap_alloc rows[] = {{most, most, BASE, most, most, most, most, most & 0xffffffff},
                                     {most, 1, BASE, most, most, most, most, 0},
                                     {most, 2, BASE + 1, 0, most, 0, 0, 1}};
    const struct cap_pools pools[] = {{0, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    CAP_REC(&c, GS_RECORD_ARENA, 0, 0, BASE, ARENA, POOL, most);
    CAP_REC(&c, GS_RECORD_MEMORY, most, most, most, most, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_MAPS, most, most, most, most, most, most, 3, GS_MAP_ARENAS, most,
            GS_MAP_HEAP, most, GS_MAP_HEAP, most);
    CAP_REC(&c, GS_RECORD_HEAP, most, most, most);
    CAP_REC(&c, GS_RECORD_ALLOC_STATE, most, most, most, most, most);
    cap_end_records(&c);
    cap_pools(&c, pools, 1);
    cap_allocs(&c, rows, 3);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    int64_t sum = m->unexplained_bytes;
    for (unsigned i = 0; i < GS_N_EXPLAINED; i++)
        sum += (int64_t)m->explained[i];
    assert_int_equal(m->rss_bytes, GS_BYTES_MAX);
    assert_int_equal(sum, m->rss_bytes);
    assert_true(m->alloc->live_bytes == UINT64_MAX); /* saturated */
    assert_int_equal(m->alloc->pinned_bytes, 1020 * 16 + 63 * POOL);
    gs_profile_free(&p);
    cap_close(&c);
}

/* An arena whose record lies in a chunk that is said to be deleted: it is not there any more. */
static void deleted_chunks_say_nothing_of_memory(void **state)
{
    const struct cap_pools rows[] = {{150, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)}};
    const struct cap_alloc allocs[] = {{151, 1, BASE, 16, 1, 0, 0, 0}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_end_records(&c);
    cap_records(&c);
    put_arena(&c, 0, 100);
    cap_end_records(&c);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_SEGMENT, 120, 2, 2, 2, 120);
    put_memory(&c, 200, 1);
    cap_end_records(&c);
    cap_pools(&c, rows, 1);
    cap_allocs(&c, allocs, 1);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_int_equal(m->samples[0].arenas, 1); /* as the process counted them */
    assert_int_equal(m->samples[0].pool_used_bytes, 0);
    assert_int_equal(p.n_arena_maps, 0);
    assert_non_null(strstr(p.processes[0].notes, "the records of some arenas are missing"));
    assert_non_null(strstr(p.processes[0].notes, "allocated before the detail"));
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- bounds ---- */

static void samples_are_thinned_but_for_the_peak(void **state)
{
    static const size_t sizes[] = {1, 999, 1000, 1001, 1997, 5000};
    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        struct cap c;
        struct gs_profile p;
        size_t n = sizes[k], peak = n * 2 / 3;
        begin(&c);
        for (uint64_t i = 0; i < n; i++)
            put_memory(&c, 100 + i, i == peak ? 5000 : 3);
        cap_end_records(&c);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_prof_memory *m = p.processes[0].memory;
        assert_in_range(m->n_samples, n < 1000 ? n : 500, 1000);
        assert_int_equal(m->samples[0].t_ns, 100);
        assert_int_equal(m->samples[m->n_samples - 1].t_ns, 100 + n - 1);
        assert_int_equal(m->samples[m->peak].t_ns, 100 + peak);
        assert_int_equal(m->samples[m->peak].arena_bytes, 5000 * ARENA);
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* Two arenas: one that changes once, one that ends. */
static void a_map_says_what_changed(void **state)
{
    const struct cap_pools rows[] = {{150, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)},
                                     {150, 1, 0, CAP_CELLS(CELL(2, 2), 0, 0, 0)},
                                     {250, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)},
                                     {350, 0, 0, CAP_CELLS(CELL(1, 3), CELL(5, 0), 0, 0)}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_code(&c, 1, "/app/cache.py", "fill", 88);
    CAP_REC(&c, GS_RECORD_STACK, 1, 0, 1, 1, 0);
    put_arena(&c, 1, 100);
    put_arena(&c, 0, 100);
    CAP_REC(&c, GS_RECORD_ARENA_END, 1, 300);
    put_memory(&c, 200, 2);
    put_memory(&c, 300, 1);
    put_memory(&c, 400, 1);
    cap_end_records(&c);
    cap_pools(&c, rows, 4);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_arena_map *m = &p.arena_maps[0];
    assert_int_equal(m->pool_bytes, POOL);
    assert_int_equal(m->n_arenas, 2);
    assert_int_equal(m->arenas[0].id, 0);
    assert_int_equal(m->arenas[0].died_ns, -1);
    assert_int_equal(m->arenas[0].node, 0);
    assert_int_equal(m->arenas[1].born_ns, 100);
    assert_int_equal(m->arenas[1].died_ns, 300);
    assert_string_equal(p.frames[p.nodes[m->arenas[1].node].frame].func, "fill");
    assert_int_equal(m->n_snapshots, 3);
    assert_int_equal(m->snapshots[0].n, 2);
    assert_int_equal(m->snapshots[1].n, 0); /* read again, and the same */
    assert_int_equal(m->snapshots[2].n, 1);
    assert_int_equal(m->snapshots[2].t_ns, 400);
    assert_int_equal(m->cells[0].cells[0], CELL(1, 1));
    assert_int_equal(m->cells[1].cells[0], CELL(2, 2));
    assert_int_equal(m->cells[2].arena, 0);
    assert_int_equal(m->cells[2].cells[0], CELL(1, 3));
    assert_int_equal(m->cells[2].cells[1], CELL(5, 0));
    char *json = cap_json(&p);
    /* 1 << 10 | 1, little-endian, and 63 pools that were never used */
    assert_non_null(
        strstr(json, "\"snapshots\":[{\"t_ns\":200,\"arena\":[0,1],\"cells\":\"AQQAAA"));
    assert_non_null(strstr(json, "\"left_out\":0"));
    free(json);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Every arena changes between any two looks: more than the page may hold. */
static void a_map_is_bounded(void **state)
{
    enum { ARENAS = 2100, LOOKS = 45 };
    struct cap c;
    struct gs_profile p;
    struct cap_pools *rows = malloc(ARENAS * sizeof(*rows));
    (void)state;
    begin(&c);
    for (uint64_t i = 0; i < ARENAS; i++)
        put_arena(&c, i, 10);
    for (uint64_t k = 0; k < LOOKS; k++)
        put_memory(&c, 100 + 10 * k, ARENAS);
    cap_end_records(&c);
    for (uint64_t k = 0; k < LOOKS; k++) {
        for (uint64_t i = 0; i < ARENAS; i++)
            rows[i] = (struct cap_pools){100 + 10 * k, i, 0,
                                         CAP_CELLS(CELL(1, i < 100 ? 1000 : 1 + k), 0, 0, 0)};
        cap_pools(&c, rows, ARENAS);
    }
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_arena_map *m = &p.arena_maps[0];
    assert_int_equal(m->n_arenas, 2000);
    assert_int_equal(m->left_out, 100);
    assert_int_equal(m->arenas[0].id, 100); /* those with least free bytes are left out */
    assert_int_equal(m->n_snapshots, 10);   /* 20 would still be too many */
    assert_in_range(m->n_cells * 128, 1000000, 3000000);
    assert_int_equal(m->snapshots[0].t_ns, 100);
    assert_int_equal(m->snapshots[9].t_ns, 100 + 10 * (LOOKS - 1));
    assert_int_equal(m->snapshots[9].n, 2000);
    assert_int_equal(m->cells[m->n_cells - 1].cells[0], CELL(1, LOOKS));
    free(rows);
    gs_profile_free(&p);
    cap_close(&c);
}

static struct gs_prof_arena_map map_of(size_t n_arenas, size_t n_snapshots)
{
    struct gs_prof_arena_map m = {.n_arenas = n_arenas, .n_snapshots = n_snapshots};
    m.arenas = calloc(n_arenas, sizeof(*m.arenas));
    m.snapshots = calloc(n_snapshots, sizeof(*m.snapshots));
    m.cells = calloc(n_arenas * n_snapshots, sizeof(*m.cells));
    for (size_t i = 0; i < n_arenas; i++)
        m.arenas[i].died_ns = -1;
    for (size_t s = 0; s < n_snapshots; s++) {
        m.snapshots[s] = (struct gs_prof_snapshot){.t_ns = s, .first = m.n_cells, .n = n_arenas};
        for (size_t i = 0; i < n_arenas; i++) {
            m.cells[m.n_cells].cells[0] = (uint16_t)(1 + s);
            m.cells[m.n_cells++].arena = (uint32_t)i;
        }
    }
    return m;
}

static void maps_of_a_job_fit_together(void **state)
{
    struct gs_prof_arena_map maps[30];
    size_t cells = 0;
    (void)state;
    for (size_t i = 0; i < 30; i++)
        maps[i] = map_of(500, 8);
    gs_arena_maps_fit(maps, 30); /* 120,000; two of each are 30,000, of 23,437 */
    for (size_t i = 0; i < 30; i++) {
        cells += maps[i].n_cells;
        assert_int_equal(maps[i].n_snapshots, i < 23 ? 2 : 0);
        assert_int_equal(maps[i].left_out, i < 23 ? 0 : 500);
    }
    assert_int_equal(cells, 23 * 1000);
    assert_int_equal(maps[0].snapshots[1].t_ns, 7);
    for (size_t i = 0; i < 30; i++)
        gs_arena_map_free(&maps[i]);
}

/* ---- samples that are freed ---- */

/* A million of them, 100 at a time; every thousandth is never freed, some are told late. */
static void freed_samples_take_no_memory(void **state)
{
    enum { N = 1000000, LIVE = 100, KEPT = 1000 };
    struct gs_memory_rows m = {0};
    (void)state;
    gs_memory_find_live_ns(&m);
    for (uint64_t id = 1; id <= N; id++) {
        const struct gs_rec_alloc row = {.id = id, .t_ns = id};
        if (id % KEPT == 1)
            gs_memory_add_free(&m, id + 1, id + 2); /* before the sample itself */
        gs_memory_add_alloc(&m, &row);
        if (id > LIVE && (id - LIVE) % KEPT)
            gs_memory_add_free(&m, id - LIVE, id);
    }
    assert_in_range(m.cap_allocs, N / KEPT, 6 * N / KEPT);
    assert_in_range(m.freed.cap, N / 64, N / 32);
    gs_memory_rows_sort(&m);
    assert_in_range(m.n_allocs, N / KEPT, N / KEPT + LIVE);
    for (size_t i = 0; i < N / KEPT - 1; i++)
        assert_int_equal(m.allocs[i].id, (i + 1) * KEPT);
    gs_memory_rows_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_chunks_means_nothing),
        cmocka_unit_test(a_capture_twice_counts_once),
        cmocka_unit_test(sums_agree_with_each_other),
        cmocka_unit_test(cells_that_cannot_be_are_bounded),
        cmocka_unit_test(greatest_numbers_do_not_overflow),
        cmocka_unit_test(deleted_chunks_say_nothing_of_memory),
        cmocka_unit_test(samples_are_thinned_but_for_the_peak),
        cmocka_unit_test(a_map_says_what_changed),
        cmocka_unit_test(a_map_is_bounded),
        cmocka_unit_test(maps_of_a_job_fit_together),
        cmocka_unit_test(freed_samples_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

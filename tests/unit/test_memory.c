/* SPDX-License-Identifier: MIT
 * Memory, against numbers worked out by hand: series, size classes, what is explained, who pins.
 * A pool of 16 KiB holds 1021 blocks of 16 bytes, 510 of 32, 255 of 64, 31 of 512.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/memory_rows.h"
#include "analyzer/memory_totals.h"
#include "tests/unit/capture_builder.h"

#define ARENA  (UINT64_C(1) << 20)
#define POOL   UINT64_C(16384)
#define BASE_A UINT64_C(0x7f0000000000)                /* 64 pools */
#define BASE_B (BASE_A + 2 * ARENA + UINT64_C(0x2000)) /* not aligned: 63 */
#define CELL   GS_POOL_CELL

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
    cap_code(c, 1, "/app/cache.py", "fill", 88);
    cap_code(c, 2, "/app/main.py", "main", 3);
    cap_code(c, 3, "/app/tree.py", "grow", 5);
    cap_stack2(c, 1, 1, 2);
    cap_stack2(c, 2, 3, 2);
}

static void put_arena(struct cap *c, uint64_t id, uint64_t t, uint64_t address)
{
    CAP_REC(c, GS_RECORD_ARENA, id, t, address, ARENA, POOL, 1);
}

static void put_memory(struct cap *c, uint64_t t, uint64_t arenas)
{
    CAP_REC(c, GS_RECORD_MEMORY, t, 30 * ARENA, 9 * ARENA, arenas, arenas * ARENA, 3, 49152, 0, 0);
}

static void expect_sample(const struct gs_prof_memory_sample *s, uint64_t t, uint64_t used,
                          uint64_t free_bytes, uint64_t pinned)
{
    assert_int_equal(s->t_ns, t);
    assert_int_equal(s->pool_used_bytes, used);
    assert_int_equal(s->pool_free_bytes, free_bytes);
    assert_int_equal(s->pinned_free_bytes, pinned);
}

/* A is born at 100, B lives from 200 to 400; A is read twice, B once. */
static void series_follow_births_readings_and_ends(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_arena(&c, 0, 100, BASE_A);
    put_arena(&c, 1, 200, BASE_B);
    CAP_REC(&c, GS_RECORD_ARENA_END, 1, 400);
    put_memory(&c, 120, 1);
    put_memory(&c, 150, 1);
    put_memory(&c, 260, 2);
    put_memory(&c, 400, 1); /* in no order of time */
    put_memory(&c, 360, 2);
    cap_end_records(&c);
    const struct cap_pools rows[] = {
        {150, 0, 0, CAP_CELLS(CELL(1, 10), CELL(32, 31), CELL(2, 0), 0)},
        {250, 1, 0, CAP_CELLS(CELL(4, 5), 0, 0, 0)},
        {350, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)},
    };
    cap_pools(&c, rows, 3);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_int_equal(m->n_samples, 5);
    expect_sample(&m->samples[0], 120, 0, 0, 0); /* not read yet */
    expect_sample(&m->samples[1], 150, 160 + 15872, 1011 * 16, 1011 * 16 + 62 * POOL);
    expect_sample(&m->samples[2], 260, 16032 + 320, 16176 + 16000, 32176 + (62 + 62) * POOL);
    expect_sample(&m->samples[3], 360, 16 + 320, 16320 + 16000, 32320 + (63 + 62) * POOL);
    expect_sample(&m->samples[4], 400, 16, 16320, 16320 + 63 * POOL);
    assert_int_equal(m->samples[2].arenas, 2);
    assert_int_equal(m->samples[2].arena_bytes, 2 * ARENA);
    assert_int_equal(m->samples[2].rss_bytes, 30 * ARENA);
    assert_int_equal(m->samples[2].file_rss_bytes, 9 * ARENA);
    assert_int_equal(m->samples[2].chunk_bytes, 49152);
    assert_int_equal(m->peak, 2);
    assert_int_equal(m->n_classes, 1);
    assert_int_equal(m->classes[0].size_bytes, 16);
    assert_int_equal(m->classes[0].pools, 1);
    assert_int_equal(m->classes[0].blocks_used, 1);
    assert_int_equal(m->classes[0].blocks_total, 1021);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Rows of one reading may lie in two chunks; its pools in rows that are not there were never used.
 */
static void a_reading_is_all_rows_of_its_time(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_pools first[] = {{150, 0, 0, CAP_CELLS(CELL(1, 1), CELL(1, 2), 0, 0)},
                                      {150, 0, 15, CAP_CELLS(0, 0, 0, CELL(32, 31))}};
    const struct cap_pools second[] = {{150, 0, 7, CAP_CELLS(CELL(32, 1), 0, 0, 0)}};
    (void)state;
    begin(&c);
    put_arena(&c, 0, 100, BASE_A);
    put_memory(&c, 160, 1);
    cap_end_records(&c);
    cap_pools(&c, first, 2);
    cap_pools(&c, second, 1);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    expect_sample(&m->samples[0], 160, 3 * 16 + 32 * 512, (2 * 1021 - 3) * 16 + 30 * 512,
                  2039 * 16 + 30 * 512 + 60 * POOL);
    assert_int_equal(m->n_classes, 2);
    assert_int_equal(m->classes[1].size_bytes, 512);
    assert_int_equal(m->classes[1].pools, 2);
    assert_int_equal(m->classes[1].blocks_used, 32);
    assert_int_equal(m->classes[1].blocks_total, 62);
    gs_profile_free(&p);
    cap_close(&c);
}

static void pools_lie_wholly_in_their_arena(void **state)
{
    static const struct {
        uint64_t address, bytes, pool_bytes;
        uint32_t n_pools;
    } cases[] = {
        {BASE_A, ARENA, POOL, 64},
        {BASE_B, ARENA, POOL, 63},
        {BASE_A + 4096, 256 << 10, 4096, 64}, /* up to 3.9 */
        {BASE_A + 16, 256 << 10, 4096, 63},
        {BASE_A, 4 * ARENA, POOL, 64}, /* more than a reading can say */
        {BASE_A, POOL - 1, POOL, 0},
        {BASE_A + 1, POOL, POOL, 0},
        {BASE_A, ARENA, 0, 0},
        {BASE_A, ARENA, 48, 0},
        {BASE_A, ARENA, UINT64_MAX, 0},
        {BASE_A, UINT64_MAX, POOL, 0},
        {UINT64_MAX, ARENA, POOL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gs_rec_arena a = {.address = cases[i].address, .bytes = cases[i].bytes};
        gs_memory_place_pools(&a, cases[i].pool_bytes);
        assert_int_equal(a.n_pools, cases[i].n_pools);
    }
}

/* ---- what is resident ---- */

static void put_maps(struct cap *c, uint64_t t, uint64_t rss)
{
    CAP_REC(c, GS_RECORD_MAPS, t, rss, 900, 800, 700, 60, 9, /* n */
            GS_MAP_FILE, 1000, GS_MAP_FILE_PRIVATE, 200, GS_MAP_HEAP, 5000, GS_MAP_THREAD_HEAPS, 30,
            GS_MAP_STACK, 40, GS_MAP_ARENAS, 57232, GS_MAP_AGENT, 50, GS_MAP_OTHER, 33368, 77, 8);
}

static void make_resident(struct cap *c, uint64_t rss, bool heap)
{
    const struct cap_pools rows[] = {{150, 0, 0, CAP_CELLS(CELL(1, 10), CELL(2, 0), 0, 0)}};
    begin(c);
    put_arena(c, 0, 100, BASE_A);
    put_maps(c, 300, rss);
    put_maps(c, 200, 1); /* an older one */
    if (heap) {
        CAP_REC(c, GS_RECORD_HEAP, 100, 1, 1);
        CAP_REC(c, GS_RECORD_HEAP, 301, 3500, 9000);
    }
    CAP_REC(c, GS_RECORD_MEMORY, 100, rss, 0, 1, ARENA, 1, 16, 0, 0);
    CAP_REC(c, GS_RECORD_MEMORY, 310, rss, 0, 1, ARENA, 1, 32768, 0, 0);
    cap_end_records(c);
    cap_pools(c, rows, 1);
}

static void resident_bytes_are_explained(void **state)
{
    static const uint64_t expected[GS_N_EXPLAINED] = {
        [GS_EXPLAINED_ARENAS_USED] = 160,
        [GS_EXPLAINED_ARENAS_FREE] = 1011 * 16 + 16384,
        [GS_EXPLAINED_ARENAS_OVERHEAD] = 16384 - 1021 * 16,
        [GS_EXPLAINED_FRAME_STACKS] = 32768,
        [GS_EXPLAINED_HEAP_IN_USE] = 3500,
        [GS_EXPLAINED_HEAP_RETAINED] = 1500, /* of the mapping, not what the heap says */
        [GS_EXPLAINED_THREAD_HEAPS] = 30,
        [GS_EXPLAINED_FILE] = 1000,
        [GS_EXPLAINED_FILE_PRIVATE] = 200,
        [GS_EXPLAINED_STACK] = 40,
        [GS_EXPLAINED_AGENT] = 50,
        [GS_EXPLAINED_OTHER] = 600, /* but for the frame stacks */
    };
    struct cap c;
    struct gs_profile p;
    int64_t sum = 0;
    (void)state;
    make_resident(&c, 100000, true);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    for (unsigned i = 0; i < GS_N_EXPLAINED; i++) {
        assert_int_equal(m->explained[i], expected[i]);
        sum += (int64_t)expected[i];
    }
    /* 57232 in arenas - 32768 known of them + 3080 of no kind, 8 of an unknown one with it */
    assert_int_equal(m->unexplained_bytes, 100000 - sum);
    assert_int_equal(m->unexplained_bytes, 57232 - 32768 + 3080);
    assert_int_equal(m->rss_bytes, 100000);
    assert_int_equal(m->pss_bytes, 900);
    assert_int_equal(m->anonymous_bytes, 800);
    assert_int_equal(m->uss_bytes, 700);
    assert_int_equal(m->swap_bytes, 60);
    assert_int_equal(m->maps_t_ns, 300);
    gs_profile_free(&p);
    cap_close(&c);
}

static void less_resident_than_in_use_is_said(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_resident(&c, 10000, false);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_int_equal(m->explained[GS_EXPLAINED_HEAP], 5000);
    assert_int_equal(m->explained[GS_EXPLAINED_HEAP_IN_USE], 0);
    assert_int_equal(m->unexplained_bytes, 10000 - (32768 + 32768 + 5000 + 1920));
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- allocations ---- */

static const struct gs_prof_alloc_row *row_of(const struct gs_profile *p, const char *func)
{
    for (size_t i = 0; i < p->n_alloc_rows; i++)
        if (strcmp(p->frames[p->nodes[p->alloc_rows[i].node].frame].func, func) == 0)
            return &p->alloc_rows[i];
    fail_msg("no row of %s", func);
    return NULL;
}

/* A: 100 blocks of 16 bytes in one pool; B: 50 of 32. */
static void put_two_arenas(struct cap *c)
{
    const struct cap_pools rows[] = {{150, 0, 0, CAP_CELLS(CELL(1, 100), 0, 0, 0)},
                                     {150, 1, 0, CAP_CELLS(CELL(2, 50), 0, 0, 0)}};
    begin(c);
    put_arena(c, 0, 100, BASE_A);
    put_arena(c, 1, 100, BASE_A + ARENA);
    put_memory(c, 160, 2);
    CAP_REC(c, GS_RECORD_ALLOC_STATE, 170, 1000, 9, 2, 3);
    CAP_REC(c, GS_RECORD_ALLOC_STATE, 165, 1, 1, 1, 1); /* older */
    cap_end_records(c);
    cap_pools(c, rows, 2);
}

static void free_bytes_are_shared_among_those_who_keep_them(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_alloc rows[] = {
        {151, 1, BASE_A + 100, 16, 1, 0, 0, 1},
        {152, 2, BASE_A + ARENA, 20, 1, 0, 0, 1},
        {153, 3, BASE_A + ARENA - 1, 10, 2, 0, 0, 2},
        {154, 4, 16, 100, 5, 1, 0, 2},                /* in no arena */
        {155, 5, BASE_A + 200, 16, 1000, 0, 0, 1},    /* freed */
        {156, 6, BASE_A + 2 * ARENA, 1, 1, 0, 0, 99}, /* behind B; its stack is not known */
    };
    const struct cap_free freed[] = {{157, 5}, {158, 5}, {158, 77}};
    (void)state;
    put_two_arenas(&c);
    cap_frees(&c, freed, 3); /* before the allocation, in the file */
    cap_allocs(&c, rows, 6);
    cap_allocs(&c, rows, 3); /* said twice */
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_alloc *a = p.processes[0].memory->alloc;
    assert_int_equal(p.n_alloc_rows, 3);
    assert_int_equal(a->mean_bytes, 1000);
    assert_int_equal(a->samples, 9);
    assert_int_equal(a->lost_allocs, 2);
    assert_int_equal(a->lost_frees, 3);
    assert_int_equal(a->live_samples, 5);
    assert_int_equal(a->live_bytes, 10000);
    assert_int_equal(a->pinned_bytes, 1046928 + 1046912);
    const struct gs_prof_alloc_row *fill = row_of(&p, "fill"), *grow = row_of(&p, "grow");
    assert_int_equal(fill->samples, 2);
    assert_int_equal(fill->live_bytes, 2000);
    assert_int_equal(fill->live_blocks, 63 + 31); /* 1000 / 16, 1000 / 32 */
    assert_int_equal(grow->live_bytes, 2000 + 5000);
    assert_int_equal(grow->live_blocks, 125 + 45); /* 2000 / 16, 5000 / 112 */
    /* weights 654330 + 654320 and 1308660: 1046916 and 1046924, the remainder decides */
    assert_int_equal(fill->pinned_bytes, 1046916);
    assert_int_equal(grow->pinned_bytes, 1046924);
    assert_int_equal(row_of(&p, "(no stack)")->live_blocks, 63);
    assert_int_equal(row_of(&p, "(no stack)")->pinned_bytes, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void what_no_sample_speaks_for_is_not_sampled(void **state)
{
    struct cap c;
    struct gs_profile p;
    size_t n;
    (void)state;
    put_two_arenas(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_int_equal(p.n_alloc_rows, 1);
    assert_int_equal(row_of(&p, "(not sampled)")->pinned_bytes, 1046928 + 1046912);
    assert_int_equal(row_of(&p, "(not sampled)")->samples, 0);
    struct gs_prof_alloc_row *top = gs_memory_top_pinners(&p, 0, &n);
    assert_int_equal(n, 1);
    free(top);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Without the sampler's record nobody knows how much, but still who. */
static void shares_need_no_mean(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_pools pools[] = {{150, 0, 0, CAP_CELLS(CELL(1, 100), 0, 0, 0)}};
    const struct cap_alloc rows[] = {{151, 1, BASE_A + 100, 16, 3, 0, 0, 1},
                                     {151, 2, BASE_A + 200, 16, 1, 0, 0, 2}};
    (void)state;
    begin(&c);
    put_arena(&c, 0, 100, BASE_A);
    cap_end_records(&c);
    cap_pools(&c, pools, 1);
    cap_allocs(&c, rows, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_int_equal(row_of(&p, "fill")->live_bytes, 0);
    assert_int_equal(row_of(&p, "fill")->pinned_bytes, 1046928 * 3 / 4);
    assert_int_equal(row_of(&p, "grow")->pinned_bytes, 1046928 / 4);
    assert_non_null(strstr(p.processes[0].notes, "live bytes are not known"));
    gs_profile_free(&p);
    cap_close(&c);
}

/* The interpreter is torn down after the last look: what it frees then was live. */
static void live_is_what_was_there_at_the_last_look(void **state)
{
    const struct cap_pools rows[] = {{150, 0, 0, CAP_CELLS(CELL(1, 100), 0, 0, 0)},
                                     {350, 0, 0, CAP_CELLS(CELL(1, 1), 0, 0, 0)}};
    const struct cap_alloc allocs[] = {{151, 1, BASE_A + 100, 16, 3, 0, 0, 1},
                                       {151, 2, BASE_A + 200, 16, 2, 0, 0, 1},
                                       {350, 3, BASE_A + 300, 16, 1, 0, 0, 2}};
    const struct cap_free freed[] = {{301, 1}, {300, 2}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_arena(&c, 0, 100, BASE_A);
    put_memory(&c, 300, 1);
    CAP_REC(&c, GS_RECORD_ALLOC_STATE, 400, 1000, 3, 0, 0);
    CAP_REC(&c, GS_RECORD_ARENA_END, 0, 400);
    CAP_REC(&c, GS_RECORD_END, 401, GS_EVENT_EXIT);
    cap_end_records(&c);
    cap_pools(&c, rows, 2);
    cap_allocs(&c, allocs, 3);
    cap_frees(&c, freed, 2);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_int_equal(m->classes[0].blocks_used, 100);
    assert_int_equal(m->alloc->live_bytes, 3000);
    assert_int_equal(m->alloc->pinned_bytes, 921 * 16 + 63 * POOL);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- nothing, and why ---- */

static void nothing_recorded_is_no_memory(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_null(p.processes[0].memory);
    assert_int_equal(gs_memory_totals(&p).processes, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void why_there_is_nothing_is_kept(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_event(&c, 5, GS_EVENT_NO_ARENAS, "this Python uses mimalloc");
    cap_event(&c, 6, GS_EVENT_NO_ALLOCS, "");
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_memory *m = p.processes[0].memory;
    assert_string_equal(m->no_arenas, "this Python uses mimalloc");
    assert_string_equal(m->alloc->no_allocs, "the recording does not say why");
    assert_int_equal(m->n_samples, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Some were recorded: then there are arenas, and why there are no more of them is a note. */
static void arenas_that_stop_being_recorded_are_noted(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_arena(&c, 0, 100, BASE_A);
    cap_event(&c, 200, GS_EVENT_NO_ARENAS, "their allocator has been replaced");
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_null(p.processes[0].memory->no_arenas);
    assert_non_null(strstr(p.processes[0].notes, "their allocator has been replaced"));
    gs_profile_free(&p);
    cap_close(&c);
}

static void a_job_is_the_sum_of_last_samples(void **state)
{
    struct cap c, d;
    struct gs_profile p;
    (void)state;
    make_resident(&c, 100000, true);
    cap_open(&d, 2);
    cap_records(&d);
    cap_process(&d, 8, 0, 1);
    put_memory(&d, 100, 9);
    put_memory(&d, 200, 3);
    cap_end_records(&d);
    memcpy(cap_reserve(&c, d.len), d.data, d.len);
    cap_profile(c.data, c.len + d.len, "cpu", &p);
    struct gs_memory_totals t = gs_memory_totals(&p);
    assert_int_equal(t.processes, 2);
    assert_int_equal(t.arena_bytes, ARENA + 3 * ARENA);
    assert_int_equal(t.pool_used_bytes, 160);
    assert_int_equal(t.rss_bytes, 100000 + 30 * ARENA);
    assert_int_equal(t.pss_bytes, 900);
    assert_int_equal(t.uss_bytes, 700);
    gs_profile_free(&p);
    cap_close(&c);
    cap_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_follow_births_readings_and_ends),
        cmocka_unit_test(a_reading_is_all_rows_of_its_time),
        cmocka_unit_test(pools_lie_wholly_in_their_arena),
        cmocka_unit_test(resident_bytes_are_explained),
        cmocka_unit_test(less_resident_than_in_use_is_said),
        cmocka_unit_test(free_bytes_are_shared_among_those_who_keep_them),
        cmocka_unit_test(what_no_sample_speaks_for_is_not_sampled),
        cmocka_unit_test(shares_need_no_mean),
        cmocka_unit_test(live_is_what_was_there_at_the_last_look),
        cmocka_unit_test(nothing_recorded_is_no_memory),
        cmocka_unit_test(why_there_is_nothing_is_kept),
        cmocka_unit_test(arenas_that_stop_being_recorded_are_noted),
        cmocka_unit_test(a_job_is_the_sum_of_last_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

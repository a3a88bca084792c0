/* SPDX-License-Identifier: MIT
 * What people read of memory: findings and their thresholds, the terminal summary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/capture_builder.h"

#define MIB  (UINT64_C(1) << 20)
#define POOL UINT64_C(16384)
#define BASE UINT64_C(0x7f0000000000)
#define CELL GS_POOL_CELL

static void begin(struct cap *c, uint64_t key)
{
    cap_open(c, key);
    cap_records(c);
    cap_process(c, 7 + (uint32_t)key, 0, 1);
    cap_code(c, 1, "/srv/app/cache.py", "fill", 88);
    cap_code(c, 2, "/srv/app/main.py", "main", 3);
    cap_code(c, 3, "/srv/app/tree.py", "grow", 5);
    cap_stack2(c, 1, 1, 2);
    cap_stack2(c, 2, 1, 3);
    cap_stack2(c, 3, 3, 2);
}

static void put_memory(struct cap *c, uint64_t t, uint64_t arenas)
{
    CAP_REC(c, GS_RECORD_MEMORY, t, 90 * MIB, 9 * MIB, arenas, arenas * MIB, 0, 0, 0, 0);
}

static void put_arenas(struct cap *c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        CAP_REC(c, GS_RECORD_ARENA, i, 10, BASE + i * MIB, MIB, POOL, 1);
}

/* One reading of the first n arenas: `full` of the 64 pools in use, with blocks of 512 bytes. */
static void put_readings(struct cap *c, uint64_t t, uint64_t n, uint64_t full)
{
    struct cap_pools rows[16 * 128];
    size_t k = 0;
    for (uint64_t arena = 0; arena < n; arena++)
        for (uint64_t quad = 0; quad < 16; quad++) {
            uint64_t cells = 0;
            for (uint64_t i = 0; i < 4 && 4 * quad + i < full; i++)
                cells |= (uint64_t)CELL(32, 31) << 16 * i;
            rows[k++] = (struct cap_pools){t, arena, quad, cells};
        }
    cap_pools(c, rows, k);
}

static void make_arenas(struct cap *c, uint64_t key, uint64_t n, uint64_t full)
{
    begin(c, key);
    put_arenas(c, n);
    put_memory(c, 200, n);
    cap_end_records(c);
    put_readings(c, 150, n, full);
}

static const struct gs_finding *finding(const struct gs_profile *p, const char *id)
{
    for (size_t i = 0; i < p->n_findings; i++)
        if (strcmp(p->findings[i].id, id) == 0)
            return &p->findings[i];
    return NULL;
}

static char *summary(const struct gs_profile *p)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_stats_text(p, NULL, f));
    fclose(f);
    return text;
}

static void lines_fit(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), columns = 0;
        for (size_t i = 0; i < len; i++)
            columns += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (columns > 80)
            fail_msg("%zu columns: %.*s", columns, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* ---- findings ---- */

/* A quarter of the arenas, and 8 MiB; high from half and 64 MiB on. */
static void thresholds_of_what_is_pinned(void **state)
{
    static const struct {
        uint64_t arenas, full;
        int severity; /* -1: not said */
    } cases[] = {
        {8, 0, GS_SEV_MEDIUM},    /* 8 MiB, all of it */
        {7, 0, -1},               /* less than 8 MiB */
        {40, 48, GS_SEV_MEDIUM},  /* a quarter of 40 MiB */
        {40, 49, -1},             /* less than a quarter */
        {100, 32, GS_SEV_MEDIUM}, /* half, but 50 MiB */
        {128, 32, GS_SEV_HIGH},   /* half, and 64 MiB */
        {128, 33, GS_SEV_MEDIUM},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cap c;
        struct gs_profile p;
        make_arenas(&c, 1, cases[i].arenas, cases[i].full);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_finding *f = finding(&p, "memory-pinned");
        assert_int_equal(f ? (int)f->severity : -1, cases[i].severity);
        if (f) {
            assert_string_equal(f->suggestion,
                                "record again with --alloc to see which code owns the blocks");
            assert_int_equal(f->node, -1);
            assert_int_equal(f->of_bytes, cases[i].arenas * MIB);
        }
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* Two stacks end in one line: it is told by the line. */
static void a_claim_names_the_line_that_pins(void **state)
{
    const struct cap_alloc rows[] = {
        {151, 1, BASE + 100, 512, 3, 0, 0, 1},
        {151, 2, BASE + MIB, 512, 3, 0, 0, 2},
        {151, 3, BASE + MIB + 600, 512, 4, 0, 0, 3},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_arenas(&c, 1, 100, 24);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_ALLOC_STATE, 170, 102400, 9, 0, 0);
    cap_end_records(&c);
    cap_allocs(&c, rows, 3);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_finding *f = &p.findings[0]; /* before what says that the GIL is free */
    assert_string_equal(f->id, "memory-pinned");
    assert_string_equal(f->claim, "63 % of 100.0 MiB in arenas is free but pinned; 60 % of it by "
                                  "1,200 blocks allocated at cache.py:88.");
    assert_string_equal(p.frames[p.nodes[f->node].frame].func, "fill");
    assert_int_equal(f->bytes, 100 * 40 * POOL);
    assert_non_null(strstr(f->suggestion, "An arena goes back"));
    char *json = cap_json(&p);
    assert_non_null(strstr(json, "\"bytes\":65536000,\"of_bytes\":104857600,\"pid\":8,"
                                 "\"file\":\"/srv/app/cache.py\",\"func\":\"fill\",\"line\":88"));
    free(json);
    gs_profile_free(&p);
    cap_close(&c);
}

static void why_nobody_is_named_is_said(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_arenas(&c, 1, 20, 1);
    cap_records(&c);
    cap_event(&c, 170, GS_EVENT_NO_ALLOCS, "the allocator \033[31m was replaced");
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_finding *f = finding(&p, "memory-pinned");
    assert_non_null(strstr(f->suggestion, "were not sampled: the allocator \\x1b[31m was"));
    gs_profile_free(&p);
    cap_close(&c);
}

/* Of several processes the one that pins most is named. */
static void a_job_names_its_worst_process(void **state)
{
    struct cap a, b;
    struct gs_profile p;
    (void)state;
    make_arenas(&a, 1, 20, 1);
    make_arenas(&b, 2, 30, 1);
    memcpy(cap_reserve(&a, b.len), b.data, b.len);
    cap_profile(a.data, a.len + b.len, "cpu", &p);
    assert_int_equal(
        strncmp(finding(&p, "memory-pinned")->claim, "Process 9: 98 % of 30.0 MiB", 27), 0);
    char *text = summary(&p);
    assert_non_null(strstr(text, "Memory of the job\n 2 processes: 180.0 MiB resident in sum"));
    assert_non_null(strstr(text, "Memory (pid 8)"));
    lines_fit(text);
    free(text);
    gs_profile_free(&p);
    cap_close(&a);
    cap_close(&b);
}

static void make_peak(struct cap *c, uint64_t at_end, uint64_t full_at_end)
{
    begin(c, 1);
    put_arenas(c, 20);
    put_memory(c, 200, 20);
    put_memory(c, 400, at_end);
    cap_end_records(c);
    put_readings(c, 150, 20, 60);
    put_readings(c, 350, 20, full_at_end);
}

static void memory_that_did_not_come_back(void **state)
{
    static const struct {
        uint64_t at_end, full;
        bool said;
    } cases[] = {{20, 29, true}, {20, 30, false}, {19, 29, true}, {18, 29, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cap c;
        struct gs_profile p;
        make_peak(&c, cases[i].at_end, cases[i].full);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_finding *f = finding(&p, "memory-peak");
        assert_int_equal(f != NULL, cases[i].said);
        if (i == 0) {
            assert_int_equal(f->severity, GS_SEV_LOW);
            assert_string_equal(f->claim, "Memory did not come back: of 18.2 MiB in use at most "
                                          "8.8 MiB are left, but arenas still take 20.0 MiB of "
                                          "20.0 MiB.");
        }
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* ---- the summary ---- */

static void the_summary_tells_of_memory(void **state)
{
    const struct cap_alloc rows[] = {{151, 1, BASE + 100, 512, 3, 0, 0, 1}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_arenas(&c, 1, 100, 24);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_MAPS, 160, 90 * MIB, 80 * MIB, 70 * MIB, 60 * MIB, 3 * MIB, 2,
            GS_MAP_ARENAS, 60 * MIB, GS_MAP_FILE, 20 * MIB);
    CAP_REC(&c, GS_RECORD_ALLOC_STATE, 170, 102400, 9, 1, 2);
    cap_end_records(&c);
    cap_allocs(&c, rows, 1);
    cap_profile(c.data, c.len, "cpu", &p);
    char *text = summary(&p);
    static const char *const expected[] = {
        "\nMemory (pid 8)\n 90.0 MiB resident after 160 ns; 80.0 MiB with shared",
        "    36.3 MiB   40 %  Python's arenas: blocks in use\n",
        "    20.0 MiB   22 %  pages of files\n",
        "    32.5 MiB   36 %  unexplained\n",
        " 3.0 MiB more are swapped out.\n",
        " 100 arenas of 100.0 MiB after 200 ns (at most 100.0 MiB): 36.3 MiB in use, 0 B",
        "       512 B       2,400        74,400  100 %         0 B\n",
        "    62.5 MiB  100 %   300.0 KiB  fill (cache.py:88) < main\n",
        " Of 9 samples 1 were lost, and 2 times that one was freed.\n",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
        if (!strstr(text, expected[i]))
            fail_msg("not there: %s\n%s", expected[i], text);
    lines_fit(text);
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

static void why_there_is_nothing_is_printed(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c, 1);
    cap_event(&c, 5, GS_EVENT_NO_ARENAS, "this Python uses \033 mimalloc");
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    char *text = summary(&p);
    assert_non_null(strstr(text, " no arenas: this Python uses \\x1b mimalloc\n"));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_of_what_is_pinned),
        cmocka_unit_test(a_claim_names_the_line_that_pins),
        cmocka_unit_test(why_nobody_is_named_is_said),
        cmocka_unit_test(a_job_names_its_worst_process),
        cmocka_unit_test(memory_that_did_not_come_back),
        cmocka_unit_test(the_summary_tells_of_memory),
        cmocka_unit_test(why_there_is_nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

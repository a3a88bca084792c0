/* SPDX-License-Identifier: MIT
 * Exporters, on a profile made by hand: sums, hostile names, very deep stacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/export.h"

enum { DEPTH = 800, N_NODES = DEPTH + 3 };

static struct gs_prof_frame frames[] = {
    {.file = "/app/main.py", .func = "main", .line = 3},
    {.file = "", .func = "(not sampled)", .line = -1},
    {.file = "/app/e;vil.py", .func = "a\n\x1b[31m;b \xff\xe2\x80\xae 7", .line = 9},
    {.file = "/app/deep.py", .func = "deeper", .line = -1},
    {.file = "/app/unused.py", .func = "unused", .line = 1},
};
static struct gs_prof_node nodes[N_NODES];
static struct gs_prof_row rows[] = {
    {.process = 0, .thread = 0, .node = 0, .hold_ns = 7},
    {.process = 0, .thread = 0, .node = 1, .hold_ns = 100, .blamed_ns = 30},
    {.process = 0, .thread = 1, .node = 2, .hold_ns = 20, .wait_ns = 30},
    {.process = 0, .thread = 1, .node = N_NODES - 1, .wait_ns = UINT64_C(1) << 60},
};
static char name_0[] = "Main;Thread", name_1[] = "";
static struct gs_prof_thread threads[] = {
    {.thread = 0, .tid = 41, .name = name_0},
    {.thread = 1, .tid = 42, .name = name_1},
};
static struct gs_prof_alloc_row alloc_rows[] = {
    {.process = 0, .node = 1, .live_bytes = 4096, .pinned_bytes = 9},
    {.process = 0, .node = 2, .pinned_bytes = 7}, /* nothing of it lives */
    {.process = 0, .node = N_NODES - 1, .live_bytes = UINT64_C(1) << 60},
};
static struct gs_prof_process process = {.pid = 41, .threads = threads, .n_threads = 2};

static struct gs_profile make_profile(void)
{
    nodes[1] = (struct gs_prof_node){.parent = 0, .frame = 0};
    nodes[2] = (struct gs_prof_node){.parent = 1, .frame = 2};
    for (uint32_t i = 3; i < N_NODES; i++)
        nodes[i] = (struct gs_prof_node){.parent = i - 1, .frame = 3};
    return (struct gs_profile){
        .processes = &process,
        .n_processes = 1,
        .frames = frames,
        .n_frames = sizeof(frames) / sizeof(frames[0]),
        .nodes = nodes,
        .n_nodes = N_NODES,
        .rows = rows,
        .n_rows = sizeof(rows) / sizeof(rows[0]),
    };
}

static struct gs_profile make_memory_profile(void)
{
    struct gs_profile p = make_profile();
    p.alloc_rows = alloc_rows;
    p.n_alloc_rows = sizeof(alloc_rows) / sizeof(alloc_rows[0]);
    return p;
}

static char *collapsed(enum gs_metric metric)
{
    struct gs_profile p = metric == GS_METRIC_ALLOC ? make_memory_profile() : make_profile();
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_collapsed(&p, metric, f));
    fclose(f);
    return text;
}

static char *speedscope_of(const struct gs_profile *p, int metric)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_speedscope(p, metric, f));
    fclose(f);
    return text;
}

static char *speedscope(int metric)
{
    struct gs_profile p = make_profile();
    return speedscope_of(&p, metric);
}

static void collapsed_lines_keep_their_syntax(void **state)
{
    (void)state;
    char *text = collapsed(GS_METRIC_HOLD);
    assert_string_equal(text, "Main:Thread (41);(no stack) 7\n"
                              "Main:Thread (41);main (/app/main.py:3) 100\n"
                              "thread (42);main (/app/main.py:3);a??[31m:b \xef\xbf\xbd? 7"
                              " (/app/e:vil.py:9) 20\n");
    free(text);
    text = collapsed(GS_METRIC_BLAME);
    assert_string_equal(text, "Main:Thread (41);main (/app/main.py:3) 30\n");
    free(text);
}

/* Each line is made from the one before: deeper, a sibling, shallower, none, another thread. */
static void collapsed_lines_do_not_keep_frames_of_others(void **state)
{
    (void)state;
    struct gs_profile p = make_profile();
    struct gs_prof_node tree[] = {{0, 0}, {0, 0}, {1, 3}, {1, 4}, {3, 3}, {0, 4}};
    uint32_t order[][2] = {{0, 2}, {0, 4}, {0, 3}, {0, 0}, {0, 5}, {1, 4}, {1, 1}};
    struct gs_prof_row own[7];
    memset(own, 0, sizeof(own));
    for (size_t i = 0; i < 7; i++)
        own[i] = (struct gs_prof_row){.thread = order[i][0], .node = order[i][1], .hold_ns = i + 9};
    p.nodes = tree, p.n_nodes = 6, p.rows = own, p.n_rows = 7;
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_collapsed(&p, GS_METRIC_HOLD, f));
    fclose(f);
#define MAIN   ";main (/app/main.py:3)"
#define DEEPER ";deeper (/app/deep.py)"
#define UNUSED ";unused (/app/unused.py:1)"
    assert_string_equal(text, "Main:Thread (41)" MAIN DEEPER " 9\n"
                              "Main:Thread (41)" MAIN UNUSED DEEPER " 10\n"
                              "Main:Thread (41)" MAIN UNUSED " 11\n"
                              "Main:Thread (41);(no stack) 12\n"
                              "Main:Thread (41)" UNUSED " 13\n"
                              "thread (42)" MAIN UNUSED DEEPER " 14\n"
                              "thread (42)" MAIN " 15\n");
    free(text);
}

static void collapsed_weights_sum_up_beyond_53_bits(void **state)
{
    (void)state;
    char *text = collapsed(GS_METRIC_WAIT);
    uint64_t sum = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        sum += strtoull(strrchr(line, ' '), NULL, 10);
    assert_true(sum == (UINT64_C(1) << 60) + 30);
    free(text);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

static void speedscope_has_a_profile_per_thread_and_metric(void **state)
{
    (void)state;
    char *text = speedscope(-1);
    assert_int_equal(count(text, "\"type\":\"sampled\""), 4);
    assert_non_null(strstr(text, "gil hold \xe2\x80\x94 Main;Thread (41)"));
    assert_non_null(strstr(text, "\"unit\":\"nanoseconds\""));
    assert_non_null(strstr(text, "\"activeProfileIndex\":3")); /* the wait of thread 42 */
    assert_null(strstr(text, "unused"));
    free(text);
    text = speedscope(GS_METRIC_BLAME);
    assert_int_equal(count(text, "\"type\":\"sampled\""), 1);
    assert_non_null(strstr(text, "\"weights\":[30]"));
    free(text);
}

static void speedscope_cuts_what_would_overflow_it(void **state)
{
    (void)state;
    char *text = speedscope(GS_METRIC_WAIT);
    const char *samples = strstr(text, "\"samples\":");
    const char *deep = strstr(samples, "],[");
    assert_non_null(deep);
    const char *end = strchr(deep + 3, ']');
    size_t n = 1;
    for (const char *p = deep + 3; p < end; p++)
        n += *p == ',';
    assert_int_equal(n, 500);
    assert_non_null(strstr(text, "(outer frames cut)"));
    free(text);
}

static void live_bytes_are_of_the_process(void **state)
{
    (void)state;
    char *text = collapsed(GS_METRIC_ALLOC);
    assert_non_null(strstr(text, "pid 41;main (/app/main.py:3) 4096\npid 41;main "));
    assert_non_null(strstr(text, " 1152921504606846976\n"));
    assert_int_equal(count(text, "\n"), 2);
    free(text);
    struct gs_profile p = make_memory_profile();
    text = speedscope_of(&p, GS_METRIC_ALLOC);
    assert_int_equal(count(text, "\"type\":\"sampled\""), 1);
    assert_non_null(strstr(text, "\"name\":\"live bytes \xe2\x80\x94 pid 41\",\"unit\":\"bytes\""));
    assert_non_null(strstr(text, "\"weights\":[4096,1152921504606846976]"));
    assert_non_null(strstr(text, "\"activeProfileIndex\":0"));
    free(text);
    text = speedscope_of(&p, -1); /* behind those of the threads */
    assert_int_equal(count(text, "\"type\":\"sampled\""), 5);
    assert_non_null(strstr(text, "\"activeProfileIndex\":3"));
    free(text);
}

static void speedscope_of_nothing_is_still_a_document(void **state)
{
    (void)state;
    struct gs_profile p = {0};
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_speedscope(&p, -1, f));
    fclose(f);
    assert_non_null(strstr(text, "\"profiles\":[]"));
    free(text);
}

static void a_full_disk_is_noticed(void **state)
{
    (void)state;
    struct gs_profile p = make_profile();
    FILE *f = fopen("/dev/full", "w");
    setvbuf(f, NULL, _IONBF, 0);
    assert_false(gs_export_collapsed(&p, GS_METRIC_HOLD, f));
    clearerr(f);
    assert_false(gs_export_speedscope(&p, -1, f));
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collapsed_lines_keep_their_syntax),
        cmocka_unit_test(collapsed_lines_do_not_keep_frames_of_others),
        cmocka_unit_test(collapsed_weights_sum_up_beyond_53_bits),
        cmocka_unit_test(speedscope_has_a_profile_per_thread_and_metric),
        cmocka_unit_test(speedscope_cuts_what_would_overflow_it),
        cmocka_unit_test(live_bytes_are_of_the_process),
        cmocka_unit_test(speedscope_of_nothing_is_still_a_document),
        cmocka_unit_test(a_full_disk_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

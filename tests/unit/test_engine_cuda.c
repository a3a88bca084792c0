/* SPDX-License-Identifier: MIT
 * The CUDA engine in the emulator, opened as a program opens it, against the other engines. Not a
 * number may differ, and none of them may be another engine's work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>

#include "tests/unit/engine_stories.h"
#include "tests/unit/rates_file.h"

#define EMULATOR GS_BUILD_DIR "/tests/libgilscope_cuda_simt.so"

/* ---- which engine ---- */

static void check_auto(const struct cap *c, const char *engine, const char *why_not)
{
    struct gs_load_options options = {.engine = "auto"};
    struct gs_profile p;
    char *want = cap_json_of(c->data, c->len, "cpu");
    cap_profile_with(c->data, c->len, &options, &p);
    char *got = cap_json(&p);
    assert_string_equal(p.engine, engine);
    assert_string_equal(got, want);
    if (why_not)
        assert_non_null(strstr(p.engine_why_not, why_not));
    else
        assert_null(p.engine_why_not);
    gs_profile_free(&p);
    free(got);
    free(want);
}

/* First of all: nobody has opened the library yet. */
static void little_is_not_worth_a_device(void **state)
{
    struct cap c;
    (void)state;
    build_random_story(&c, 7);
    write_rates(GILSCOPE_VERSION, 1000, 1, 1000000);
    check_auto(&c, "cpu", "would not pay");
    drop_rates();
    write_rates("0.0.1", 1000000000, 1, 1); /* another version's: says nothing */
    check_auto(&c, "cpu", "would not pay");
    drop_rates();
    assert_null(dlopen(EMULATOR, RTLD_NOW | RTLD_NOLOAD));
    cap_close(&c);
}

static void what_pays_is_counted_on_the_device(void **state)
{
    struct cap c;
    (void)state;
    build_random_story(&c, 7);
    write_rates(GILSCOPE_VERSION, 1000000000, 1, 1); /* 1 ms a row on the CPU */
    check_auto(&c, "cuda", NULL);
    setenv("GILSCOPE_SIMT_FAIL", "cudaGetDeviceCount=100", 1);
    check_auto(&c, "cpu", "nvidia-smi");
    unsetenv("GILSCOPE_SIMT_FAIL");
    drop_rates();
    cap_close(&c);
}

/* ---- what may fail ---- */

/* The profile with engine cuda, which must be right whoever counts. true: the device. */
static bool counts_on_device(const struct cap *c, const char *want, char *why_not, size_t cap)
{
    struct gs_load_options options = {.engine = "cuda", .jobs = 1};
    struct gs_profile p;
    cap_profile_with(c->data, c->len, &options, &p);
    char *got = cap_json(&p);
    bool on_device = strcmp(p.engine, "cuda") == 0;
    assert_string_equal(got, want);
    assert_true(on_device == !p.engine_why_not);
    snprintf(why_not, cap, "%s", p.engine_why_not ? p.engine_why_not : "");
    gs_profile_free(&p);
    free(got);
    return on_device;
}

/* The first call of it fails, then the second, and so on until it is not called so often. */
static void fail_each_call(const struct cap *c, const char *want, const char *name, unsigned code,
                           const char *says)
{
    char text[64], why_not[1024];
    bool on_device = false;
    for (unsigned n = 1; !on_device && n < 1000; n++) {
        snprintf(text, sizeof(text), "%s:%u=%u", name, n, code);
        setenv("GILSCOPE_SIMT_FAIL", text, 1);
        on_device = counts_on_device(c, want, why_not, sizeof(why_not));
        if (n == 1 && on_device)
            fail_msg("%s is never called", name);
        if (!on_device && !strstr(why_not, says))
            fail_msg("%s: %s", text, why_not);
    }
    unsetenv("GILSCOPE_SIMT_FAIL");
}

static void whatever_fails_the_numbers_are_right(void **state)
{
    static const struct {
        const char *name;
        unsigned code;
        const char *says;
    } calls[] = {
        {"cudaGetDeviceCount", 100, "no CUDA-capable device"},
        {"cudaGetDeviceCount", 35, "driver"},
        {"cudaSetDevice", 719, "launch failure"},
        {"cudaGetDeviceProperties", 719, "launch failure"},
        {"cudaMemGetInfo", 719, "launch failure"},
        {"cudaMalloc", 2, "out of memory"},
        {"cudaHostAlloc", 2, "out of memory"},
        {"cudaStreamCreateWithFlags", 2, "out of memory"},
        {"cudaEventCreateWithFlags", 2, "out of memory"},
        {"cudaEventRecord", 719, "launch failure"},
        {"cudaEventSynchronize", 719, "launch failure"},
        {"cudaEventElapsedTime", 719, "launch failure"},
        {"cudaStreamWaitEvent", 719, "launch failure"},
        {"cudaStreamSynchronize", 719, "launch failure"},
        {"cudaMemcpyAsync", 719, "launch failure"},
        {"cudaMemsetAsync", 719, "launch failure"},
        {"launch", 719, "launch failure"},
    };
    struct cap c;
    (void)state;
    build_random_story(&c, 4);
    char *want = cap_json_of(c.data, c.len, "cpu");
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        fail_each_call(&c, want, calls[i].name, calls[i].code, calls[i].says);
    free(want);
    cap_close(&c);
}

static void libraries_that_are_none(void **state)
{
    static const char *const paths[][2] = {
        {GS_BUILD_DIR "/tests/libgilscope_cuda_old.so", "another version"},
        {GS_SOURCE_DIR "/README.md", "cannot be opened"},
        {GS_BUILD_DIR "/tests/not-there.so", "is not there"},
    };
    struct cap c;
    char why_not[1024];
    (void)state;
    build_random_story(&c, 4);
    char *want = cap_json_of(c.data, c.len, "cpu");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        setenv("GILSCOPE_CUDA_ENGINE", paths[i][0], 1);
        assert_false(counts_on_device(&c, want, why_not, sizeof(why_not)));
        assert_non_null(strstr(why_not, paths[i][1]));
    }
    setenv("GILSCOPE_CUDA_ENGINE", EMULATOR, 1);
    free(want);
    cap_close(&c);
}

/* ---- the same numbers ---- */

/* Engine cuda's document; the capture must have been counted on the device. */
static char *json_of_device(const struct cap *c, size_t window_rows)
{
    struct gs_load_options options = {.engine = "cuda", .window_rows = window_rows, .jobs = 1};
    struct gs_profile p;
    cap_profile_with(c->data, c->len, &options, &p);
    if (p.engine_why_not)
        fail_msg("%s", p.engine_why_not);
    assert_string_equal(p.engine, "cuda");
    char *text = cap_json(&p);
    gs_profile_free(&p);
    return text;
}

static void compare(struct cap *c, size_t window_rows)
{
    struct gs_load_options device = {.engine = "cuda", .window_rows = window_rows, .jobs = 1};
    struct gs_profile cpu;
    cap_profile(c->data, c->len, "cpu", &cpu);
    char *want = cap_json(&cpu), *times = folded(&cpu), *got = json_of_device(c, window_rows);
    assert_string_equal(got, want);
    check_without_pairs(c, &device, times);
    free(got);
    free(want);
    free(times);
    gs_profile_free(&cpu);
    cap_close(c);
}

static void the_device_agrees_on_random_captures(void **state)
{
    struct cap c;
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        build_random_story(&c, i);
        compare(&c, 0);
    }
}

/* From too little, where the CPU counts, to the first amount with which the device can: that has
 * room for a few hundred rows at a time. */
static void check_least_memory(const struct cap *c, size_t window_rows, const char *want)
{
    for (unsigned kib = 512; kib < 65536; kib += 32) {
        struct gs_load_options options = {.engine = "cuda", .window_rows = window_rows, .jobs = 1};
        struct gs_profile p;
        char memory[32];
        snprintf(memory, sizeof(memory), "%u", kib << 10);
        setenv("GILSCOPE_SIMT_MEMORY", memory, 1);
        cap_profile_with(c->data, c->len, &options, &p);
        char *got = cap_json(&p);
        bool on_device = strcmp(p.engine, "cuda") == 0;
        assert_string_equal(got, want);
        assert_true(on_device || strstr(p.engine_why_not, "memory"));
        free(got);
        gs_profile_free(&p);
        if (on_device)
            return;
    }
    fail();
}

static void small_devices_count_in_windows(void **state)
{
    struct cap c;
    (void)state;
    for (unsigned i = 3; i < 60; i += 7) {
        build_random_story(&c, i);
        char *want = cap_json_of(c.data, c.len, "cpu");
        check_least_memory(&c, 1 + i % 40, want);
        unsetenv("GILSCOPE_SIMT_MEMORY");
        free(want);
        cap_close(&c);
    }
}

/* Small chunks, of which not half fit beside all else: two windows' chunks have a place each. */
static void chunks_that_cannot_stay(void **state)
{
    struct story s = {.rng = 7, .n = 6000, .threads = 4, .drop = 10, .hostile = true, .chunk = 50};
    struct cap c;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        build_story(&c, s, 80 * i, 1);
        char *want = cap_json_of(c.data, c.len, "cpu");
        check_least_memory(&c, 1, want);
        unsetenv("GILSCOPE_SIMT_MEMORY");
        free(want);
        cap_close(&c);
    }
}

static void the_device_agrees_on_shuffled_rows(void **state)
{
    struct story s = {.rng = 4711, .n = 3000, .threads = 4, .drop = 10, .chunk = 1000};
    struct cap c;
    (void)state;
    for (uint64_t stretch = 1; stretch < 2000000; stretch += 1000002) {
        build_story(&c, s, 3000, stretch);
        compare(&c, 0);
    }
}

/* More than there is room for at first. */
static void many_actors(void **state)
{
    enum { ROWS = 9000, IN_CHUNK = 900 };
    static struct cap_row rows[ROWS];
    struct cap c;
    (void)state;
    for (uint64_t i = 0; i < ROWS; i++)
        rows[i] =
            (struct cap_row){i + 1, 10 * i, i % 3000, BOTH, 9, 1 + i % 7, 25, i ? 2 : 1, 1 + i % 8};
    open_with_definitions(&c);
    for (size_t i = 0; i < ROWS; i += IN_CHUNK)
        cap_slices(&c, rows + i, IN_CHUNK);
    compare(&c, 0);
}

/* A matrix, and a map; both past the limits of pairs. */
static void many_threads(void **state)
{
    struct cap c;
    (void)state;
    for (uint64_t n = 3; n <= 3000; n = n == 3 ? 700 : n + 2300) {
        build_convoy(&c, n);
        compare(&c, 0);
    }
}

/* The first n for which the device counts though the n-th and all later cudaMalloc() fail. */
static unsigned allocations_it_needs(const struct cap *c, const char *want)
{
    char text[32], why_not[1024];
    for (unsigned n = 1; n < 100; n++) {
        snprintf(text, sizeof(text), "cudaMalloc:%u=2", n);
        setenv("GILSCOPE_SIMT_FAIL", text, 1);
        if (counts_on_device(c, want, why_not, sizeof(why_not)))
            return n;
    }
    return 0;
}

/* Large tables come back whole where there is no memory to pick out what is in them: first there is
 * none to look for it, then none for what was found. */
static void without_memory_to_pick(void **state)
{
    unsigned needs[2];
    char text[32], why_not[1024];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct cap c;
        build_convoy(&c, i ? 700 : 60); /* of 60 threads no table is large */
        char *want = cap_json_of(c.data, c.len, "cpu");
        needs[i] = allocations_it_needs(&c, want);
        for (unsigned more = 1; more < 3; more++) {
            snprintf(text, sizeof(text), "cudaMalloc:%u=2", needs[i] + more);
            setenv("GILSCOPE_SIMT_FAIL", text, 1);
            assert_true(counts_on_device(&c, want, why_not, sizeof(why_not)));
        }
        unsetenv("GILSCOPE_SIMT_FAIL");
        free(want);
        cap_close(&c);
    }
    assert_int_equal(needs[0], needs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_not_worth_a_device),
        cmocka_unit_test(what_pays_is_counted_on_the_device),
        cmocka_unit_test(whatever_fails_the_numbers_are_right),
        cmocka_unit_test(libraries_that_are_none),
        cmocka_unit_test(the_device_agrees_on_random_captures),
        cmocka_unit_test(small_devices_count_in_windows),
        cmocka_unit_test(chunks_that_cannot_stay),
        cmocka_unit_test(the_device_agrees_on_shuffled_rows),
        cmocka_unit_test(many_actors),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(without_memory_to_pick),
    };
    setenv("GILSCOPE_CUDA_ENGINE", EMULATOR, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

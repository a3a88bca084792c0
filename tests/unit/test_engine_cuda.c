/* SPDX-License-Identifier: MIT
 * The CUDA engine in the emulator, opened as a program opens it, against the other engines. Not a
 * number may differ, and none of them may be another engine's work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engine_stories.h"

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
    char *want = cap_json_of(c->data, c->len, "cpu"), *got = json_of_device(c, window_rows);
    assert_string_equal(got, want);
    free(got);
    free(want);
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
    for (unsigned kib = 512; kib < 65536; kib += 64) {
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
    for (unsigned i = 3; i < 60; i += 4) {
        build_random_story(&c, i);
        char *want = cap_json_of(c.data, c.len, "cpu");
        check_least_memory(&c, 1 + i % 40, want);
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
        rows[i] = (struct cap_row){i + 1, 10 * i,     i % 3000, BOTH, 9, 1 + i % 7,
                                   25,    i ? 2 : 1, 1 + i % 8};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_agrees_on_random_captures),
        cmocka_unit_test(small_devices_count_in_windows),
        cmocka_unit_test(the_device_agrees_on_shuffled_rows),
        cmocka_unit_test(many_actors),
        cmocka_unit_test(many_threads),
    };
    setenv("GILSCOPE_CUDA_ENGINE", GS_BUILD_DIR "/tests/libgilscope_cuda_simt.so", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

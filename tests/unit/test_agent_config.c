/* SPDX-License-Identifier: MIT
 * The agent's settings: what a person types, what a program's environment may hold.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/agent_config.h"

static struct gs_config parse(const char *a, const char *b)
{
    char *envp[] = {(char *)"PATH=/bin", (char *)a, (char *)b, NULL};
    struct gs_config c;
    gs_config_parse(&c, envp);
    return c;
}

static void defaults_hold_without_an_environment(void **state)
{
    struct gs_config c = parse(NULL, NULL);
    (void)state;
    assert_int_equal(c.level, 1);
    assert_int_equal(c.duration_ms, 0);
    assert_int_equal(c.budget_permille, 10);
    assert_int_equal(c.sample_interval_us, 1000);
    assert_false(c.alloc);
    assert_int_equal(c.alloc_interval_bytes, 64 << 10);
    assert_int_equal(c.children, GS_CHILDREN_python);
    assert_null(c.bad_name);
}

static void units_are_those_a_person_types(void **state)
{
    (void)state;
    assert_int_equal(parse("GILSCOPE_DURATION=2.5", NULL).duration_ms, 2500);
    assert_int_equal(parse("GILSCOPE_MAX_SIZE=1.5M", NULL).max_size_bytes, 3 << 19);
    assert_int_equal(parse("GILSCOPE_MAX_SIZE=2GiB", NULL).max_size_bytes, 2ull << 30);
    assert_int_equal(parse("GILSCOPE_BUDGET=0.5", NULL).budget_permille, 5);
    assert_int_equal(parse("GILSCOPE_LEVEL=2", NULL).level, 2);
    assert_int_equal(parse("GILSCOPE_CHILDREN=none", NULL).children, GS_CHILDREN_none);
    assert_true(parse("GILSCOPE_FORCE=1", NULL).force);
    assert_true(parse("GILSCOPE_ALLOC=1", NULL).alloc);
    assert_int_equal(parse("GILSCOPE_ALLOC_INTERVAL=512K", NULL).alloc_interval_bytes, 512 << 10);
    assert_int_equal(parse("GILSCOPE_ALLOC_INTERVAL=1", NULL).alloc_interval_bytes, 1);
    assert_true(parse("GILSCOPE_LOCKS=1", NULL).locks);
}

static void a_ring_needs_a_size(void **state)
{
    const char *ring = "GILSCOPE_ON_FULL=ring";
    struct gs_config small = parse(ring, "GILSCOPE_MAX_SIZE=1023K");
    (void)state;
    assert_int_equal(parse(ring, "GILSCOPE_MAX_SIZE=1M").on_full, GS_ON_FULL_ring);
    assert_null(parse(ring, "GILSCOPE_MAX_SIZE=1M").bad_name);
    assert_int_equal(small.on_full, GS_ON_FULL_stop);
    assert_string_equal(small.bad_name, "GILSCOPE_ON_FULL");
    assert_non_null(strstr(small.bad_why, "GILSCOPE_MAX_SIZE"));
}

static void locks_take_level_2(void **state)
{
    struct gs_config lower = parse("GILSCOPE_LOCKS=1", "GILSCOPE_LEVEL=1");
    (void)state;
    assert_int_equal(parse("GILSCOPE_LOCKS=1", NULL).level, 2);
    assert_null(parse("GILSCOPE_LOCKS=1", NULL).bad_name);
    assert_null(parse("GILSCOPE_LOCKS=1", "GILSCOPE_LEVEL=2").bad_name);
    assert_int_equal(parse("GILSCOPE_LOCKS=0", NULL).level, 1);
    assert_int_equal(lower.level, 2);
    assert_string_equal(lower.bad_name, "GILSCOPE_LEVEL");
    assert_non_null(strstr(lower.bad_why, "level 2 is taken"));
}

static void a_value_not_understood_is_named_and_changes_nothing(void **state)
{
    static const char *const bad[] = {
        "GILSCOPE_LEVEL=3",
        "GILSCOPE_LEVEL=1x",
        "GILSCOPE_DURATION=soon",
        "GILSCOPE_MAX_SIZE=5Q",
        "GILSCOPE_BUDGET=101",
        "GILSCOPE_CHILDREN=yes",
        "GILSCOPE_SAMPLE_INTERVAL=0",
        "GILSCOPE_MAX_SIZE=99999999999999999999999",
        "GILSCOPE_ON_FULL=grow",
        "GILSCOPE_FORCE=1x",
        "GILSCOPE_MAX_SIZE=17179869185G", /* 2^64 bytes and 1 GiB */
        "GILSCOPE_QUIET=11",
        "GILSCOPE_DURATION=18446744074", /* 2^64 ns and 0.3 s */
        "GILSCOPE_MAX_SIZE=1KiBs",
        "GILSCOPE_SAMPLE_INTERVAL=18446744073709553",
        "GILSCOPE_ALLOC=yes",
        "GILSCOPE_LOCKS=all",
        "GILSCOPE_ALLOC_INTERVAL=0",
        "GILSCOPE_ALLOC_INTERVAL=0.5", /* of a byte */
        "GILSCOPE_ALLOC_INTERVAL=1025G",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gs_config c = parse(bad[i], NULL), ok = parse(NULL, NULL);
        assert_non_null(c.bad_name);
        assert_memory_equal(c.bad_name, bad[i], strlen(c.bad_name));
        assert_int_equal(c.level, ok.level);
        assert_int_equal(c.force, ok.force);
        assert_int_equal(c.quiet, ok.quiet);
        assert_int_equal(c.duration_ms, ok.duration_ms);
        assert_int_equal(c.max_size_bytes, ok.max_size_bytes);
        assert_int_equal(c.sample_interval_us, ok.sample_interval_us);
        assert_int_equal(c.alloc, ok.alloc);
        assert_int_equal(c.locks, ok.locks);
        assert_int_equal(c.alloc_interval_bytes, ok.alloc_interval_bytes);
    }
}

static void expect_path(const char *pattern, const char *variable, const char *expected)
{
    char env[600], path[4096];
    snprintf(env, sizeof(env), "GILSCOPE_OUT=%s", pattern);
    struct gs_config c = parse(env, variable);
    assert_true(gs_config_out_path(&c, path, sizeof(path)));
    assert_string_equal(path, expected);
}

static void tokens_are_expanded(void **state)
{
    char with_pid[64], cwd[2000], relative[2100];
    (void)state;
    snprintf(with_pid, sizeof(with_pid), "/o/%d.gsc", (int)getpid());
    expect_path("/o/%p.gsc", NULL, with_pid);
    expect_path("/o/j-%q{RANK}-x.gsc", "RANK=7", "/o/j-7-x.gsc");
    expect_path("/o/j-%q{RANK}-x.gsc", NULL, "/o/j-x.gsc");
    expect_path("/o/%q{A}", "A=../../etc/x", "/o/.._.._etc_x");
    expect_path("/o/100%%-%z-%q{open", NULL, "/o/100%-%z-%q{open");
    expect_path("/o/%q{A}", "A=%p", "/o/%p");
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(relative, sizeof(relative), "%s/a.gsc", cwd);
    expect_path("a.gsc", NULL, relative);
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
    char env[5200] = "GILSCOPE_OUT=/", path[4096];
    (void)state;
    memset(env + strlen(env), 'x', 5000);
    struct gs_config c = parse(env, NULL);
    assert_false(gs_config_out_path(&c, path, sizeof(path)));
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A variable with a random value that ends where its memory does: a sanitizer sees a read too far.
 */
static char *random_variable(uint64_t *rng, const char *name)
{
    static const char *const parts[] = {"0",  "9",     "1.5", "18446744073709551615",
                                        ".",  "K",     "GiB", "%",
                                        "%p", "%h",    "%%",  "%q{",
                                        "}",  "A}-",   "/",   "python",
                                        "-",  "\xff\n"};
    char text[1000] = "";
    size_t len = 0;
    for (uint64_t n = next_random(rng) % 6; n > 0; n--)
        len += (size_t)sprintf(text + len, "%s",
                               parts[next_random(rng) % (sizeof(parts) / sizeof(*parts))]);
    char *out = malloc(strlen(name) + 1 + len + 1);
    sprintf(out, "%s=%s", name, text);
    return out;
}

/* Whatever the environment holds, the settings are within their limits and the path is a path. */
static void any_environment_is_harmless(void **state)
{
    static const char *const names[] = {
#define GS_CONFIG(env, field, type, default_value, help) #env,
#include "preload/agent_config.def"
#undef GS_CONFIG
        "GILSCOPE_ROOT_PID", "A", "RANK"};
    enum { N = sizeof(names) / sizeof(*names) };
    uint64_t rng = 7;
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char *envp[N + 1] = {NULL}, path[4096];
        struct gs_config c;
        for (size_t i = 0; i < N; i++)
            envp[i] = random_variable(&rng, names[i]);
        gs_config_parse(&c, envp);
        assert_true(c.level <= 2 && c.budget_permille <= 1000 && c.sample_interval_us > 0);
        assert_true(c.duration_ms * 1000000 / 1000000 == c.duration_ms);
        assert_true(c.sample_interval_us * 1000 / 1000 == c.sample_interval_us);
        assert_true(gs_config_out_path(&c, path, sizeof(path)));
        assert_int_equal(path[0], '/');
        for (size_t i = 0; i < N; i++)
            free(envp[i]);
    }
}

/* Of a value that is as long as an environment allows, nothing is kept and nothing overwritten. */
static void a_long_value_is_only_too_long(void **state)
{
    enum { LEN = 1 << 20 };
    static const char *const names[] = {
#define GS_CONFIG(env, field, type, default_value, help) #env,
#include "preload/agent_config.def"
#undef GS_CONFIG
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *env = malloc(LEN + 100), path[4096];
        sprintf(env, "%s=", names[i]);
        memset(env + strlen(env), '9', LEN);
        env[strlen(names[i]) + 1 + LEN] = '\0';
        struct gs_config c = parse(env, NULL);
        bool is_path = strcmp(names[i], "GILSCOPE_OUT") == 0;
        assert_true(is_path || c.bad_name == NULL || strcmp(c.bad_name, names[i]) == 0);
        assert_true(is_path || c.bad_name);
        assert_true(gs_config_out_path(&c, path, sizeof(path)) == !is_path);
        free(env);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_without_an_environment),
        cmocka_unit_test(units_are_those_a_person_types),
        cmocka_unit_test(a_ring_needs_a_size),
        cmocka_unit_test(locks_take_level_2),
        cmocka_unit_test(a_value_not_understood_is_named_and_changes_nothing),
        cmocka_unit_test(tokens_are_expanded),
        cmocka_unit_test(a_path_that_does_not_fit_is_refused),
        cmocka_unit_test(any_environment_is_harmless),
        cmocka_unit_test(a_long_value_is_only_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

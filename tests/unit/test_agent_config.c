/* SPDX-License-Identifier: MIT
 * The agent's settings: what a person types, what a program's environment may hold.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void a_value_not_understood_is_named_and_changes_nothing(void **state)
{
    static const char *const bad[] = {
        "GILSCOPE_LEVEL=3",           "GILSCOPE_LEVEL=1x",
        "GILSCOPE_DURATION=soon",     "GILSCOPE_MAX_SIZE=5Q",
        "GILSCOPE_BUDGET=101",        "GILSCOPE_CHILDREN=yes",
        "GILSCOPE_SAMPLE_INTERVAL=0", "GILSCOPE_MAX_SIZE=99999999999999999999999",
        "GILSCOPE_ON_FULL=grow",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gs_config c = parse(bad[i], NULL), ok = parse(NULL, NULL);
        assert_non_null(c.bad_name);
        assert_memory_equal(c.bad_name, bad[i], strlen(c.bad_name));
        assert_int_equal(c.level, ok.level);
        assert_int_equal(c.duration_ms, ok.duration_ms);
        assert_int_equal(c.max_size_bytes, ok.max_size_bytes);
        assert_int_equal(c.sample_interval_us, ok.sample_interval_us);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_without_an_environment),
        cmocka_unit_test(units_are_those_a_person_types),
        cmocka_unit_test(a_ring_needs_a_size),
        cmocka_unit_test(a_value_not_understood_is_named_and_changes_nothing),
        cmocka_unit_test(tokens_are_expanded),
        cmocka_unit_test(a_path_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

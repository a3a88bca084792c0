/* SPDX-License-Identifier: MIT
 * Counters by state: lists of names, shares by time, pages of perf made by hand.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/perf_event.h>

#include "preload/counts.h"
#include "preload/perf_events.h"
#include "preload/perf_page.h"

static void names_and_codes(void **state)
{
    struct gs_counters c;
    (void)state;
    assert_true(gs_counters_parse("cycles,page-faults,4/2/1cb/a/0/x::y:c=1", &c));
    assert_int_equal(c.n, 3);
    assert_int_equal(c.at[0].type, PERF_TYPE_HARDWARE);
    assert_int_equal(c.at[0].account, GS_ACCOUNT_NONE);
    assert_int_equal(c.at[1].account, GS_ACCOUNT_FAULTS);
    assert_string_equal(c.at[2].name, "x::y:c=1");
    assert_int_equal(c.at[2].type, 4);
    assert_int_equal(c.at[2].flags, GS_COUNTER_NO_KERNEL);
    assert_int_equal(c.at[2].config, 0x1cb);
    assert_int_equal(c.at[2].config1, 10);
}

/* Another name of what the kernel keeps an account of; with a mode left out it is another event. */
static void a_code_of_an_account_is_one(void **state)
{
    struct gs_counters c;
    (void)state;
    assert_true(gs_counters_parse("1/0/3/0/0/perf::CS,1/2/3/0/0/perf::CS:u", &c));
    assert_int_equal(c.at[0].account, GS_ACCOUNT_SWITCHES);
    assert_int_equal(c.at[1].account, GS_ACCOUNT_NONE);
}

static void what_is_no_list(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "cycles,",
        "cycle",
        "1/0/3/0/0/",
        "1/4/3/0/0/x",
        "1/0/3/0/x",
        "g/0/0/0/0/x",
        "4/0/11111111111111111/0/0/x",
        "cycles,cycles,cycles,cycles,cycles,cycles,cycles,cycles,cycles",
        "4/0/0/0/0/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    };
    struct gs_counters c;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(gs_counters_parse(bad[i], &c));
        assert_int_equal(c.n, 0);
    }
}

static void one_state_has_all(void **state)
{
    struct gs_counts c = {.in = {0, 0, 700}};
    (void)state;
    gs_counts_add(&c, 2, 41);
    assert_int_equal(c.sums[2].of[GS_COUNT_OFF_GIL], 41);
    assert_int_equal(c.sums[2].shared, 0);
    gs_counts_add(&c, 2, 40); /* a reading that is older changes nothing */
    assert_int_equal(c.sums[2].of[GS_COUNT_OFF_GIL], 41);
    assert_int_equal(c.sums[2].last, 41);
}

static void several_share_by_time(void **state)
{
    struct gs_counts c = {.in = {300, 100, 600}};
    (void)state;
    gs_counts_add(&c, 0, 101);
    assert_int_equal(c.sums[0].of[GS_COUNT_HOLDING], 30);
    assert_int_equal(c.sums[0].of[GS_COUNT_WAITING], 10);
    assert_int_equal(c.sums[0].of[GS_COUNT_OFF_GIL], 61); /* what rounding leaves: the longest */
    assert_int_equal(c.sums[0].shared, 101);
}

/* The processor's part is asked only where the page gives it an index: not here. */
static void pages(void **state)
{
    struct perf_event_mmap_page p = {.offset = 12345};
    uint64_t value = 0;
    (void)state;
    assert_false(gs_perf_page_read(&p, &value)); /* rdpmc may not be used */
    p.cap_user_rdpmc = 1;
    assert_true(gs_perf_page_read(&p, &value));
    assert_int_equal(value, 12345);
    p.offset = -1;
    assert_false(gs_perf_page_read(&p, &value));
    assert_int_equal(gs_sign_extend(0xffffffffffff, 48), -1);
    assert_int_equal(gs_sign_extend(0x7fffffffffff, 48), 0x7fffffffffff);
    assert_int_equal(gs_sign_extend(UINT64_MAX, 64), -1);
}

static void refusals_say_what_would_allow_it(void **state)
{
    char buf[256];
    (void)state;
    assert_non_null(strstr(gs_perf_refusal(PERF_TYPE_HARDWARE, -ENOENT, buf, sizeof(buf)), "PMU"));
    assert_non_null(
        strstr(gs_perf_refusal(PERF_TYPE_SOFTWARE, -EPERM, buf, sizeof(buf)), "seccomp"));
    assert_non_null(
        strstr(gs_perf_refusal(PERF_TYPE_SOFTWARE, -ENOSYS, buf, sizeof(buf)), "seccomp"));
    assert_non_null(
        strstr(gs_perf_refusal(PERF_TYPE_SOFTWARE, -EACCES, buf, sizeof(buf)), "CAP_PERFMON"));
    assert_non_null(
        strstr(gs_perf_refusal(PERF_TYPE_SOFTWARE, -EMFILE, buf, sizeof(buf)), "ulimit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_codes),
        cmocka_unit_test(a_code_of_an_account_is_one),
        cmocka_unit_test(what_is_no_list),
        cmocka_unit_test(one_state_has_all),
        cmocka_unit_test(several_share_by_time),
        cmocka_unit_test(pages),
        cmocka_unit_test(refusals_say_what_would_allow_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

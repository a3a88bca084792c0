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

#include "preload/agent.h"
#include "preload/counts.h"
#include "preload/perf_events.h"
#include "preload/perf_page.h"
#include "preload/sampler.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

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

/* A thread whose last reading found `n` in 1000 ticks of holding and 300 of waiting. */
static struct gs_thread *thread_with(uint64_t held, uint64_t waited)
{
    struct gs_thread *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->counters = &t->own_counters;
    t->counters->counts.fresh_in[GS_COUNT_HOLDING] = 1000;
    t->counters->counts.fresh_in[GS_COUNT_WAITING] = 300;
    t->counters->counts.sums[1].fresh[GS_COUNT_HOLDING] = held;
    t->counters->counts.sums[1].fresh[GS_COUNT_WAITING] = waited;
    gs_agent.config.counters.n = 2;
    return t;
}

static const struct gs_slot *only_slot(const struct gs_thread *t)
{
    assert_int_equal(t->ring.head, 1);
    assert_int_equal(t->ring.slots[0].kind, GS_SLOT_COUNTED);
    return &t->ring.slots[0];
}

static void a_turn_has_its_share_of_the_last_reading(void **state)
{
    struct gs_thread *t = thread_with(30, 0);
    (void)state;
    gs_counts_stack(t, GS_COUNT_HOLDING, 77, 250, 0);
    const struct gs_slot *s = only_slot(t);
    assert_int_equal(s->stack, 77);
    assert_int_equal(s->a, GS_COUNTED_WHAT(1, GS_COUNT_HOLDING, 0));
    assert_int_equal(s->dur, 8); /* 7.5 */
    free(t);
}

static void a_wait_has_all_of_its_own(void **state)
{
    struct gs_thread *t = thread_with(30, 1);
    (void)state;
    gs_counts_stack(t, GS_COUNT_WAITING, 5, 99999, 0); /* more than was read: all of it */
    const struct gs_slot *s = only_slot(t);
    assert_int_equal(s->a, GS_COUNTED_WHAT(1, GS_COUNT_WAITING, 0));
    assert_int_equal(s->dur, 1);
    free(t);
}

/* Two points in a turn of 500 ticks, a point in 10,000 on average: it stands for 40 like it. */
static void a_sampled_turn_stands_for_its_like(void **state)
{
    struct gs_thread *t = thread_with(6, 0);
    uint64_t mean = gs_sampler_mean_ticks;
    (void)state;
    gs_sampler_mean_ticks = 10000;
    gs_counts_stack(t, GS_COUNT_HOLDING, 5, 500, 2);
    gs_sampler_mean_ticks = mean;
    const struct gs_slot *s = only_slot(t);
    assert_int_equal(s->a, GS_COUNTED_WHAT(1, GS_COUNT_HOLDING, 1));
    assert_int_equal(s->dur, 3 * 40);
    free(t);
}

static void no_row_without_a_stack_or_room(void **state)
{
    struct gs_thread *t = thread_with(6, 0);
    (void)state;
    gs_counts_stack(t, GS_COUNT_HOLDING, GS_STACK_NONE, 500, 0);
    gs_counts_stack(t, GS_COUNT_OFF_GIL, 5, 500, 0); /* nothing was read of it */
    assert_int_equal(t->ring.head, 0);
    t->ring.head = GS_RING_SLOTS / 2 + 1; /* turns go first */
    gs_counts_stack(t, GS_COUNT_HOLDING, 5, 500, 0);
    assert_int_equal(t->ring.head, GS_RING_SLOTS / 2 + 1);
    assert_int_equal(t->dropped, 0);
    free(t);
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
        cmocka_unit_test(a_turn_has_its_share_of_the_last_reading),
        cmocka_unit_test(a_wait_has_all_of_its_own),
        cmocka_unit_test(a_sampled_turn_stands_for_its_like),
        cmocka_unit_test(no_row_without_a_stack_or_room),
        cmocka_unit_test(refusals_say_what_would_allow_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

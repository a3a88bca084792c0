/* SPDX-License-Identifier: MIT */
#include "preload/governor.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/alloc_hook.h"
#include "preload/locks.h"
#include "preload/sampler.h"
#include "preload/trace_records.h"

#define WINDOW_NS 5000000000u

static struct {
    uint64_t window_t;
    struct gs_cost at;
    uint64_t work_ns; /* in this window */
    uint32_t n_over;  /* windows over budget, one behind another */
    uint32_t step;
} gov;

uint64_t gs_governor_work_begins(void)
{
    return gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void gs_governor_work_ends(uint64_t began_ns)
{
    gov.work_ns += gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
}

void gs_governor_forget(void)
{
    memset(&gov, 0, sizeof(gov));
}

static void fewer_samples(void)
{
    gs_agent.begin_spacing *= 10;
    gs_sampler_mean_ticks *= 10;
    gs_alloc_fewer();
}

static void no_stacks(void)
{
    gs_agent.stacks = false;
    gs_agent.sample_holder = false;
}

/* Turns, waits and samples are worth more: first to go, where they are recorded at all. */
static bool sheds_locks(void)
{
    if (!gs_agent.locks)
        return false;
    gs_locks_shed("over budget");
    gs_agent_set_path();
    return true;
}

/* The Python frames of the same moments stay. */
static bool sheds_native(void)
{
    if (!gs_agent.native)
        return false;
    gs_agent.native = false;
    gs_records_level(gs_agent.level, gs_agent.level, "over budget: no native stacks");
    return true;
}

/* What each thread counted in all goes on; in which state is not told any more. */
static bool sheds_counters(void)
{
    if (!gs_agent.counters)
        return false;
    gs_agent.counters = false;
    gs_agent_set_path();
    gs_records_level(gs_agent.level, gs_agent.level, "over budget: counters not by state");
    return true;
}

/* In the order they are taken; the last leaves only exact totals. */
static const struct {
    void (*shed)(void);
    uint32_t level;
    const char *reason;
} steps[] = {
    {fewer_samples, 2, "over budget: ten times fewer samples"},
    {no_stacks, 1, "over budget: no stacks"},
    {NULL, 0, "over budget: totals only"},
};

static void step_down(void)
{
    uint32_t old = gs_agent.level;
    uint32_t limit = steps[gov.step].level;
    if (steps[gov.step].shed)
        steps[gov.step].shed();
    gs_agent.level = old < limit ? old : limit;
    gs_records_level(old, gs_agent.level, steps[gov.step].reason);
    gov.step++;
}

void gs_governor_tick(uint64_t now)
{
    struct gs_cost c = gs_cost_now();
    if (gov.window_t && now - gov.window_t < gs_ticks_of_ns(WINDOW_NS))
        return;
    uint64_t shed = c.stack_ns - gov.at.stack_ns + gov.work_ns;
    uint64_t cpu = c.process_cpu_ns - gov.at.process_cpu_ns;
    bool over = gov.window_t && shed * 1000 > cpu * gs_agent.config.budget_permille;
    gov.window_t = now;
    gov.at = c;
    gov.work_ns = 0;
    /* A nearly idle process always looks dear: under 10 ms of CPU there is nothing to save. Imports
     * are dear for some seconds, with ever new stacks, and what is shed then does not come back. */
    gov.n_over = over && shed > 10000000 ? gov.n_over + 1 : 0;
    if (gov.n_over > 1 && !sheds_native() && !sheds_locks() && !sheds_counters() &&
        gov.step < sizeof(steps) / sizeof(steps[0]))
        step_down();
}

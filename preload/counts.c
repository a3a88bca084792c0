/* SPDX-License-Identifier: MIT */
#include "preload/counts.h"

#include <string.h>
#include <sys/resource.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/perf_page.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/sampler.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define READ_NS  50000u   /* between readings, on average: some 0.3 us each */
#define BURST_NS 1000000u /* so many readings may follow at once as fit into this */

struct gs_accounts gs_counts_base, gs_counts_process_base;
uint32_t gs_counts_base_tid;
static uint64_t read_ticks, burst_ticks;
static bool wants_cpu, wants_usage;

/* ---- accounts ---- */

uint64_t gs_account_of(const struct gs_accounts *a, enum gs_account which)
{
    switch (which) {
    case GS_ACCOUNT_TASK_CLOCK:
        return a->cpu_ns;
    case GS_ACCOUNT_FAULTS:
        return a->minor_faults + a->major_faults;
    case GS_ACCOUNT_MINOR_FAULTS:
        return a->minor_faults;
    case GS_ACCOUNT_MAJOR_FAULTS:
        return a->major_faults;
    case GS_ACCOUNT_SWITCHES:
        return a->switches;
    case GS_ACCOUNT_NONE:
        break;
    }
    return 0;
}

/* Not ru_utime: of a thread that runs it is as of the last timer tick. */
struct gs_accounts gs_accounts_now(int who, bool want_cpu)
{
    struct gs_accounts a = {0};
    struct rusage u = {0};
    gs_sys2(SYS_getrusage, who, &u);
    a.minor_faults = (uint64_t)u.ru_minflt;
    a.major_faults = (uint64_t)u.ru_majflt;
    a.switches = (uint64_t)u.ru_nvcsw + (uint64_t)u.ru_nivcsw;
    if (want_cpu)
        a.cpu_ns =
            gs_clock_ns(who == RUSAGE_SELF ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID);
    return a;
}

static struct gs_accounts own_accounts(void)
{
    struct gs_accounts a = {0};
    if (wants_usage)
        return gs_accounts_now(RUSAGE_THREAD, wants_cpu);
    if (wants_cpu)
        a.cpu_ns = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return a;
}

void gs_counts_begin(void)
{
    const struct gs_counters *c = &gs_agent.config.counters;
    wants_cpu = wants_usage = false;
    for (uint32_t k = 0; k < c->n; k++) {
        wants_cpu |= c->at[k].account == GS_ACCOUNT_TASK_CLOCK;
        wants_usage |= c->at[k].account > GS_ACCOUNT_TASK_CLOCK;
    }
    if (!c->n)
        return;
    read_ticks = gs_ticks_of_ns(READ_NS);
    burst_ticks = gs_ticks_of_ns(BURST_NS);
    gs_counts_base_tid = gs_gettid();
    gs_counts_base = gs_accounts_now(RUSAGE_THREAD, true);
    gs_counts_process_base = gs_accounts_now(RUSAGE_SELF, true);
}

/* ---- states ---- */

static uint64_t part_of(uint64_t n, uint64_t ticks, uint64_t all)
{
    return (uint64_t)((unsigned __int128)n * ticks / all);
}

void gs_counts_add(struct gs_counts *c, uint32_t k, uint64_t value)
{
    struct gs_count_sums *s = &c->sums[k];
    uint64_t n = value > s->last ? value - s->last : 0, left = n;
    uint64_t all = c->in[0] + c->in[1] + c->in[2];
    uint32_t longest = 0;
    if (value > s->last)
        s->last = value;
    if (!n || !all)
        return;
    for (uint32_t i = 0; i < GS_N_COUNT_STATES; i++) {
        s->fresh[i] = part_of(n, c->in[i], all);
        left -= s->fresh[i];
        if (c->in[i] > c->in[longest])
            longest = i;
    }
    s->fresh[longest] += left;
    for (uint32_t i = 0; i < GS_N_COUNT_STATES; i++)
        s->of[i] += s->fresh[i];
    if (c->in[longest] != all)
        s->shared += n;
}

/* A page that has come since the last reading counts from here on. */
static void add_page(struct gs_counts *c, uint32_t k, const void *page)
{
    uint64_t value;
    if (!page || !gs_perf_page_read(page, &value))
        return;
    if (c->pages_seen & 1u << k)
        gs_counts_add(c, k, value);
    else
        c->sums[k].last = value;
    c->pages_seen |= 1u << k;
}

static void read_all(struct gs_thread *t)
{
    const struct gs_counters *asked = &gs_agent.config.counters;
    struct gs_counts *c = &t->counters->counts;
    struct gs_accounts now = own_accounts();
    bool is_base = gs_counts_base_tid && t->tid == gs_counts_base_tid;
    for (uint32_t k = 0; k < asked->n; k++) {
        enum gs_account which = asked->at[k].account;
        uint64_t base = is_base ? gs_account_of(&gs_counts_base, which) : 0;
        memset(c->sums[k].fresh, 0, sizeof(c->sums[k].fresh));
        if (which)
            gs_counts_add(c, k, gs_account_of(&now, which) - base);
        else
            add_page(c, k, __atomic_load_n(&t->counters->page[k], __ATOMIC_ACQUIRE));
    }
    memcpy(c->fresh_in, c->in, sizeof(c->in));
    memset(c->in, 0, sizeof(c->in));
}

static bool is_due(struct gs_counts *c, uint64_t now, bool must)
{
    if (!must && now < c->next_read_t)
        return false;
    if (c->next_read_t + burst_ticks < now)
        c->next_read_t = now - burst_ticks;
    c->next_read_t += read_ticks;
    return true;
}

void gs_counts_thread(struct gs_thread *t, uint32_t tid)
{
    struct gs_counts *c = &t->counters->counts;
    c->state = GS_COUNT_OFF_GIL;
    c->since_t = t->t_first;
    if (gs_counts_base_tid == tid && gs_agent.t_start < t->t_first)
        c->since_t = gs_agent.t_start;
}

static void begin_change(struct gs_counts *c)
{
    __atomic_store_n(&c->version, c->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_change(struct gs_counts *c)
{
    __atomic_store_n(&c->version, c->version + 1, __ATOMIC_RELEASE);
}

void gs_counts_turn(struct gs_thread *t, enum gs_count_state ended, enum gs_count_state next,
                    uint64_t now, bool must)
{
    if (!t->counters)
        return;
    struct gs_counts *c = &t->counters->counts;
    begin_change(c);
    if (now > c->since_t)
        c->in[ended] += now - c->since_t;
    c->since_t = now;
    c->state = next;
    if (is_due(c, now, must)) {
        read_all(t);
        t->stack_ticks += gs_now() - now;
    }
    end_change(c);
}

/* ---- by stack ---- */

/* A turn is hit by so many points on average: hold / mean. That often it stands for its like. */
static uint64_t estimate(uint64_t n, uint64_t ticks, uint32_t points)
{
    unsigned __int128 all = (unsigned __int128)n * points * gs_sampler_mean_ticks / ticks;
    return all < GS_COUNTED_MAX ? (uint64_t)all : GS_COUNTED_MAX;
}

static void put_row(struct gs_thread *t, uint64_t now, uint32_t stack, uint32_t what, uint64_t n)
{
    struct gs_slot slot = {.t = now, .dur = n, .stack = stack, .a = what, .kind = GS_SLOT_COUNTED};
    if (n)
        gs_row_put(t, &slot, 1);
}

/* To the nearest: what is counted once in many states would be lost otherwise. */
static uint64_t share_of(uint64_t n, uint64_t ticks, uint64_t all)
{
    return (uint64_t)(((unsigned __int128)n * ticks + all / 2) / all);
}

static void put_rows(struct gs_thread *t, enum gs_count_state state, uint32_t stack, uint64_t ticks,
                     uint32_t points)
{
    const struct gs_counts *c = &t->counters->counts;
    uint64_t now = gs_now(), all = c->fresh_in[state];
    ticks = ticks < all ? ticks : all;
    for (uint32_t k = 0; ticks && k < gs_agent.config.counters.n; k++) {
        uint64_t n = share_of(c->sums[k].fresh[state], ticks, all);
        uint64_t told = points ? estimate(n, ticks, points) : n;
        put_row(t, now, stack, GS_COUNTED_WHAT(k, state, points > 0), told);
    }
}

void gs_counts_stack(struct gs_thread *t, enum gs_count_state state, uint32_t stack, uint64_t ticks,
                     uint32_t points)
{
    if (!t->counters || stack == GS_STACK_NONE || !gs_ring_has_room(&t->ring, GS_RING_SLOTS / 2))
        return;
    uint64_t t0 = gs_now();
    struct gs_counts *c = &t->counters->counts;
    if (c->in[state]) { /* not read as it ended */
        begin_change(c);
        read_all(t);
        end_change(c);
    }
    put_rows(t, state, stack, ticks, points);
    t->stack_ticks += gs_now() - t0;
}

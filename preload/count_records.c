/* SPDX-License-Identifier: MIT */
#include "preload/count_records.h"

#include <string.h>
#include <sys/resource.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/agent_log.h"
#include "preload/counts.h"
#include "preload/perf_events.h"
#include "preload/proc_self.h"
#include "preload/raw_sys.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_writer.h"

#define PROC_READS_A_ROUND 64u /* threads: three files of /proc each */
#define STEADY_TRIES       16
#define WHY_BYTES          256u

static const char no_table[] = "the agent could not make a table of descriptors of its own "
                               "(close_range is refused): Linux 5.9 and a profile that allows it";

static struct {
    bool begun, own_fds, told_refusal;
    bool user_only[GS_MAX_COUNTERS];
    bool opened[GS_MAX_COUNTERS]; /* for one thread at least */
    const char *why_not[GS_MAX_COUNTERS];
    char why_buf[WHY_BYTES];
    uint32_t told[GS_MAX_COUNTERS]; /* 1 + source */
    uint32_t round, drain_tid;
    struct gs_accounts drain, drains_before; /* the agent's own thread: not the program's */
    uint32_t early_tid;                      /* the first thread, before it has met a GIL */
    struct gs_counts_of_thread early;
    struct gs_perf_value buried[GS_MAX_COUNTERS];
    struct gs_perf_value shown[GS_MAX_COUNTERS]; /* of the process */
} s;

static const struct gs_counters *asked(void)
{
    return &gs_agent.config.counters;
}

static bool is_lead(const struct gs_thread *t)
{
    return t->counters == &t->own_counters && __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
}

static bool is_live(const struct gs_thread *t)
{
    return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == GS_THREAD_LIVE;
}

static struct gs_thread *first_thread(void)
{
    return __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
}

/* ---- COUNTER ---- */

static uint32_t source_of(uint32_t k)
{
    if (asked()->at[k].account)
        return GS_COUNTER_KERNEL;
    if (s.why_not[k])
        return GS_COUNTER_NONE;
    return s.user_only[k] ? GS_COUNTER_PERF_USER : GS_COUNTER_PERF;
}

static void tell(uint32_t k)
{
    const struct gs_counter_spec *spec = &asked()->at[k];
    uint32_t source = source_of(k);
    const char *why = source == GS_COUNTER_NONE ? s.why_not[k] : "";
    if (s.told[k] == source + 1)
        return;
    s.told[k] = source + 1;
    struct gs_record_writer *w = gs_writer_records(512);
    gs_record_begin(w, GS_RECORD_COUNTER);
    gs_record_put_u(w, k);
    gs_record_put_bytes(w, spec->name, strlen(spec->name));
    gs_record_put_u(w, source);
    gs_record_put_u(w, spec->type);
    gs_record_put_u(w, spec->config);
    gs_record_put_bytes(w, why, strlen(why));
    gs_writer_record_done();
}

/* ---- events ---- */

static void refuse(uint32_t k, const char *why)
{
    static const char head[] = "not counted: ";
    char what[sizeof(head) + GS_COUNTER_NAME_BYTES];
    s.why_not[k] = why;
    if (s.told_refusal)
        return;
    s.told_refusal = true; /* one line: the capture has the others */
    memcpy(what, head, sizeof(head) - 1);
    memcpy(what + sizeof(head) - 1, asked()->at[k].name, GS_COUNTER_NAME_BYTES);
    gs_log(what, why);
}

static void open_counter(struct gs_counts_of_thread *c, uint32_t tid, uint32_t k)
{
    long error = 0;
    if (asked()->at[k].account || s.why_not[k] || c->fd_plus_1[k])
        return;
    if (!s.own_fds)
        refuse(k, no_table);
    else if (gs_perf_open(c, k, tid, &s.user_only[k], &error))
        s.opened[k] = true;
    else if (error && !s.opened[k])
        refuse(k, gs_perf_refusal(asked()->at[k].type, error, s.why_buf, sizeof(s.why_buf)));
}

static void open_all(struct gs_counts_of_thread *c, uint32_t tid)
{
    for (uint32_t k = 0; k < asked()->n; k++)
        open_counter(c, tid, k);
}

static void refuse_all(const char *why)
{
    for (uint32_t k = 0; k < asked()->n; k++)
        if (!asked()->at[k].account && !s.why_not[k])
            refuse(k, why);
}

/* Python starts in the first thread long before it has a GIL. */
static void open_early(void)
{
    if (gs_agent.abi.free_threaded)
        refuse_all("free-threaded Python has no GIL to know its threads by");
    if (first_thread())
        return;
    s.early_tid = gs_agent.pid;
    open_all(&s.early, s.early_tid);
}

static void take_early(struct gs_counts_of_thread *c)
{
    memcpy(c->fd_plus_1, s.early.fd_plus_1, sizeof(c->fd_plus_1));
    memcpy(c->value, s.early.value, sizeof(c->value));
    for (uint32_t k = 0; k < asked()->n; k++)
        __atomic_store_n(&c->page[k], s.early.page[k], __ATOMIC_RELEASE);
    memset(&s.early, 0, sizeof(s.early));
    s.early_tid = 0;
}

static void open_threads(void)
{
    if (!asked()->n)
        return;
    for (struct gs_thread *t = first_thread(); t; t = t->next) {
        if (!is_lead(t) || !is_live(t) || t->own_counters.is_open)
            continue;
        t->own_counters.is_open = true;
        if (t->tid == s.early_tid)
            take_early(&t->own_counters);
        open_all(&t->own_counters, t->tid);
    }
}

void gs_count_drain_begins(bool own_fds)
{
    s.begun = true;
    s.own_fds = own_fds;
    s.drain_tid = gs_gettid();
    gs_perf_own(own_fds);
    s.drain = (struct gs_accounts){0};
    if (asked()->n)
        open_early();
    open_threads();
}

/* What they are is said with the first rows: a process may be killed before its first second ends.
 */
void gs_count_tick(void)
{
    if (!s.begun)
        return;
    for (uint32_t k = 0; k < asked()->n; k++)
        tell(k);
    open_threads();
}

static void add_accounts(struct gs_accounts *to, const struct gs_accounts *a)
{
    to->cpu_ns += a->cpu_ns;
    to->minor_faults += a->minor_faults;
    to->major_faults += a->major_faults;
    to->switches += a->switches;
}

void gs_count_drain_ends(void)
{
    struct gs_accounts now;
    if (!asked()->n)
        return;
    for (struct gs_thread *t = first_thread(); t; t = t->next) {
        if (!is_lead(t))
            continue;
        for (uint32_t k = 0; k < asked()->n; k++)
            gs_perf_close(&t->own_counters, k);
        t->own_counters.is_open = false;
    }
    for (uint32_t k = 0; k < asked()->n; k++)
        gs_perf_close(&s.early, k);
    now = gs_accounts_now(RUSAGE_THREAD, true);
    add_accounts(&s.drains_before, &now);
    s.drain_tid = 0;
    gs_perf_own(false);
    s.drain = (struct gs_accounts){0};
}

/* ---- COUNTS ---- */

static bool differs(const struct gs_perf_value *a, const struct gs_perf_value *b)
{
    return memcmp(a, b, sizeof(*a)) != 0;
}

static void put_counts(uint32_t thread, uint32_t k, const struct gs_perf_value *v,
                       const struct gs_count_sums *sums)
{
    struct gs_record_writer *w = gs_writer_records(128);
    gs_record_begin(w, GS_RECORD_COUNTS);
    gs_record_put_u(w, gs_now());
    gs_record_put_u(w, thread);
    gs_record_put_u(w, k);
    gs_record_put_u(w, v->count);
    gs_record_put_u(w, v->enabled_ns);
    gs_record_put_u(w, v->running_ns);
    for (uint32_t i = 0; i < GS_N_COUNT_STATES; i++)
        gs_record_put_u(w, sums->of[i]);
    gs_record_put_u(w, sums->shared);
    gs_writer_record_done();
}

/* Of a thread that goes on meanwhile; one too fast for that is described as it was seen. */
static struct gs_counts steady(const struct gs_counts *c)
{
    struct gs_counts copy;
    uint32_t before, after;
    int tries = STEADY_TRIES;
    do {
        before = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);
        memcpy(&copy, c, sizeof(copy));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        after = __atomic_load_n(&c->version, __ATOMIC_RELAXED);
    } while ((before & 1 || before != after) && --tries);
    return copy;
}

static uint64_t sum_of(const struct gs_count_sums *sums)
{
    return sums->of[0] + sums->of[1] + sums->of[2];
}

/* The kernel's account, as /proc has it or as the thread last saw it; what it did not see yet
 * belongs to the state it is in and those before, back to its last reading. */
static void account(struct gs_thread *t, uint32_t k, struct gs_counts *c,
                    const struct gs_accounts *now)
{
    enum gs_account which = asked()->at[k].account;
    uint64_t base = t->tid == gs_counts_base_tid ? gs_account_of(&gs_counts_base, which) : 0;
    uint64_t count = now ? gs_account_of(now, which) : 0;
    count = count > base ? count - base : 0;
    if (gs_agent.counters)
        gs_counts_add(c, k, count);
    if (count < c->sums[k].last)
        count = c->sums[k].last;
    struct gs_perf_value v = {.count = count};
    if (count < t->own_counters.shown[k].count || !differs(&v, &t->own_counters.shown[k]))
        return;
    t->own_counters.shown[k] = v;
    put_counts(t->idx, k, &v, &c->sums[k]);
}

/* The page's value may be newer than the descriptor's. */
static void event(struct gs_thread *t, uint32_t k, const struct gs_counts *c)
{
    struct gs_perf_value v = gs_perf_value(&t->own_counters, k);
    if (v.count < sum_of(&c->sums[k]))
        v.count = sum_of(&c->sums[k]);
    if (!differs(&v, &t->own_counters.shown[k]))
        return;
    t->own_counters.shown[k] = v;
    put_counts(t->idx, k, &v, &c->sums[k]);
}

static void put_thread(struct gs_thread *t, const struct gs_accounts *now)
{
    struct gs_counts c = steady(&t->own_counters.counts);
    uint64_t t_now = gs_now();
    if (t_now > c.since_t)
        c.in[c.state] += t_now - c.since_t;
    for (uint32_t k = 0; k < asked()->n; k++) {
        if (asked()->at[k].account)
            account(t, k, &c, now);
        else if (!s.why_not[k])
            event(t, k, &c);
    }
}

static bool is_its_turn(const struct gs_thread *t, bool all)
{
    uint32_t rounds = gs_thread_count() / PROC_READS_A_ROUND + 1;
    return is_live(t) && (all || t->idx % rounds == s.round % rounds);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* The agent's own thread is not the program. Who else writes at the end knows it as of its last
 * record. */
static uint64_t process_account(enum gs_account which)
{
    struct gs_accounts now = gs_accounts_now(RUSAGE_SELF, true);
    uint64_t own = gs_account_of(&s.drain, which) + gs_account_of(&s.drains_before, which);
    return less(gs_account_of(&now, which), gs_account_of(&gs_counts_process_base, which) + own);
}

static void add_value(struct gs_perf_value *to, const struct gs_perf_value *v)
{
    to->count += v->count;
    to->enabled_ns += v->enabled_ns;
    to->running_ns += v->running_ns;
}

static void put_process(void)
{
    static const struct gs_count_sums none;
    for (uint32_t k = 0; k < asked()->n; k++) {
        struct gs_perf_value v = s.buried[k];
        if (asked()->at[k].account)
            v.count = process_account(asked()->at[k].account);
        for (struct gs_thread *t = first_thread(); t && !asked()->at[k].account; t = t->next)
            if (is_lead(t))
                add_value(&v, &t->own_counters.shown[k]);
        if (s.why_not[k] || !differs(&v, &s.shown[k]))
            continue;
        s.shown[k] = v;
        put_counts(GS_COUNTS_PROCESS, k, &v, &none);
    }
}

void gs_count_records(bool all)
{
    struct gs_accounts now;
    if (!asked()->n || !s.begun)
        return;
    for (uint32_t k = 0; k < asked()->n; k++)
        tell(k);
    if (s.drain_tid == gs_gettid())
        s.drain = gs_accounts_now(RUSAGE_THREAD, true);
    for (struct gs_thread *t = first_thread(); t; t = t->next)
        if (is_lead(t))
            put_thread(t, is_its_turn(t, all) && gs_proc_accounts(t->tid, &now) ? &now : NULL);
    put_process();
    s.round++;
}

void gs_count_bury(struct gs_thread *t)
{
    if (!asked()->n || t->counters != &t->own_counters)
        return;
    put_thread(t, NULL);
    for (uint32_t k = 0; k < asked()->n; k++) {
        add_value(&s.buried[k], &t->own_counters.shown[k]);
        gs_perf_close(&t->own_counters, k);
        gs_perf_unmap(&t->own_counters, k);
    }
}

void gs_count_again(void)
{
    memset(s.told, 0, sizeof(s.told));
    memset(s.shown, 0xff, sizeof(s.shown)); /* no such counts */
    for (struct gs_thread *t = first_thread(); t; t = t->next)
        if (is_lead(t))
            memset(t->own_counters.shown, 0, sizeof(t->own_counters.shown));
    gs_count_records(false);
}

void gs_count_forget(void)
{
    memset(&s, 0, sizeof(s));
}

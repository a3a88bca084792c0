/* SPDX-License-Identifier: MIT */
#include "preload/trace_records.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/count_records.h"
#include "preload/gc_watch.h"
#include "preload/gil.h"
#include "preload/locks.h"
#include "preload/memory.h"
#include "preload/modules.h"
#include "preload/native/native_modules.h"
#include "preload/proc_quota.h"
#include "preload/proc_self.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace_segments.h"
#include "preload/trace_writer.h"

uint32_t gs_hook_cost_ps;
static uint64_t retired_stack_ticks, retired_events, retired_lost;

#define MAX_ARGS_BYTES 8192u

static struct gs_record_writer *begin(uint32_t tag, size_t bytes)
{
    struct gs_record_writer *w = gs_writer_records(bytes);
    gs_record_begin(w, tag);
    return w;
}

static void put_text(struct gs_record_writer *w, const char *s)
{
    gs_record_put_bytes(w, s, strlen(s));
}

/* ---- the process ---- */

/* /proc/self/cmdline: strings with a zero after each. */
static void put_cmdline(struct gs_record_writer *w)
{
    static char buf[MAX_ARGS_BYTES];
    long len = gs_read_file("/proc/self/cmdline", buf, sizeof(buf));
    uint64_t n = 0;
    for (long i = 0; i < len; i++)
        n += !buf[i];
    if (len > 0 && buf[len - 1])
        n++; /* cut */
    gs_record_put_u(w, n);
    for (long i = 0; i < len; i += (long)strlen(buf + i) + 1)
        put_text(w, buf + i);
}

static void put_exe(struct gs_record_writer *w)
{
    char path[1024];
    long n = gs_sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path));
    gs_record_put_bytes(w, path, n > 0 ? (size_t)n : 0);
}

static void put_setting(struct gs_record_writer *w, const char *key, uint64_t v)
{
    char text[64], digits[24];
    size_t len = strlen(key), d = 0;
    memcpy(text, key, len);
    text[len++] = '=';
    do
        digits[d++] = (char)('0' + v % 10);
    while (v /= 10);
    while (d)
        text[len++] = digits[--d];
    gs_record_put_bytes(w, text, len);
}

static void put_settings(struct gs_record_writer *w)
{
    const struct gs_config *c = &gs_agent.config;
    struct gs_cpu_quota quota = gs_proc_cpu_quota("");
    gs_record_put_u(w, 17);
    put_setting(w, "level", c->level);
    put_setting(w, "duration_ms", c->duration_ms);
    put_setting(w, "max_size_bytes", c->max_size_bytes);
    put_setting(w, "on_full_ring", c->on_full == GS_ON_FULL_ring);
    put_setting(w, "budget_permille", c->budget_permille);
    put_setting(w, "sample_interval_us", c->sample_interval_us);
    put_setting(w, "memory_interval_ms", c->memory_interval_ms);
    put_setting(w, "holder_samples", gs_agent.safe_read);
    put_setting(w, "private_fds", gs_writer.sink.fd >= 0);
    put_setting(w, "tick_hz", gs_clock.hz);
    put_setting(w, "alloc_interval_bytes", c->alloc ? c->alloc_interval_bytes : 0);
    put_setting(w, "what", c->what);
    put_setting(w, "locks", c->locks);
    put_setting(w, "native", c->native);
    put_setting(w, "affinity_cpus", gs_proc_cpus());
    put_setting(w, "cgroup_quota_us", quota.quota_us);
    put_setting(w, "cgroup_period_us", quota.period_us);
}

void gs_records_process(void)
{
    char host[256];
    struct gs_clock_triple now;
    struct gs_record_writer *w = begin(GS_RECORD_PROCESS, MAX_ARGS_BYTES * 2 + 4096);
    long n = gs_read_file("/proc/sys/kernel/hostname", host, sizeof(host));
    gs_clock_sync(&now);
    gs_record_put_u(w, gs_agent.pid);
    gs_record_put_u(w, (uint64_t)gs_sys0(SYS_getppid));
    gs_record_put_z(w, now.unix_ns - (int64_t)gs_ns_of_ticks(now.ticks - gs_agent.t_start));
    gs_record_put_u(w, gs_agent.t_start);
    gs_record_put_u(w, gs_agent.abi.version_hex);
    gs_record_put_u(w, gs_agent.abi.free_threaded);
    put_exe(w);
    put_cmdline(w);
    gs_record_put_bytes(w, host, n > 1 ? (size_t)n - 1 : 0);
    put_text(w, GILSCOPE_VERSION);
    gs_record_put_u(w, gs_agent.level);
    gs_record_put_u(w, gs_proc_cpus());
    gs_record_put_u(w, !gs_clock.use_tsc);
    put_settings(w);
    gs_writer_record_done();
}

void gs_records_clock(const struct gs_clock_triple *now)
{
    struct gs_record_writer *w = begin(GS_RECORD_CLOCK, 64);
    gs_record_put_u(w, now->ticks);
    gs_record_put_u(w, now->mono_raw_ns);
    gs_record_put_z(w, now->unix_ns);
    gs_writer_record_done();
}

/* ---- definitions ---- */

static void put_code(const struct gs_def_code *d)
{
    size_t bytes = d->filename_len + d->qualname_len + d->linetable_len;
    struct gs_record_writer *w = begin(GS_RECORD_CODE, bytes + 128);
    gs_record_put_u(w, d->def.id);
    gs_record_put_bytes(w, d->bytes, d->filename_len);
    gs_record_put_bytes(w, d->bytes + d->filename_len, d->qualname_len);
    gs_record_put_z(w, d->first_line);
    gs_record_put_u(w, d->linetable_kind);
    gs_record_put_bytes(w, d->bytes + d->filename_len + d->qualname_len, d->linetable_len);
    gs_writer_record_done();
}

static void put_stack(const struct gs_def_stack *d)
{
    struct gs_record_writer *w = begin(GS_RECORD_STACK, d->def.n * 10 + 64);
    gs_record_put_u(w, d->def.id);
    gs_record_put_u(w, d->truncated);
    gs_record_put_u(w, d->def.n);
    for (uint32_t i = 0; i < d->def.n; i++) {
        gs_record_put_u(w, d->frames[i].code);
        gs_record_put_u(w, d->frames[i].instr_off);
    }
    gs_writer_record_done();
}

static void put_native(const struct gs_def_native *d)
{
    const uint8_t *runs = (const uint8_t *)(d->frames + d->def.n);
    struct gs_record_writer *w = begin(GS_RECORD_NATIVE_STACK, d->def.n * 15 + d->n_runs * 2 + 64);
    gs_record_put_u(w, d->def.id);
    gs_record_put_u(w, d->python);
    gs_record_put_u(w, d->truncated);
    gs_record_put_u(w, d->n_runs);
    for (uint32_t i = 0; i < d->n_runs; i++)
        gs_record_put_u(w, runs[i]);
    gs_record_put_u(w, d->def.n);
    for (uint32_t i = 0; i < d->def.n; i++) {
        gs_record_put_u(w, d->frames[i].module);
        gs_record_put_u(w, d->frames[i].offset);
    }
    gs_writer_record_done();
}

void gs_records_definitions(void)
{
    const struct gs_def *d;
    while ((d = gs_defs_peek())) {
        if (d->kind == GS_DEF_CODE)
            put_code((const struct gs_def_code *)d);
        else if (d->kind == GS_DEF_NATIVE)
            put_native((const struct gs_def_native *)d);
        else
            put_stack((const struct gs_def_stack *)d);
        gs_defs_pop(d);
    }
}

/* ---- threads ---- */

#define ANNOUNCED_OS 1u
#define ANNOUNCED_PY 2u

static void put_thread(struct gs_thread *t)
{
    uint32_t py_len = __atomic_load_n(&t->py_name_len, __ATOMIC_ACQUIRE);
    bool is_main = !py_len && t->tid == gs_agent.pid; /* has no Thread._bootstrap to read it from */
    struct gs_record_writer *w = begin(GS_RECORD_THREAD, 256);
    gs_record_put_u(w, t->idx);
    gs_record_put_u(w, t->tid);
    gs_record_put_u(w, t->t_first);
    put_text(w, t->os_name);
    gs_record_put_bytes(w, is_main ? "MainThread" : t->py_name, is_main ? 10 : py_len);
    gs_writer_record_done();
}

static void announce_thread(struct gs_thread *t)
{
    char name[GS_NAME_BYTES];
    uint32_t want = ANNOUNCED_OS | (t->py_name_len ? ANNOUNCED_PY : 0);
    bool ended = __atomic_load_n(&t->state, __ATOMIC_RELAXED) == GS_THREAD_DEAD;
    bool renamed =
        !ended && gs_proc_thread_name(t->tid, name, sizeof(name)) && strcmp(name, t->os_name);
    if (t->announced == want && !renamed)
        return;
    if (renamed)
        memcpy(t->os_name, name, sizeof(name));
    t->announced = want;
    put_thread(t);
}

static void put_totals(struct gs_thread *t)
{
    struct gs_thread_now n = gs_thread_now(t);
    struct gs_totals tot = n.tot;
    struct gs_record_writer *w = begin(GS_RECORD_TOTALS, 256);
    gs_record_put_u(w, t->idx);
    gs_record_put_u(w, t->gil->idx);
    gs_record_put_u(w, n.t);
    gs_record_put_u(w, tot.acquisitions);
    gs_record_put_u(w, tot.releases);
    gs_record_put_u(w, tot.contended);
    gs_record_put_u(w, tot.forced);
    gs_record_put_u(w, tot.folded_n);
    gs_record_put_u(w, tot.folded_hold);
    gs_record_put_u(w, tot.lost_n);
    gs_record_put_u(w, tot.lost_hold);
    gs_record_put_u(w, tot.lost_wait_n);
    gs_record_put_u(w, tot.lost_wait);
    gs_record_put_u(w, n.open_kind);
    gs_record_put_u(w, n.open_since);
    gs_record_put_u(w, n.open_stack);
    gs_writer_record_done();
    t->written = tot;
    t->written_open = n.open_kind;
}

void gs_records_put_hist(struct gs_record_writer *w, const uint64_t *buckets)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < GS_HIST_BUCKETS; i++)
        n += buckets[i] != 0;
    gs_record_put_u(w, n);
    for (uint32_t i = 0; i < GS_HIST_BUCKETS; i++) {
        if (buckets[i]) {
            gs_record_put_u(w, i);
            gs_record_put_u(w, buckets[i]);
        }
    }
}

static void put_fold_hist(const struct gs_thread *t)
{
    if (!t->tot.folded_n)
        return;
    struct gs_record_writer *w = begin(GS_RECORD_FOLD_HIST, GS_HIST_BUCKETS * 12);
    gs_record_put_u(w, t->idx);
    gs_record_put_u(w, t->gil->idx);
    gs_records_put_hist(w, t->fold_hist);
    gs_writer_record_done();
}

static bool told_of_more_gils;

/* 0: not known. Another interpreter than the main one may be gone, and its GIL with it. */
static uint64_t switch_interval_us(const struct gs_gil *g, uintptr_t cond)
{
    uint64_t us;
    bool lives = cond != GS_GIL_GONE && (g->interpreter == 0 || gs_safe_read_others());
    return lives && gs_safe_read(&us, cond + GS_INTERVAL_OFF, sizeof(us)) ? us : 0;
}

/* Each once, and where the program has set another interval. */
static bool gil_is_told(struct gs_gil *g, uintptr_t cond)
{
    uint64_t us = switch_interval_us(g, cond);
    bool is_told = g->announced && (us == 0 || us == g->switch_us);
    g->switch_us = us ? us : g->switch_us;
    g->announced = 1;
    return is_told;
}

static void put_gils(void)
{
    if (!told_of_more_gils && __atomic_load_n(&gs_gils_refused, __ATOMIC_RELAXED)) {
        told_of_more_gils = true;
        gs_records_event(GS_EVENT_MORE_GILS, GS_MAX_GILS, "");
    }
    for (uint32_t i = 0; i < GS_MAX_GILS; i++) {
        struct gs_gil *g = &gs_gils[i];
        uintptr_t cond = __atomic_load_n(&g->cond, __ATOMIC_ACQUIRE);
        if (!cond || gil_is_told(g, cond))
            continue;
        struct gs_record_writer *w = begin(GS_RECORD_GIL, 64);
        gs_record_put_u(w, g->idx);
        gs_record_put_z(w, g->interpreter);
        gs_record_put_u(w, g->t_first);
        gs_record_put_u(w, g->switch_us);
        gs_writer_record_done();
    }
}

/* Calls of hooks, without stacks. */
static uint64_t events_of(const struct gs_thread *t)
{
    return t->tot.acquisitions + t->tot.releases + t->tot.contended + t->edge_hooks;
}

/* A dead thread's last words; its memory may then serve another. A thread that died waiting (as
 * daemon threads do at interpreter exit) will not be signalled any more. */
static void bury(struct gs_thread *t)
{
    put_totals(t);
    put_fold_hist(t);
    gs_gc_watch_put_thread(t);
    struct gs_record_writer *w = begin(GS_RECORD_THREAD_END, 64);
    gs_record_put_u(w, t->idx);
    gs_record_put_u(w, gs_now());
    gs_writer_record_done();
    if (t->waiting)
        __atomic_fetch_add(&t->gil->dead_waiters, 1, __ATOMIC_RELAXED);
    retired_stack_ticks += t->stack_ticks;
    retired_events += events_of(t);
    retired_lost += t->dropped;
    gs_count_bury(t);
    gs_segments_bury(t);
    gs_thread_recycle(t);
}

void gs_records_threads(int histograms)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    put_gils();
    for (; t; t = t->next) {
        uint32_t state = __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
        if (state == GS_THREAD_FREE || !__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE))
            continue;
        if (histograms || t->announced == 0 || (t->py_name_len && !(t->announced & ANNOUNCED_PY)))
            announce_thread(t);
        if (state == GS_THREAD_DEAD && t->ring.head == t->ring.tail) {
            bury(t);
            continue;
        }
        if (memcmp(&t->tot, &t->written, sizeof(t->tot)) || t->written_open != t->open_kind)
            put_totals(t);
        gs_gc_watch_put_thread(t);
        if (histograms)
            put_fold_hist(t);
    }
}

bool gs_records_settled(void)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next) {
        if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == GS_THREAD_FREE)
            continue;
        if (__atomic_load_n(&t->ring.head, __ATOMIC_ACQUIRE) != t->ring.tail ||
            memcmp(&t->tot, &t->written, sizeof(t->tot)))
            return false;
    }
    return gs_spill_peek(0) == NULL;
}

/* ---- events ---- */

void gs_records_event(uint32_t kind, uint64_t value, const char *text)
{
    gs_records_event_at(gs_now(), kind, value, text);
}

void gs_records_event_at(uint64_t t, uint32_t kind, uint64_t value, const char *text)
{
    struct gs_record_writer *w = begin(GS_RECORD_EVENT, 512);
    gs_record_put_u(w, t);
    gs_record_put_u(w, kind);
    gs_record_put_u(w, value);
    put_text(w, text);
    gs_writer_record_done();
}

void gs_records_end(uint32_t reason)
{
    struct gs_record_writer *w = begin(GS_RECORD_END, 64);
    gs_record_put_u(w, gs_now());
    gs_record_put_u(w, reason);
    gs_writer_record_done();
}

static struct {
    uint64_t t;
    uint32_t old_level, new_level;
    const char *reason; /* NULL: it is the first one */
} last_level;

static void put_level(void)
{
    struct gs_record_writer *w = begin(GS_RECORD_LEVEL, 512);
    gs_record_put_u(w, last_level.t);
    gs_record_put_u(w, last_level.old_level);
    gs_record_put_u(w, last_level.new_level);
    put_text(w, last_level.reason);
    gs_writer_record_done();
}

void gs_records_level(uint32_t old_level, uint32_t new_level, const char *reason)
{
    last_level.t = gs_now();
    last_level.old_level = old_level;
    last_level.new_level = new_level;
    last_level.reason = reason;
    put_level();
}

/* ---- a new segment ---- */

void gs_records_again(void)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next) {
        t->announced = 0;
        t->cpu_ns = t->runqueue_ns = t->gc_written = 0;
        memset(&t->written, 0xff, sizeof(t->written)); /* no such totals */
    }
    for (uint32_t i = 0; i < GS_MAX_GILS; i++)
        gs_gils[i].announced = 0;
    told_of_more_gils = false;
    if (last_level.reason)
        put_level();
    gs_memory_again();
    gs_gc_watch_again();
    gs_locks_again();
    gs_count_again();
    gs_modules_forget(); /* told at the next look */
    if (gs_agent.config.native)
        gs_native_modules_again();
    gs_records_threads(1);
    gs_records_accounts();
}

/* ---- accounts ---- */

static uint64_t sum_threads(uint64_t (*value)(const struct gs_thread *), uint64_t retired)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        retired += value(t);
    return retired;
}

static uint64_t dropped_of(const struct gs_thread *t)
{
    return t->dropped;
}

static uint64_t stack_ticks_of(const struct gs_thread *t)
{
    return t->stack_ticks;
}

uint64_t gs_records_lost_rows(void)
{
    return sum_threads(dropped_of, retired_lost + gs_calls_without_state);
}

static uint64_t start_ns;

void gs_cost_start(uint64_t cpu_ns)
{
    start_ns = cpu_ns;
}

/* The drain thread's CPU time ends with the thread: kept when it leaves for a fork. */
static uint64_t retired_drain_ns;
static uint32_t drain_tid;

void gs_cost_drain_begins(void)
{
    drain_tid = gs_gettid();
}

void gs_cost_drain_ends(void)
{
    retired_drain_ns += gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    drain_tid = 0;
}

/* Another thread may ask, in its place: the kernel's name for the CPU clock of one thread. */
static uint64_t drain_cpu_ns(void)
{
    clockid_t its_clock = (clockid_t)(~drain_tid << 3 | 6);
    return retired_drain_ns + (drain_tid ? gs_clock_ns(its_clock) : 0);
}

void gs_cost_forget(void)
{
    retired_stack_ticks = retired_events = retired_lost = retired_drain_ns = start_ns = 0;
    drain_tid = 0;
    told_of_more_gils = false;
    last_level.reason = NULL;
}

struct gs_cost gs_cost_now(void)
{
    uint64_t events = sum_threads(events_of, retired_events);
    return (struct gs_cost){
        .hook_ns = start_ns + (uint64_t)((unsigned __int128)events * gs_hook_cost_ps / 1000),
        .stack_ns = gs_ns_of_ticks(sum_threads(stack_ticks_of, retired_stack_ticks)),
        .drain_cpu_ns = drain_cpu_ns(),
        .process_cpu_ns = gs_clock_ns(CLOCK_PROCESS_CPUTIME_ID),
    };
}

void gs_records_accounts(void)
{
    struct gs_cost c = gs_cost_now();
    struct gs_intern_losses lost = gs_intern_losses();
    struct gs_record_writer *w = begin(GS_RECORD_OVERHEAD, 128);
    gs_record_put_u(w, gs_now());
    gs_record_put_u(w, c.hook_ns);
    gs_record_put_u(w, c.stack_ns);
    gs_record_put_u(w, c.drain_cpu_ns);
    gs_record_put_u(w, c.process_cpu_ns);
    gs_writer_record_done();
    w = begin(GS_RECORD_LOST, 128);
    gs_record_put_u(w, gs_now());
    gs_record_put_u(w, gs_records_lost_rows());
    gs_record_put_u(w, lost.definitions);
    gs_record_put_u(w, lost.stacks);
    gs_record_put_u(w, gs_writer.sink.failed_writes);
    gs_writer_record_done();
}

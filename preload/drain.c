/* SPDX-License-Identifier: MIT */
#include "preload/drain.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/agent_log.h"
#include "preload/alloc_records.h"
#include "preload/count_records.h"
#include "preload/cuda_records.h"
#include "preload/drain_own.h"
#include "preload/gc_watch.h"
#include "preload/gil.h"
#include "preload/governor.h"
#include "preload/hold_watch.h"
#include "preload/locks.h"
#include "preload/memory.h"
#include "preload/modules.h"
#include "preload/native/hold_perf.h"
#include "preload/native/native_modules.h"
#include "preload/nvml.h"
#include "preload/proc_self.h"
#include "preload/raw_sys.h"
#include "preload/sched_rows.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_segments.h"
#include "preload/trace_writer.h"
#include "preload/writer_turn.h"

#define TICK_NS       20000000u  /* while the GIL is in use */
#define FLUSH_NS      100000000u /* the file is never further behind than this */
#define SECOND_NS     1000000000u
#define STAND_IN_NS   20000000u /* for a core: then who asked does it */
#define SETTLE_ROUNDS 4

/* glibc only, hence weak: see hooks_real.c. */
extern int pthread_tryjoin_np(pthread_t, void **) __attribute__((weak));

enum request { REQ_NONE, REQ_LEAVE, REQ_CHECKPOINT, REQ_FINISH, REQ_BEING_POSTED };

static struct {
    uint32_t kick;    /* futex: bumped to wake the thread */
    uint32_t running; /* 1 from start until the thread's last action */
    uint32_t request; /* enum request; NONE again once served */
    uint32_t done;    /* futex: bumped when a request is served, or the thread ends */
    uint32_t event;
    char text[256]; /* a copy: the caller waits a bounded time only */
    uint32_t forks, forks_written;
    uint64_t failed_writes_told;
    bool joinable, own_fds;
    bool closed; /* the END record is written */
    bool native_told, perf_told;
    pthread_t thread;
    uint32_t tid;
    uint64_t last_flush_t, last_round_t, last_second_t;
} d;

void gs_drain_kick(void)
{
    __atomic_fetch_add(&d.kick, 1, __ATOMIC_RELEASE);
    gs_futex_wake(&d.kick);
}

void gs_drain_forget(void)
{
    d = (__typeof__(d)){0};
    gs_writer_forget();
    gs_count_forget();
    gs_hold_watch_forget();
    gs_sched_forget();
    gs_writer_turn_forget();
}

/* ---- the file ---- */

static bool open_file(bool keep_open)
{
    struct gs_clock_triple now;
    if (gs_writer.sink.created) { /* a drain thread before us made it */
        if (keep_open)
            gs_sink_attach(&gs_writer.sink);
        return true;
    }
    int rc = gs_writer_open(keep_open);
    if (rc < 0) {
        gs_log_errno("cannot write", gs_writer.sink.path, -rc,
                     "; recording is off (GILSCOPE_OUT names the file)");
        gs_agent_die(NULL);
        return false;
    }
    gs_records_process();
    gs_clock_sync(&now);
    gs_records_clock(&now);
    gs_writer_flush_records();
    if (gs_agent.config.on_full == GS_ON_FULL_ring && !gs_segments_begin())
        gs_log(gs_writer.sink.path, "segments cannot be made beside it; it takes all there is");
    return true;
}

/* ---- the periodic work ---- */

static void every_second(void)
{
    struct gs_clock_triple now;
    gs_clock_sync(&now);
    gs_clock_refine(&now);
    gs_records_clock(&now);
    gs_records_threads(1);
    gs_records_accounts();
    gs_alloc_records();
    gs_count_records(gs_agent.state != GS_STATE_ON);
    gs_governor_tick(gs_now());
}

static void write_forks(void)
{
    uint32_t forks = __atomic_load_n(&d.forks, __ATOMIC_RELAXED);
    if (forks != d.forks_written)
        gs_records_event(GS_EVENT_FORK, forks, "");
    d.forks_written = forks;
}

/* One line when the first write fails; once writing works again, the capture tells of it too. */
static void tell_of_failed_writes(void)
{
    const struct gs_sink *sink = &gs_writer.sink;
    if (sink->failed_writes == d.failed_writes_told)
        return;
    if (sink->error) {
        gs_log_errno("cannot write", sink->path, sink->error,
                     "; the program goes on, what is not written is counted as lost");
        return;
    }
    d.failed_writes_told = sink->failed_writes;
    gs_records_event(GS_EVENT_DISK_FULL, sink->failed_writes,
                     "what was to be written then is lost");
}

/* What a stack names is told soon; the files that are mapped seldom change. */
static void look_at_native_modules(void)
{
    if (!gs_agent.config.native)
        return;
    if (!gs_agent.safe_read && !d.native_told)
        gs_records_event(GS_EVENT_NO_NATIVE, 0,
                         "process_vm_readv is refused; a seccomp profile that allows it would do");
    if (gs_hold_perf_refusal() && !d.perf_told)
        gs_records_event(GS_EVENT_NO_NATIVE, 0, gs_hold_perf_refusal());
    d.native_told = true;
    d.perf_told = gs_hold_perf_refusal() != NULL;
    gs_native_modules_look();
}

static void flush(bool second)
{
    look_at_native_modules();
    gs_writer_drain();
    gs_memory_tell_news();
    gs_gc_watch_tell();
    gs_locks_tell();
    gs_records_threads(0);
    gs_cuda_records(second);
    write_forks();
    if (second)
        every_second();
    else
        gs_records_accounts();
    gs_writer_flush_records();
    tell_of_failed_writes();
}

static bool is_settled(void)
{
    return gs_records_settled() && gs_cuda_records_settled();
}

/* A thread may be inside a hook meanwhile, or in other turns: until rows and totals are of one
 * moment, as far as a few rounds can do that. */
static void settle(void)
{
    for (int i = 0; i < SETTLE_ROUNDS && !is_settled(); i++) {
        gs_sys0(SYS_sched_yield);
        flush(false);
    }
}

static void stop_recording(uint32_t reason)
{
    gs_agent.state = GS_STATE_DEAD;
    gs_live.mode = GS_LIVE_NO;
    gs_memory_look();
    gs_gc_watch(gs_now());
    gs_sched_write_all();
    flush(true);
    settle();
    gs_locks_end();
    gs_modules_look();
    gs_alloc_records(); /* samples of such a thread too */
    gs_cuda_records_end();
    gs_records_end(reason);
    gs_writer_flush_records();
    d.closed = true;
}

static void check_limits(uint64_t now)
{
    const struct gs_config *c = &gs_agent.config;
    if (c->duration_ms && now - gs_agent.t_start > gs_ticks_of_ns(c->duration_ms * 1000000u))
        stop_recording(GS_EVENT_DURATION);
    else if (gs_proc_only_task())
        stop_recording(GS_EVENT_ONLY_TASK);
}

static bool is_full(void)
{
    uint64_t max = gs_agent.config.max_size_bytes;
    if (gs_agent.config.on_full != GS_ON_FULL_ring)
        return max && gs_writer.sink.bytes > max;
    enum gs_segments_step step = gs_segments_step();
    if (step == GS_SEGMENTS_NEXT)
        d.failed_writes_told = 0; /* a new segment tells of them too */
    return step == GS_SEGMENTS_STUCK;
}

/* After each flush: a busy program fills rings, and kicks, many times between two ticks. */
static void check_size(void)
{
    if (gs_agent.state == GS_STATE_ON && is_full())
        stop_recording(GS_EVENT_MAX_SIZE);
}

static void tick(bool kicked)
{
    uint64_t now = gs_now();
    uint64_t began_ns = gs_governor_work_begins();
    gs_hold_watch(now);
    gs_count_tick();
    gs_governor_work_ends(began_ns);
    gs_gc_watch_tick(now);
    gs_memory_tick(now);
    if (d.own_fds)
        gs_cuda_tick(now);
    if (!kicked && now - d.last_flush_t < gs_ticks_of_ns(FLUSH_NS))
        return;
    bool second = now - d.last_second_t > gs_ticks_of_ns(SECOND_NS);
    if (now - d.last_round_t >= gs_ticks_of_ns(FLUSH_NS)) { /* also while kicks come faster */
        d.last_round_t = now;
        gs_writer_drain(); /* before anything that takes long: rings fill meanwhile */
        gs_sched_find_ended();
        gs_sched_write_some();
        check_limits(now);
    }
    flush(second);
    if (gs_intern_is_filling())
        gs_intern_new_generation();
    check_size();
    d.last_flush_t = now;
    if (second)
        d.last_second_t = now;
}

/* ---- requests ---- */

static void tell_done(void)
{
    __atomic_fetch_add(&d.done, 1, __ATOMIC_RELEASE);
    gs_futex_wake(&d.done);
}

/* Since the last flush of this thread or the one before it, which a fork may have ended early. */
static bool is_behind(uint64_t now, uint64_t ns)
{
    uint64_t last = d.last_flush_t ? d.last_flush_t : gs_agent.t_start;
    return now > last && now - last > gs_ticks_of_ns(ns);
}

/* LEAVE writes nothing: a fork waits for it. What lies in the rings is the next thread's; but where
 * forks come so fast that no thread gets to write, one of them must. */
static void do_what_is_asked(uint32_t request)
{
    if (request == REQ_LEAVE && is_behind(gs_now(), FLUSH_NS)) {
        flush(false);
        d.last_flush_t = gs_now();
        check_size();
    } else if (request == REQ_FINISH) {
        stop_recording(d.event);
    } else if (request == REQ_CHECKPOINT) {
        gs_memory_look();
        gs_gc_watch(gs_now());
        gs_modules_look();
        flush(true);
        settle();
        gs_writer_drain(); /* whose row came after its ring was emptied, and its count before it was
                              read */
        gs_cuda_records_end();
        gs_records_event(d.event, 0, d.text);
        gs_writer_flush_records();
        d.last_flush_t = gs_now(); /* the exec is next: not to cut through what comes after */
    }
}

static void serve(uint32_t request)
{
    do_what_is_asked(request);
    __atomic_store_n(&d.request, REQ_NONE, __ATOMIC_RELEASE);
    tell_done();
}

static void sleep_until_kicked(uint32_t kick)
{
    uint64_t now = gs_now();
    uint64_t ns = gs_hold_watch_active() ? gs_gc_watch_wait_ns(now, TICK_NS) : FLUSH_NS;
    ns = gs_hold_perf_wait_ns(gs_memory_wait_ns(now, ns));
    gs_writer_give();
    gs_locks_ask(now);
    ns = gs_locks_wait_ns(now, ns);
    gs_futex_wait(&d.kick, kick, ns);
    gs_writer_take(UINT64_MAX);
}

/* False when it is time to end. */
static bool drain_once(uint32_t *kick_seen)
{
    uint32_t kick = __atomic_load_n(&d.kick, __ATOMIC_ACQUIRE);
    if (kick == *kick_seen && !__atomic_load_n(&d.request, __ATOMIC_ACQUIRE))
        sleep_until_kicked(kick);
    if (d.closed)
        return false;
    kick = __atomic_load_n(&d.kick, __ATOMIC_ACQUIRE);
    bool kicked = kick != *kick_seen;
    *kick_seen = kick;
    uint32_t request = __atomic_load_n(&d.request, __ATOMIC_ACQUIRE);
    if (request && request != REQ_BEING_POSTED) {
        serve(request);
        return request == REQ_CHECKPOINT;
    }
    tick(kicked);
    return gs_agent.state == GS_STATE_ON;
}

bool gs_drain_is_behind(void)
{
    return is_behind(gs_now(), FLUSH_NS / 4 * 3);
}

static void begin_ticks(uint32_t *kick_seen)
{
    uint64_t now = gs_now();
    *kick_seen = __atomic_load_n(&d.kick, __ATOMIC_ACQUIRE);
    if (is_behind(now, FLUSH_NS / 4 * 3))
        --*kick_seen; /* flush at once: the next fork may come as soon */
    if (!d.last_flush_t)
        d.last_flush_t = gs_agent.t_start;
    if (!d.last_second_t)
        d.last_second_t = now;
    d.last_round_t = now;
}

static void *drain_main(void *arg)
{
    uint32_t kick_seen;
    (void)arg;
    gs_sys2(SYS_prctl, PR_SET_NAME, "gilscope");
    __atomic_store_n(&d.tid, gs_gettid(), __ATOMIC_RELAXED);
    gs_drain_own_slices();
    gs_writer_take(UINT64_MAX);
    gs_cost_drain_begins();
    d.own_fds = gs_drain_own_fds(); /* else the file is reopened for each append */
    if (d.own_fds)
        gs_nvml_drain_begins();
    gs_count_drain_begins(d.own_fds);
    gs_hold_perf_begins(d.own_fds);
    if (!d.closed && open_file(d.own_fds)) {
        begin_ticks(&kick_seen);
        while (drain_once(&kick_seen))
            ;
    }
    gs_hold_perf_ends();
    gs_count_drain_ends();
    gs_cost_drain_ends();
    gs_sink_detach(&gs_writer.sink);
    __atomic_store_n(&d.running, 0, __ATOMIC_RELEASE);
    gs_writer_give();
    tell_done();
    return NULL;
}

/* ---- from other threads ---- */

/* Joined once, by whoever is first: two threads may end the process. Not by pthread_clockjoin_np():
 * a sanitizer that does not know that function takes the thread for a leak. */
static bool previous_has_ended(void)
{
    if (!__atomic_exchange_n(&d.joinable, false, __ATOMIC_ACQ_REL))
        return true;
    if (pthread_tryjoin_np && pthread_tryjoin_np(d.thread, NULL) == 0)
        return true;
    __atomic_store_n(&d.joinable, true, __ATOMIC_RELEASE);
    return false;
}

bool gs_drain_start(void)
{
    sigset_t all, old;
    uint32_t idle = 0;
    int saved = errno; /* pthread_create() sets it where it fails */
    if (!previous_has_ended() || !__atomic_compare_exchange_n(&d.running, &idle, 1, false,
                                                              __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    __atomic_store_n(&d.tid, 0, __ATOMIC_RELAXED);
    int rc = pthread_create(&d.thread, NULL, drain_main, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    d.joinable = rc == 0;
    if (rc != 0)
        __atomic_store_n(&d.running, 0, __ATOMIC_RELEASE);
    errno = saved;
    return rc == 0;
}

static bool may_leave_soon(uint64_t begin_ns)
{
    return gs_proc_task_may_end_soon(__atomic_load_n(&d.tid, __ATOMIC_RELAXED),
                                     gs_clock_ns(CLOCK_MONOTONIC) - begin_ns);
}

static bool await_last_action(uint64_t begin_ns)
{
    for (;;) {
        uint32_t done = __atomic_load_n(&d.done, __ATOMIC_ACQUIRE);
        if (!__atomic_load_n(&d.running, __ATOMIC_ACQUIRE))
            return true;
        if (!may_leave_soon(begin_ns))
            return false;
        gs_futex_wait(&d.done, done, GS_TASK_END_NS);
    }
}

/* The kernel counts a thread for some microseconds after its last action, and CPython asks the
 * kernel how many threads there are: it has left when its tid is gone. Only then is it joined: were
 * the lock that a sanitizer's pthread_tryjoin_np() takes held by this very fork, the thread could
 * not have ended either. */
void gs_drain_join(void)
{
    uint64_t begin_ns = gs_clock_ns(CLOCK_MONOTONIC);
    if (!d.joinable || !await_last_action(begin_ns))
        return;
    if (gs_proc_await_task_end(d.tid, begin_ns))
        previous_has_ended();
}

/* The text is the program's own, as it handed it to exec: a pointer that cannot be read is the
 * kernel's to refuse. Read up to the end of its page, then, if it goes on, the rest. */
static void set_event(uint32_t event, const char *text)
{
    size_t max = sizeof(d.text) - 1, n = 4096 - (uintptr_t)text % 4096;
    if (n > max)
        n = max;
    d.event = event;
    memset(d.text, 0, sizeof(d.text));
    if (gs_safe_read(d.text, (uintptr_t)text, n) && n < max && d.text[n - 1])
        gs_safe_read(d.text + n, (uintptr_t)text + n, max - n);
}

static bool post_request(enum request request, uint32_t event, const char *text)
{
    uint32_t none = REQ_NONE;
    if (!__atomic_compare_exchange_n(&d.request, &none, REQ_BEING_POSTED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false; /* another is being served */
    set_event(event, text);
    __atomic_store_n(&d.request, request, __ATOMIC_RELEASE);
    gs_drain_kick();
    return true;
}

void gs_drain_leave(void)
{
    __atomic_fetch_add(&d.forks, 1, __ATOMIC_RELAXED);
    if (d.joinable && post_request(REQ_LEAVE, 0, ""))
        gs_drain_join();
}

struct ask {
    enum request request;
    uint32_t event;
    const char *text;
    uint64_t stand_in_ns, end_ns; /* CLOCK_MONOTONIC */
};

static uint64_t patience_ns(const struct ask *a, uint64_t now)
{
    uint64_t next = now < a->stand_in_ns ? a->stand_in_ns : now + STAND_IN_NS;
    return (next < a->end_ns ? next : a->end_ns) - now;
}

/* Without a drain thread the caller writes itself. */
static bool serve_inline(const struct ask *a)
{
    uint32_t idle = 0;
    if (!__atomic_compare_exchange_n(&d.running, &idle, 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    bool can = gs_writer_take(a->end_ns);
    if (can) {
        set_event(a->event, a->text);
        if (open_file(false))
            serve(a->request);
    }
    __atomic_store_n(&d.running, 0, __ATOMIC_RELEASE);
    if (can)
        gs_writer_give();
    return can;
}

/* On a busy machine a thread that was woken, or just made, may not get a core for a second, and the
 * process would end without a capture. It has not taken up what is pending, so the caller writes.
 * All there is lies in memory, but the thread's descriptor is its own: the file is opened by its
 * path, which may lead to another by now. Then only the thread can. */
static bool stand_in(const struct ask *a, enum request pending)
{
    struct gs_sink *sink = &gs_writer.sink;
    if (!gs_writer_try_take())
        return false;
    bool can = __atomic_load_n(&d.request, __ATOMIC_ACQUIRE) == pending &&
               (sink->created ? gs_sink_is_in_reach(sink) : open_file(false));
    if (can) {
        gs_sink_detach(sink); /* for the thread too: the writer may go on in a new segment */
        set_event(a->event, a->text);
        do_what_is_asked(a->request);
        if (pending == a->request)
            __atomic_store_n(&d.request, REQ_NONE, __ATOMIC_RELEASE);
        tell_done();
    }
    gs_writer_give();
    return can;
}

/* Until the request is served; false when the thread ended without having seen it. */
static bool wait_served(const struct ask *a)
{
    for (;;) {
        uint32_t done = __atomic_load_n(&d.done, __ATOMIC_ACQUIRE);
        uint64_t now = gs_clock_ns(CLOCK_MONOTONIC);
        if (__atomic_load_n(&d.request, __ATOMIC_ACQUIRE) != a->request || now >= a->end_ns)
            return true;
        if (!__atomic_load_n(&d.running, __ATOMIC_ACQUIRE))
            break;
        if (now >= a->stand_in_ns && stand_in(a, a->request))
            return true;
        gs_futex_wait(&d.done, done, patience_ns(a, now));
    }
    uint32_t mine = a->request;
    return !__atomic_compare_exchange_n(&d.request, &mine, REQ_NONE, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED);
}

/* The thread may be on its way out for a fork, or busy with another's request: then again. Or it
 * was to leave for a fork, and has not noticed yet. */
static void ask(enum request request, uint32_t event, const char *text)
{
    uint64_t now = gs_clock_ns(CLOCK_MONOTONIC);
    struct ask a = {request, event, text, now + STAND_IN_NS, now + GS_FINISH_WAIT_NS};
    for (; gs_agent.state == GS_STATE_ON && now < a.end_ns; now = gs_clock_ns(CLOCK_MONOTONIC)) {
        uint32_t done = __atomic_load_n(&d.done, __ATOMIC_ACQUIRE);
        if (!__atomic_load_n(&d.running, __ATOMIC_ACQUIRE)) {
            if (serve_inline(&a))
                return;
        } else if (post_request(request, event, text)) {
            if (wait_served(&a))
                return;
        } else if (now >= a.stand_in_ns && stand_in(&a, REQ_LEAVE)) {
            return;
        } else {
            gs_futex_wait(&d.done, done, patience_ns(&a, now));
        }
    }
}

void gs_drain_finish(uint32_t event)
{
    gs_agent_begin_leaving();
    ask(REQ_FINISH, event, "");
}

void gs_drain_checkpoint(uint32_t event, const char *text)
{
    ask(REQ_CHECKPOINT, event, text);
}

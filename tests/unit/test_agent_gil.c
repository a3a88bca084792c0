/* SPDX-License-Identifier: MIT
 * The recorder without an interpreter: a GIL made of the words CPython has, threads that call the
 * hooks as CPython would, and the capture read back by the analyzer.
 * LINK: gs_agent_objects
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/error.h"
#include "analyzer/profile_build.h"
#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/gil_turn.h"
#include "preload/hook_cost.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/sampler.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

struct fake_gil { /* struct _gil_runtime_state, 3.7 to 3.15 */
    uint64_t interval;
    void *last_holder;
    int locked;
    uint64_t switch_number;
    char cond[48], mutex[40], switch_cond[48], switch_mutex[40];
};
_Static_assert(offsetof(struct fake_gil, cond) - offsetof(struct fake_gil, locked) == 16, "");
_Static_assert(offsetof(struct fake_gil, switch_cond) - offsetof(struct fake_gil, cond) == 88, "");

static struct fake_gil gil;
static void *tstate[8]; /* no frames */
static char path[100];

static int plain; /* signals that the inlined path took */

/* As the interposed function does it. */
static void signal_cond(const char *cond)
{
    if (gs_turn_signal((uintptr_t)cond, 1))
        plain++;
    else
        gs_gil_signal((uintptr_t)cond);
}

static void acquire(void)
{
    gil.locked = 1;
    gil.last_holder = tstate;
    signal_cond(gil.switch_cond);
}

static void release(void)
{
    gil.locked = 0;
    signal_cond(gil.cond);
}

static void wait_begin(void)
{
    assert_non_null(gs_gil_wait_begin((uintptr_t)gil.cond));
}

static void *run(void *what)
{
    ((void (*)(void))(uintptr_t)what)();
    return NULL;
}

static void in_other_thread(void (*what)(void))
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run, (void *)(uintptr_t)what), 0);
    pthread_join(t, NULL);
}

static int start(void **state)
{
    (void)state;
    memset(&gil, 0, sizeof(gil));
    gs_threads_forget();
    gs_gils_forget();
    gs_cost_forget();
    gs_writer_forget();
    gs_clock_init();
    gs_live.mode = GS_LIVE_YES;
    gs_agent.text_lo = 0;
    gs_agent.text_len = 2;
    plain = 0;
    gs_agent.state = GS_STATE_ON;
    gs_agent.level = 1;
    gs_agent.plain_turns = gs_clock.use_tsc;
    gs_agent.t_start = gs_now();
    gs_agent.process_key = gs_now();
    gs_agent.abi.version_hex = 0x030c01f0;
    gs_agent.abi.off.cframe_frame = GS_PYABI_ABSENT;
    gs_agent.abi.off.tstate_frame = 0;
    gs_sampler_mean_ticks = UINT64_MAX >> 8;
    strcpy(path, "/tmp/gs_gil_XXXXXX");
    assert_non_null(mkdtemp(path));
    snprintf(gs_writer.sink.path, sizeof(gs_writer.sink.path), "%s/t.gsc", path);
    gs_writer.sink.fd = -1;
    assert_true(gs_stack_intern_init(&gs_agent.abi) && gs_writer_init());
    assert_int_equal(gs_writer_open(false), 0);
    return 0;
}

static void clock_record(void)
{
    struct gs_clock_triple now;
    gs_clock_sync(&now);
    gs_records_clock(&now);
}

static struct gs_profile finish(void)
{
    struct gs_profile p = {0};
    struct gs_error err = {0};
    struct gs_load_options options = {0};
    const char *file = gs_writer.sink.path;
    gs_records_process();
    clock_record();
    gs_writer_drain();
    gs_records_threads(1);
    gs_records_accounts();
    usleep(2000);
    clock_record();
    gs_records_end(GS_EVENT_EXIT);
    gs_writer_flush_records();
    assert_int_equal(gs_profile_load(&file, 1, &options, &p, &err), GS_OK);
    assert_int_equal(p.n_processes, 1);
    return p;
}

static int clean(void **state)
{
    char command[150];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", path);
    return system(command);
}

static void uncontended_turns_are_folded_exactly(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        acquire();
        release();
    }
    acquire(); /* still open at the end */
    struct gs_profile p = finish();
    const struct gs_prof_gil *g = &p.processes[0].gil;
    assert_int_equal(g->acquisitions, 1001);
    assert_int_equal(g->contended, 0);
    assert_int_equal(p.processes[0].threads[0].releases, 1000);
    assert_true(g->hold_ns > 0 && g->open_hold_ns > 0);
    assert_int_equal(g->wait_ns, 0);
    gs_profile_free(&p);
}

/* After a day of turns. */
static void counts_go_past_32_bits(void **state)
{
    uint64_t counted = 0;
    (void)state;
    acquire();
    release();
    for (int i = 0; i < 63; i++)
        gs_self->fold_hist[i] += UINT32_MAX;
    gs_self->tot.folded_n = gs_self->tot.releases = gs_self->tot.acquisitions += 63ull * UINT32_MAX;
    acquire();
    release();
    struct gs_profile p = finish();
    const struct gs_prof_gil *g = &p.processes[0].gil;
    for (size_t i = 0; i < g->hold_hist.n; i++)
        counted += g->hold_hist.buckets[i].count;
    assert_int_equal(g->acquisitions, 63ull * UINT32_MAX + 2);
    assert_int_equal(counted, g->acquisitions);
    gs_profile_free(&p);
}

/* The inlined path and the other keep the same account; the inlined one leaves to the other what it
 * must not miss. */
static void both_paths_keep_one_account(void **state)
{
    (void)state;
    acquire(); /* the thread's first: never inlined */
    release(); /* its name is wanted: not inlined */
    assert_int_equal(plain, 0);
    gs_self->py_name_tries = UINT8_MAX;
    for (int i = 0; i < 100; i++) {
        acquire();
        release();
    }
    assert_int_equal(plain, gs_clock.use_tsc ? 200 : 0);
    gs_agent.text_len = 1; /* not Python's call */
    acquire();
    gs_agent.text_len = 2;
    gs_live.mode = GS_LIVE_RESTART;
    gs_agent.restart_after = UINT64_MAX;
    release();
    gs_live.mode = GS_LIVE_YES;
    gs_gils[0].sampled_seq = gs_gils[0].seq + 1;
    acquire();
    plain = 0;
    release(); /* a turn with a sample has a row of its own */
    assert_int_equal(plain, 0);
    struct gs_profile p = finish();
    assert_int_equal(p.processes[0].gil.acquisitions, 103);
    assert_int_equal(p.processes[0].threads[0].releases, 103);
    assert_int_equal(gs_self->tot.folded_n, 102);
    gs_profile_free(&p);
}

static void the_trial_of_a_hook_leaves_no_trace(void **state)
{
    (void)state;
    assert_true(gs_hook_cost_measure() > 1000); /* 1 ns: less than any clock */
    assert_null(gs_self);
    assert_int_equal(gs_n_gils, 0);
    assert_int_equal(gs_thread_count(), 0);
}

static void acquire_late(void)
{
    wait_begin();
    usleep(3000);
}

static void a_thread_that_dies_waiting_is_an_open_wait(void **state)
{
    (void)state;
    acquire();
    in_other_thread(acquire_late); /* begins to wait; its thread ends there, still waiting */
    release();
    acquire();
    release();
    struct gs_profile p = finish();
    const struct gs_prof_process *proc = &p.processes[0];
    assert_int_equal(proc->n_threads, 2);
    assert_int_equal(proc->gil.acquisitions, 2);
    assert_int_equal(proc->gil.contended, 0);
    assert_true(proc->gil.open_wait_ns > 3000000); /* nobody ever gave it the GIL */
    gs_profile_free(&p);
}

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static atomic_int waits, go;

static void wait_then_acquire(void)
{
    pthread_mutex_lock(&order);
    wait_begin();
    pthread_mutex_unlock(&order);
    waits = 1;
    while (!go)
        usleep(100);
    pthread_mutex_lock(&order);
    acquire();
    release();
    pthread_mutex_unlock(&order);
}

static void a_contended_wait_is_exact_and_blamed_whole(void **state)
{
    pthread_t t;
    (void)state;
    waits = go = 0;
    acquire();
    assert_int_equal(pthread_create(&t, NULL, run, (void *)(uintptr_t)wait_then_acquire), 0);
    while (!waits)
        usleep(100);
    usleep(5000);
    pthread_mutex_lock(&order);
    release();
    pthread_mutex_unlock(&order);
    go = 1;
    pthread_join(t, NULL);
    struct gs_profile p = finish();
    const struct gs_prof_process *proc = &p.processes[0];
    assert_int_equal(proc->gil.acquisitions, 2);
    assert_int_equal(proc->gil.contended, 1);
    assert_true(proc->gil.wait_ns > 3000000);
    assert_int_equal(proc->gil.unknown_holder_ns, 0);
    assert_int_equal(proc->n_blame, 1);
    assert_int_equal(proc->blame[0].waiter, 1);
    assert_int_equal(proc->blame[0].holder, 0);
    assert_int_equal(proc->blame[0].ns, proc->gil.wait_ns);
    gs_profile_free(&p);
}

/* Nobody drains: what the ring cannot hold is counted, and the totals stay exact. */
static void a_full_ring_drops_rows_and_keeps_totals(void **state)
{
    const int n = 3 * GS_RING_SLOTS;
    (void)state;
    gs_agent.level = 2;
    for (int i = 0; i < n; i++) {
        acquire();
        release();
    }
    struct gs_profile p = finish();
    const struct gs_prof_process *proc = &p.processes[0];
    assert_int_equal(proc->gil.acquisitions, n);
    assert_int_equal(proc->threads[0].releases, n);
    assert_in_range(p.lost_events, 2 * GS_RING_SLOTS, 2 * GS_RING_SLOTS + 2);
    gs_profile_free(&p);
}

/* Nobody drains for long: rows beyond the ring are kept, up to a bound, and all are read back. */
static void rows_beyond_the_ring_are_kept(void **state)
{
    const int kept = GS_RING_SLOTS + GS_SPILL_SLOTS, over = 100;
    (void)state;
    gs_agent.level = 2;
    gs_spill_init();
    for (int round = 0; round < 2; round++) { /* the table is used again */
        for (int i = 0; i < kept + over; i++) {
            acquire();
            release();
        }
        gs_writer_drain();
    }
    struct gs_profile p = finish();
    const struct gs_prof_process *proc = &p.processes[0];
    assert_int_equal(proc->gil.acquisitions, 2 * (kept + over));
    assert_int_equal(proc->threads[0].releases, 2 * (kept + over));
    assert_int_equal(p.lost_events, 2 * (over + 2)); /* each needs room for two slots */
    gs_profile_free(&p);
}

#define TRAP_FLAG "$0x100"

static volatile sig_atomic_t step, turn_at_step, calls_then;

static void let_go_or_take(void)
{
    if (gil.locked)
        release();
    else
        acquire();
}

/* Behind each instruction of the reader; behind one of them the thread goes on. */
static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    if (++step != turn_at_step)
        return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
    for (int i = 0; i < calls_then; i++)
        let_go_or_take();
}

static struct gs_thread_now look_step_by_step(const struct gs_thread *t)
{
    struct gs_thread_now n;
    __asm__ volatile("pushfq; orq " TRAP_FLAG ", (%%rsp); popfq" ::: "cc", "memory");
    n = gs_thread_now(t);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
    return n;
}

/* All turns are folded here. */
static void assert_of_one_moment(const struct gs_thread_now *n)
{
    assert_int_equal(n->tot.releases, n->tot.folded_n);
    assert_int_equal(n->tot.acquisitions - n->tot.releases, n->open_kind == GS_OPEN_HOLDING);
    assert_true(n->open_since <= n->t);
}

/* The thread takes the GIL, or has a turn, or more, between any two instructions of who looks. */
static void a_look_at_a_thread_is_of_one_moment(void **state)
{
    struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, old;
    (void)state;
    sigaction(SIGTRAP, &act, &old);
    for (calls_then = 1; calls_then <= 3; calls_then++) {
        turn_at_step = 0;
        do {
            acquire();
            release();
            step = 0;
            turn_at_step++;
            struct gs_thread_now n = look_step_by_step(gs_self);
            assert_of_one_moment(&n);
            if (gil.locked)
                release();
        } while (step >= turn_at_step);
        assert_true(turn_at_step > 20);
    }
    sigaction(SIGTRAP, &old, NULL);
}

static void a_layout_that_does_not_verify_ends_recording(void **state)
{
    (void)state;
    acquire();
    release();
    for (int i = 0; i < 16; i++) /* "acquired", but not locked */
        gs_gil_signal((uintptr_t)gil.switch_cond);
    assert_int_equal(gs_agent.state, GS_STATE_DEAD);
    assert_int_equal(gs_live.mode, GS_LIVE_NO);
}

static void an_unknown_condition_variable_is_left_alone(void **state)
{
    (void)state;
    gs_gil_signal((uintptr_t)gil.switch_cond); /* not locked: no GIL */
    gs_gil_signal(88 + 64);                    /* not even memory */
    assert_int_equal(gs_n_gils, 0);
    assert_null(gs_gil_wait_begin((uintptr_t)gil.cond));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, clean)
    const struct CMUnitTest tests[] = {
        T(uncontended_turns_are_folded_exactly),
        T(counts_go_past_32_bits),
        T(both_paths_keep_one_account),
        T(the_trial_of_a_hook_leaves_no_trace),
        T(a_thread_that_dies_waiting_is_an_open_wait),
        T(a_contended_wait_is_exact_and_blamed_whole),
        T(a_full_ring_drops_rows_and_keeps_totals),
        T(rows_beyond_the_ring_are_kept), /* the table stays: none before it may have one */
        T(a_look_at_a_thread_is_of_one_moment),
        T(a_layout_that_does_not_verify_ends_recording),
        T(an_unknown_condition_variable_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

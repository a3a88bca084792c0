/* SPDX-License-Identifier: MIT
 * The drain thread that is made and gets no core for as long as a test likes: what others ask of it
 * meanwhile, and what it does when it comes.
 * LINK: gs_agent_objects
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzer/error.h"
#include "analyzer/profile_build.h"
#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/drain.h"
#include "preload/gil.h"
#include "preload/hooks_real.h"
#include "preload/proc_self.h"
#include "preload/raw_sys.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

static char path[100];
static sem_t core;

static void *(*drain_main)(void *);
static _Atomic uint32_t tid;

static void *begin_with_a_core(void *arg)
{
    tid = gs_gettid();
    sem_wait(&core);
    return drain_main(arg);
}

/* The agent's own calls come here. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*routine)(void *),
                   void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!next)
        next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(
            uintptr_t)dlsym(RTLD_NEXT, "pthread_create");
    drain_main = routine;
    return next(thread, attr, begin_with_a_core, arg);
}

static int start(void **state)
{
    (void)state;
    gs_hooks_resolve();
    sem_init(&core, 0, 0);
    gs_threads_forget();
    gs_gils_forget();
    gs_cost_forget();
    gs_drain_forget();
    gs_clock_init();
    gs_agent.config.max_size_bytes = 0;
    gs_agent.pid = gs_getpid();
    gs_agent.state = GS_STATE_ON;
    gs_agent.level = 1;
    gs_agent.process_key = gs_now();
    gs_agent.t_start = gs_now() - gs_ticks_of_ns(1000000000); /* nothing was written for a second */
    gs_agent.abi.version_hex = 0x030c01f0;
    gs_live.mode = GS_LIVE_YES;
    strcpy(path, "/tmp/gs_drain_XXXXXX");
    assert_non_null(mkdtemp(path));
    snprintf(gs_writer.sink.path, sizeof(gs_writer.sink.path), "%s/t.gsc", path);
    assert_true(gs_stack_intern_init(&gs_agent.abi) && gs_writer_init());
    assert_true(gs_drain_start());
    return 0;
}

static void give_it_a_core(void)
{
    sem_post(&core);
    while (!tid || !gs_proc_task_has_ended(tid))
        usleep(1000);
    gs_drain_join();
    tid = 0;
}

static int clean(void **state)
{
    char command[150];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", path);
    return system(command);
}

static struct gs_profile load(void)
{
    struct gs_profile p = {0};
    struct gs_error err = {0};
    struct gs_load_options options = {0};
    const char *file = gs_writer.sink.path;
    assert_int_equal(gs_profile_load(&file, 1, &options, &p, &err), GS_OK);
    assert_int_equal(p.n_processes, 1);
    return p;
}

static off_t size_of_capture(void)
{
    struct stat st;
    return stat(gs_writer.sink.path, &st) == 0 ? st.st_size : -1;
}

static void the_end_is_written_in_its_place(void **state)
{
    (void)state;
    gs_drain_finish(GS_EVENT_EXIT);
    assert_int_equal(gs_agent.state, GS_STATE_DEAD);
    off_t size = size_of_capture();
    assert_true(size > 0);
    give_it_a_core();
    assert_int_equal(size_of_capture(), size); /* it found all written */
    struct gs_profile p = load();
    assert_true(p.complete);
    gs_profile_free(&p);
}

/* An exec that fails: recording goes on, and the thread writes when it comes. */
static void what_is_written_in_its_place_is_gone_on_with(void **state)
{
    (void)state;
    gs_drain_checkpoint(GS_EVENT_EXEC, "/bin/nothing");
    gs_drain_checkpoint(GS_EVENT_EXEC_FAILED, "");
    assert_int_equal(gs_agent.state, GS_STATE_ON);
    sem_post(&core);
    gs_drain_finish(GS_EVENT_EXIT);
    give_it_a_core();
    struct gs_profile p = load();
    assert_true(p.complete);
    assert_non_null(strstr(p.processes[0].notes, "exec failed"));
    gs_profile_free(&p);
}

/* A fork did not wait for it any longer; then the process ends. */
static void the_end_comes_before_it_has_left(void **state)
{
    (void)state;
    gs_drain_leave();
    gs_drain_finish(GS_EVENT_EXIT);
    assert_int_equal(gs_agent.state, GS_STATE_DEAD);
    give_it_a_core();
    struct gs_profile p = load();
    assert_true(p.complete);
    gs_profile_free(&p);
}

static void core_is_free(int signum)
{
    (void)signum;
    sem_post(&core);
}

static void a_fork_waits_until_it_has_had_a_core(void **state)
{
    (void)state;
    signal(SIGALRM, core_is_free);
    ualarm(5000, 0);
    gs_drain_leave();
    assert_true(tid && gs_proc_task_has_ended(tid));
    gs_drain_finish(GS_EVENT_EXIT);
    tid = 0;
}

static void who_sleeps_is_told_from_who_lacks_a_core(void **state)
{
    (void)state;
    while (!tid || !gs_proc_task_sleeps(tid))
        usleep(1000);
    assert_false(gs_proc_task_sleeps(gs_gettid()));
    uint32_t ended = tid;
    gs_drain_finish(GS_EVENT_EXIT);
    give_it_a_core();
    assert_false(gs_proc_task_sleeps(ended));
}

/* It finds that it is to leave, and much to write: more than there may be. */
static void who_only_leaves_keeps_the_size_limit(void **state)
{
    (void)state;
    gs_agent.config.max_size_bytes = 1;
    gs_drain_leave();
    gs_agent_before_fork();
    give_it_a_core();
    assert_int_equal(gs_agent.state, GS_STATE_DEAD);
    assert_int_equal(gs_live.mode, GS_LIVE_NO);
    gs_agent_before_fork();
    assert_int_equal(gs_live.mode, GS_LIVE_NO); /* no fork brings it back */
    struct gs_profile p = load();
    assert_non_null(strstr(p.processes[0].notes, "recording ended before the program"));
    gs_profile_free(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, clean)
    const struct CMUnitTest tests[] = {
        T(the_end_is_written_in_its_place),
        T(what_is_written_in_its_place_is_gone_on_with),
        T(the_end_comes_before_it_has_left),
        T(a_fork_waits_until_it_has_had_a_core),
        T(who_sleeps_is_told_from_who_lacks_a_core),
        T(who_only_leaves_keeps_the_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

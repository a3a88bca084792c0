/* SPDX-License-Identifier: MIT
 * Sweeps of replays on the CUDA engine in the emulator, against the CPU. Not a number may differ,
 * and none of them may be the CPU's work but where that is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "analyzer/engine_rates.h"
#include "analyzer/whatif/sweep.h"
#include "tests/unit/random_programs.h"
#include "tests/unit/rates_file.h"

#define EMULATOR GS_BUILD_DIR "/tests/libgilscope_cuda_simt.so"

/* ---- programs, machines, results ---- */

struct some {
    struct gs_program program;
    size_t n;
    struct gs_replay_params *params;
    uint32_t (*cap_q16)[RANDOM_CORES_MAX];
    struct gs_replay_result *want, *got;
    struct gs_replay_object *want_objects, *got_objects;
    uint64_t one_ns, one_steps;
};

static void run(struct some *s, struct gs_sweeper *sweeper, bool is_wanted)
{
    struct gs_sweep sweep = {.program = &s->program,
                             .params = s->params,
                             .n = s->n,
                             .results = is_wanted ? s->want : s->got,
                             .objects = is_wanted ? s->want_objects : s->got_objects,
                             .one_ns = s->one_ns,
                             .one_steps = s->one_steps};
    gs_sweeper_run(sweeper, &sweep);
}

/* n replays of the program, which is finished, on machines of all kinds; and the CPU's results. */
static void open_some(struct some *s, size_t n, uint64_t seed)
{
    size_t n_objects = n * s->program.n_objects + 1;
    const char *why_not;
    s->n = n;
    s->params = calloc(n + 1, sizeof(*s->params));
    s->cap_q16 = calloc(n + 1, sizeof(*s->cap_q16));
    s->want = calloc(n + 1, sizeof(*s->want));
    s->got = calloc(n + 1, sizeof(*s->got));
    s->want_objects = calloc(n_objects, sizeof(*s->want_objects));
    s->got_objects = calloc(n_objects, sizeof(*s->got_objects));
    for (size_t i = 0; i < n; i++)
        random_params(&s->params[i], s->cap_q16[i], seed * 1000 + i);
    struct gs_sweeper *cpu = gs_sweeper_open("cpu", 2);
    run(s, cpu, true);
    assert_string_equal(gs_sweeper_used(cpu, &why_not), "cpu");
    assert_null(why_not);
    gs_sweeper_close(cpu);
}

static void open_random(struct some *s, uint64_t seed, size_t n)
{
    *s = (struct some){.n = 0};
    random_program(&s->program, seed, 80);
    open_some(s, n, seed);
}

static void close_some(struct some *s)
{
    gs_program_free(&s->program);
    free(s->params);
    free(s->cap_q16);
    free(s->want);
    free(s->got);
    free(s->want_objects);
    free(s->got_objects);
}

static void check(const struct some *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct gs_replay_result a = s->want[i], b = s->got[i];
        assert_int_equal(a.makespan_ns, b.makespan_ns);
        assert_int_equal(a.py_ns, b.py_ns);
        assert_int_equal(a.native_ns, b.native_ns);
        assert_int_equal(a.latency_ns, b.latency_ns);
        assert_int_equal(a.gc_ns, b.gc_ns);
        assert_int_equal(a.flips, b.flips);
        assert_int_equal(a.steps, b.steps);
        assert_int_equal(a.deadlock, b.deadlock);
        assert_ptr_equal(b.objects, s->got_objects + i * s->program.n_objects);
    }
    for (size_t i = 0; i < s->n * s->program.n_objects; i++) {
        assert_int_equal(s->want_objects[i].parked_ns, s->got_objects[i].parked_ns);
        assert_int_equal(s->want_objects[i].hold_ns, s->got_objects[i].hold_ns);
    }
}

/* With engine cuda; the numbers must be right whoever replays. true: the device. */
static bool replays_on_device(struct some *s, char *why, size_t cap)
{
    const char *why_not;
    struct gs_sweeper *cuda = gs_sweeper_open("cuda", 1);
    memset(s->got, 0xee, s->n * sizeof(*s->got));
    memset(s->got_objects, 0xee, s->n * s->program.n_objects * sizeof(*s->got_objects));
    run(s, cuda, false);
    check(s);
    bool on_device = strcmp(gs_sweeper_used(cuda, &why_not), "cuda") == 0;
    assert_true(on_device == !why_not);
    snprintf(why, cap, "%s", why_not ? why_not : "");
    gs_sweeper_close(cuda);
    return on_device;
}

static void compare(struct some *s)
{
    char why_not[1024];
    if (!replays_on_device(s, why_not, sizeof(why_not)))
        fail_msg("%s", why_not);
    close_some(s);
}

/* ---- the same numbers ---- */

static void the_device_agrees_on_random_programs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct some s;
        open_random(&s, seed, 5);
        compare(&s);
    }
}

static void as_many_replays_as_one_likes(void **state)
{
    static const size_t sizes[] = {1, 2, 31, 32, 33, 200, 457};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct some s;
        open_random(&s, 7 + i, sizes[i]);
        compare(&s);
    }
}

/* n threads, each of which does one thing a number of times with the first of some locks. */
static void make_locked(struct gs_program *p, uint32_t n_threads, uint32_t n_ops, uint32_t n_locks)
{
    uint32_t lock = gs_program_object(p, GS_OBJECT_LOCK, "lock");
    while (p->n_objects < n_locks)
        gs_program_object(p, GS_OBJECT_LOCK, "another");
    for (uint32_t t = 0; t < n_threads; t++) {
        gs_program_begin(p, gs_program_thread(p, "t", false));
        for (uint32_t i = 0; i < n_ops; i++) {
            struct gs_op op = gs_op_on(GS_OP_PY, 0);
            op.ns = 100 + (i + t) % 7;
            gs_program_op(p, gs_op_on(GS_OP_ACQUIRE, lock));
            gs_program_op(p, op);
            gs_program_op(p, gs_op_on(GS_OP_RELEASE, lock));
        }
    }
    assert_null(gs_program_finish(p));
}

static void make_plain(struct gs_program *p, uint32_t n_threads, uint32_t n_ops)
{
    make_locked(p, n_threads, n_ops, 1);
}

static void programs_of_many_launches(void **state)
{
    struct some s = {.n = 0};
    (void)state;
    make_plain(&s.program, 2, 30000);
    open_some(&s, 3, 5);
    for (size_t i = 0; i < s.n; i++)
        assert_true(s.want[i].steps > 2 * 65536);
    compare(&s);
}

static void programs_of_nothing(void **state)
{
    struct some s = {.n = 0};
    (void)state;
    assert_null(gs_program_finish(&s.program));
    open_some(&s, 3, 5);
    compare(&s);
    s = (struct some){.n = 0};
    make_plain(&s.program, 3, 0);
    open_some(&s, 2, 5);
    compare(&s);
}

static void sweeps_of_nothing(void **state)
{
    const char *why_not;
    struct some s;
    (void)state;
    open_random(&s, 3, 0);
    struct gs_sweeper *cuda = gs_sweeper_open("cuda", 1);
    run(&s, cuda, false);
    assert_string_equal(gs_sweeper_used(cuda, &why_not), "cuda");
    assert_null(why_not);
    gs_sweeper_close(cuda);
    close_some(&s);
}

/* ---- what there is not enough of ---- */

static void set_memory(size_t bytes)
{
    char text[32];
    snprintf(text, sizeof(text), "%zu", bytes);
    setenv("GILSCOPE_SIMT_MEMORY", text, 1);
}

/* From none, where the CPU replays, to the first amount with which the device can: that has room
 * for one replay, or some, at a time. */
static void small_devices_replay_in_batches(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed < 16; seed++) {
        struct some s;
        char why_not[1024];
        size_t kib = 4;
        open_random(&s, seed, 40);
        for (bool on_device = false; !on_device; kib += 4) {
            assert_true(kib < 4096);
            set_memory(kib << 10);
            on_device = replays_on_device(&s, why_not, sizeof(why_not));
            assert_true(on_device || strstr(why_not, "memory"));
        }
        assert_true(kib > 8);
        for (size_t more = kib; more < 8 * kib; more += kib / 2 + 1) {
            set_memory(more << 10);
            assert_true(replays_on_device(&s, why_not, sizeof(why_not)));
        }
        unsetenv("GILSCOPE_SIMT_MEMORY");
        close_some(&s);
    }
}

static void threads_that_are_too_many(void **state)
{
    struct some s = {.n = 0};
    char why_not[1024];
    (void)state;
    make_plain(&s.program, 65537, 1);
    open_some(&s, 1, 5);
    assert_false(replays_on_device(&s, why_not, sizeof(why_not)));
    assert_non_null(strstr(why_not, "more threads"));
    close_some(&s);
}

/* ---- what may fail ---- */

/* The first call of it fails, then the second, and so on until it is not called so often. Returns
 * how often it is. */
static unsigned fail_each_call(struct some *s, const char *name, unsigned code, const char *says)
{
    char text[64], why_not[1024];
    bool on_device = false;
    unsigned n = 0;
    while (!on_device && n++ < 1000) {
        snprintf(text, sizeof(text), "%s:%u=%u", name, n, code);
        setenv("GILSCOPE_SIMT_FAIL", text, 1);
        on_device = replays_on_device(s, why_not, sizeof(why_not));
        if (n == 1 && on_device)
            fail_msg("%s is never called", name);
        if (!on_device && !strstr(why_not, says))
            fail_msg("%s: %s", text, why_not);
    }
    assert_true(on_device);
    unsetenv("GILSCOPE_SIMT_FAIL");
    return n - 1;
}

/* Two batches of three launches: one to begin with, two slices. */
static void whatever_fails_the_numbers_are_right(void **state)
{
    static const struct {
        const char *name;
        unsigned code;
        const char *says;
    } calls[] = {
        {"cudaGetDeviceCount", 100, "no CUDA-capable device"},
        {"cudaSetDevice", 719, "launch failure"},
        {"cudaMemGetInfo", 719, "launch failure"},
        {"cudaMalloc", 2, "out of memory"},
        {"cudaHostAlloc", 2, "out of memory"},
        {"cudaEventRecord", 719, "launch failure"},
        {"cudaEventSynchronize", 719, "launch failure"},
        {"cudaStreamSynchronize", 719, "launch failure"},
        {"cudaMemcpyAsync", 719, "launch failure"},
        {"cudaMemsetAsync", 719, "launch failure"},
        {"launch", 719, "launch failure"},
    };
    struct some s = {.n = 0};
    (void)state;
    make_locked(&s.program, 2, 12000, 5000);
    open_some(&s, 5, 5);
    set_memory(3700000); /* the program takes 1.4 MB, a replay 0.6 */
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        unsigned n = fail_each_call(&s, calls[i].name, calls[i].code, calls[i].says);
        if (strcmp(calls[i].name, "launch") == 0)
            assert_int_equal(n, 2 * 3);
    }
    unsetenv("GILSCOPE_SIMT_MEMORY");
    close_some(&s);
}

/* Not tried again: the second sweep is the CPU's though nothing fails any more. */
static void what_failed_once_is_not_tried_again(void **state)
{
    const char *why_not;
    struct some s;
    (void)state;
    open_random(&s, 9, 4);
    struct gs_sweeper *cuda = gs_sweeper_open("cuda", 1);
    run(&s, cuda, false);
    setenv("GILSCOPE_SIMT_FAIL", "launch=719", 1);
    run(&s, cuda, false);
    unsetenv("GILSCOPE_SIMT_FAIL");
    run(&s, cuda, false);
    check(&s);
    assert_string_equal(gs_sweeper_used(cuda, &why_not), "cuda+cpu");
    assert_non_null(strstr(why_not, "launch failure"));
    gs_sweeper_close(cuda);
    close_some(&s);
}

static void libraries_that_are_none(void **state)
{
    static const char *const paths[][2] = {
        {GS_BUILD_DIR "/tests/libgilscope_cuda_old.so", "another version"},
        {GS_BUILD_DIR "/tests/libgilscope_cuda_other_replay.so", "another version"},
        {GS_BUILD_DIR "/tests/not-there.so", "is not there"},
    };
    struct some s;
    char why_not[1024];
    (void)state;
    open_random(&s, 4, 3);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        setenv("GILSCOPE_CUDA_ENGINE", paths[i][0], 1);
        assert_false(replays_on_device(&s, why_not, sizeof(why_not)));
        assert_non_null(strstr(why_not, paths[i][1]));
    }
    setenv("GILSCOPE_CUDA_ENGINE", EMULATOR, 1);
    close_some(&s);
}

/* ---- auto ---- */

static void check_auto(struct some *s, const char *engine, const char *says)
{
    const char *why_not;
    struct gs_sweeper *sweeper = gs_sweeper_open("auto", 1);
    run(s, sweeper, false);
    check(s);
    assert_string_equal(gs_sweeper_used(sweeper, &why_not), engine);
    assert_true(says ? why_not && strstr(why_not, says) : !why_not);
    gs_sweeper_close(sweeper);
}

/* One thread: 10 replays of a million operations, 50 ns each, against 2 us of the device, or 100
 * ns as was measured; and a third of a second to open it. */
static void auto_takes_what_is_expected_to_be_quicker(void **state)
{
    struct some s;
    (void)state;
    open_random(&s, 8, 10);
    s.one_steps = 1000000;
    s.one_ns = 50 * s.one_steps;
    write_rates(GILSCOPE_VERSION, 0, 0, 0);
    check_auto(&s, "cpu", "would not pay");
    s.one_ns = 1000 * s.one_steps;
    check_auto(&s, "cuda", NULL);
    setenv("GILSCOPE_SIMT_FAIL", "launch=719", 1);
    check_auto(&s, "cpu", "launch failure");
    unsetenv("GILSCOPE_SIMT_FAIL");
    drop_rates();
    s.one_ns = 50 * s.one_steps;
    write_all_rates(GILSCOPE_VERSION, 0, 0, 1000, 100000);
    check_auto(&s, "cuda", NULL);
    drop_rates();
    write_all_rates(GILSCOPE_VERSION, 0, 0, 1000000, 100000); /* 1 s to open */
    check_auto(&s, "cpu", "would not pay");
    drop_rates();
    close_some(&s);
}

/* What is measured is kept, beside what was known. */
static void rates_are_kept(void **state)
{
    struct some s = {.n = 0};
    struct gs_rates rates;
    (void)state;
    make_plain(&s.program, 2, 20000);
    open_some(&s, 1, 5);
    s.one_steps = s.want[0].steps;
    s.one_ns = 1000000 * s.one_steps;
    write_rates(GILSCOPE_VERSION, 77000, 5000, 1);
    check_auto(&s, "cuda", NULL);
    gs_rates_load(&rates);
    assert_true(rates.cpu_ns == 77 && rates.cuda_ns == 5 && rates.cuda_step_ns > 0);
    drop_rates();
    close_some(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_agrees_on_random_programs),
        cmocka_unit_test(as_many_replays_as_one_likes),
        cmocka_unit_test(programs_of_many_launches),
        cmocka_unit_test(programs_of_nothing),
        cmocka_unit_test(sweeps_of_nothing),
        cmocka_unit_test(small_devices_replay_in_batches),
        cmocka_unit_test(threads_that_are_too_many),
        cmocka_unit_test(whatever_fails_the_numbers_are_right),
        cmocka_unit_test(what_failed_once_is_not_tried_again),
        cmocka_unit_test(libraries_that_are_none),
        cmocka_unit_test(auto_takes_what_is_expected_to_be_quicker),
        cmocka_unit_test(rates_are_kept),
    };
    setenv("GILSCOPE_CUDA_ENGINE", EMULATOR, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

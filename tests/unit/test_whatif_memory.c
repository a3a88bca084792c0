/* SPDX-License-Identifier: MIT
 * Captures of processes of which every byte is known -> what whatif says of their memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/whatif/job.h"
#include "analyzer/whatif/memory_model.h"
#include "tests/unit/capture_builder.h"

#define MIB      (UINT64_C(1) << 20)
#define SECOND   UINT64_C(1000000000)
#define UNIX_0   INT64_C(1700000000000000000)
#define ALL_WHAT "what=7"

/* ---- captures ---- */

static void put_process(struct cap *c, uint32_t pid, uint32_t ppid, uint64_t start_ns,
                        const char *argument, const char *what)
{
    cap_open(c, pid);
    cap_records(c);
    gs_record_begin(&c->w, GS_RECORD_PROCESS);
    gs_record_put_u(&c->w, pid);
    gs_record_put_u(&c->w, ppid);
    gs_record_put_z(&c->w, UNIX_0 + (int64_t)start_ns);
    gs_record_put_u(&c->w, start_ns);
    gs_record_put_u(&c->w, 0x030d05f0);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, "/usr/bin/python3");
    gs_record_put_u(&c->w, 2);
    cap_put_s(c, "python3");
    cap_put_s(c, argument);
    cap_put_s(c, "host");
    cap_put_s(c, "0.1.0");
    gs_record_put_u(&c->w, 1);
    gs_record_put_u(&c->w, 2);
    gs_record_put_u(&c->w, 1);
    gs_record_put_u(&c->w, 1);
    cap_put_s(c, what);
    if (gs_record_end(&c->w))
        c->n_records++;
}

static void put_memory(struct cap *c, uint64_t t, uint64_t rss, uint64_t file)
{
    CAP_REC(c, GS_RECORD_MEMORY, t, rss, file, 0, 0, 0, 0, 0, 0);
}

/* All that is anonymous is the C library's heap, but for the agent's. */
static void put_maps(struct cap *c, uint64_t t, uint64_t rss, uint64_t pss, uint64_t uss,
                     uint64_t file, uint64_t agent)
{
    uint64_t heap = rss - file - agent;
    CAP_REC(c, GS_RECORD_MAPS, t, rss, pss, rss - file, uss, 0, 3, GS_MAP_FILE, file, GS_MAP_HEAP,
            heap, GS_MAP_AGENT, agent);
    CAP_REC(c, GS_RECORD_HEAP, t, heap, 0);
}

static void end_process(struct cap *c, uint64_t t)
{
    CAP_REC(c, GS_RECORD_END, t, GS_EVENT_EXIT);
    cap_end_records(c);
}

static struct gs_whatif_job predict(struct cap *const *all, size_t n)
{
    struct gs_whatif_options options = {
        .target = gs_target_find("3.13t"), .cores = 2, .jobs = 1, .engine = "cpu"};
    struct gs_captures captures = {0};
    struct gs_whatif_job job;
    struct gs_error err = {0};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(gs_captures_add(&captures, all[i]->data, all[i]->len, "unit", &err),
                         GS_OK);
    gs_captures_sort(&captures);
    gs_whatif_build(&captures, &options, &job);
    gs_captures_close(&captures);
    return job;
}

static void near(uint64_t got, double wanted)
{
    if (!((double)got > wanted * 0.9999 && (double)got < wanted * 1.0001))
        fail_msg("%llu is not %f", (unsigned long long)got, wanted);
}

/* Parent: 10 MiB of files, 20 of its own. Children, from second 2 on: 30 of their own and of the
 * parent's, 5 of which each of the three has in common by PSS. */
static void put_family(struct cap c[3], bool forked)
{
    put_process(&c[0], 100, 1, SECOND, "app.py", ALL_WHAT);
    put_memory(&c[0], SECOND + 1, 30 * MIB, 10 * MIB);
    put_maps(&c[0], SECOND + 1, 30 * MIB, 30 * MIB, 30 * MIB, 10 * MIB, 0);
    put_memory(&c[0], 3 * SECOND, 30 * MIB, 10 * MIB);
    end_process(&c[0], 9 * SECOND);
    for (unsigned i = 1; i < 3; i++) {
        put_process(&c[i], 100 + i, 100, 2 * SECOND, "app.py", ALL_WHAT);
        if (forked)
            CAP_REC(&c[i], GS_RECORD_ARENA, 0, SECOND, 0x7f0000000000, MIB, 16384, 0);
        put_memory(&c[i], 2 * SECOND + 1, 25 * MIB, 5 * MIB);
        put_memory(&c[i], 5 * SECOND, 36 * MIB, 5 * MIB);
        put_maps(&c[i], 5 * SECOND, 36 * MIB, 21 * MIB, 16 * MIB, 5 * MIB, MIB);
        end_process(&c[i], 8 * SECOND);
    }
}

static void close_all(struct cap *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cap_close(&c[i]);
}

/* ---- jobs ---- */

static void forks_have_their_parents_memory_once(void **state)
{
    struct cap c[3];
    (void)state;
    put_family(c, true);
    struct gs_whatif_job job = predict((struct cap *[]){&c[2], &c[0], &c[1]}, 3);
    const struct gs_whatif_memory *m = &job.memory;
    assert_null(m->why_not);
    assert_int_equal(m->processes, 3);
    assert_int_equal(m->forked, 2);
    assert_int_equal(m->threads, 3);
    assert_int_equal(m->agent_bytes, 2 * MIB);
    assert_int_equal(m->now_bytes, (20 + 20 + 20) * MIB); /* the parent: 30, less 5 twice */
    assert_int_equal(m->own_bytes, 2 * 10 * MIB);
    assert_int_equal(m->once_bytes, 2 * 20 * MIB);
    assert_int_equal(m->duplicated_bytes, (60 - 10 - 20 - 20) * MIB - (2 * 17 << 10));
    assert_int_equal(gs_whatif_duplicated_bytes(m), m->duplicated_bytes);
    assert_int_equal(m->spawned_bytes, (20 + 30 + 30 + 10) * MIB);
    assert_int_equal(m->forked_bytes, 0);
    assert_int_equal(m->unshared_bytes, 0);
    near(m->threads_bytes[1], (10 + 20 * 1.45 + 20 * 1.10 + 2 * 85.0 / 1024) * (double)MIB);
    assert_true(m->threads_bytes[0] < m->threads_bytes[1]);
    assert_true(m->threads_bytes[1] < m->threads_bytes[2]);
    assert_false(m->has_cuda);
    gs_whatif_job_free(&job);
    close_all(c, 3);
}

static void spawned_ones_have_copies(void **state)
{
    struct cap c[3];
    (void)state;
    put_family(c, false);
    struct gs_whatif_job job = predict((struct cap *[]){&c[0], &c[1], &c[2]}, 3);
    const struct gs_whatif_memory *m = &job.memory;
    assert_int_equal(m->forked, 0);
    assert_int_equal(m->now_bytes, (30 + 20 + 20) * MIB);
    assert_int_equal(m->own_bytes, 2 * 10 * MIB);
    assert_int_equal(m->spawned_bytes, 0);
    assert_int_equal(m->forked_bytes, (10 + 20 + 20) * MIB);
    near(m->unshared_bytes, (double)m->threads_bytes[1] + 2 * 20 * 1.45 * (double)MIB);
    gs_whatif_job_free(&job);
    close_all(c, 3);
}

static void helpers_have_nothing_of_their_own(void **state)
{
    struct cap c[2];
    (void)state;
    put_process(&c[0], 100, 1, SECOND, "app.py", ALL_WHAT);
    put_memory(&c[0], 2 * SECOND, 30 * MIB, 10 * MIB);
    end_process(&c[0], 9 * SECOND);
    put_process(&c[1], 101, 100, SECOND,
                "from multiprocessing.resource_tracker import main;main(4)", ALL_WHAT);
    put_memory(&c[1], 2 * SECOND, 70 * MIB, 10 * MIB);
    end_process(&c[1], 8 * SECOND);
    struct gs_whatif_job job = predict((struct cap *[]){&c[0], &c[1]}, 2);
    assert_int_equal(job.memory.helpers, 1);
    assert_int_equal(job.memory.threads, 1);
    assert_int_equal(job.memory.own_bytes, 0);
    assert_int_equal(job.memory.now_bytes, 100 * MIB);
    assert_int_equal(job.memory.rss_only, 2);
    gs_whatif_job_free(&job);
    close_all(c, 2);
}

static void one_process_is_itself_with_longer_headers(void **state)
{
    struct cap c;
    (void)state;
    put_process(&c, 100, 1, SECOND, "app.py", ALL_WHAT);
    put_memory(&c, 2 * SECOND, 31 * MIB, 10 * MIB);
    put_maps(&c, 2 * SECOND, 31 * MIB, 25 * MIB, 21 * MIB, 10 * MIB, MIB);
    end_process(&c, 9 * SECOND);
    struct gs_whatif_job job = predict((struct cap *[]){&c}, 1);
    const struct gs_whatif_memory *m = &job.memory;
    assert_int_equal(m->processes, 1);
    assert_int_equal(m->threads, 1);
    assert_int_equal(m->now_bytes, 24 * MIB);
    assert_int_equal(m->duplicated_bytes, 0);
    near(m->threads_bytes[1], (10 + 20 * 1.45) * (double)MIB);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Of 30 MiB others have a part of 10 in second 2, and no part in second 4. */
static void shares_change_between_two_looks(void **state)
{
    struct cap c;
    (void)state;
    put_process(&c, 100, 1, SECOND, "app.py", ALL_WHAT);
    put_memory(&c, 2 * SECOND, 30 * MIB, 10 * MIB);
    put_maps(&c, 2 * SECOND, 30 * MIB, 20 * MIB, 10 * MIB, 10 * MIB, 0);
    put_memory(&c, 3 * SECOND, 30 * MIB, 10 * MIB);
    put_maps(&c, 4 * SECOND, 30 * MIB, 30 * MIB, 30 * MIB, 10 * MIB, 0);
    end_process(&c, 9 * SECOND);
    struct gs_whatif_job job = predict((struct cap *[]){&c}, 1);
    assert_int_equal(job.memory.now_bytes, 25 * MIB);
    gs_whatif_job_free(&job);
    cap_close(&c);
}

/* Two that never lived together: the most is the one with more. */
static void the_moment_of_the_greatest_sum(void **state)
{
    struct cap c[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t start = (1 + 10 * i) * SECOND;
        put_process(&c[i], 100 + i, 1, start, "app.py", ALL_WHAT);
        put_memory(&c[i], start + SECOND, (30 + 20 * i) * MIB, 10 * MIB);
        put_memory(&c[i], start + 2 * SECOND, 20 * MIB, 10 * MIB);
        end_process(&c[i], start + 3 * SECOND);
    }
    struct gs_whatif_job job = predict((struct cap *[]){&c[0], &c[1]}, 2);
    assert_int_equal(job.memory.now_bytes, 50 * MIB);
    assert_int_equal(job.memory.processes, 1);
    assert_int_equal(job.memory.left_out, 1);
    gs_whatif_job_free(&job);
    close_all(c, 2);
}

/* ---- no number ---- */

static void says(struct cap *c, const char *why)
{
    struct gs_whatif_job job = predict((struct cap *[]){c}, 1);
    assert_non_null(job.memory.why_not);
    if (!strstr(job.memory.why_not, why))
        fail_msg("'%s' is not in '%s'", why, job.memory.why_not);
    assert_int_equal(job.memory.now_bytes, 0);
    assert_int_equal(job.memory.threads_bytes[1], 0);
    gs_whatif_job_free(&job);
}

static void no_number_where_something_is_missing(void **state)
{
    struct cap c;
    (void)state;
    put_process(&c, 100, 1, SECOND, "app.py", "what=1");
    end_process(&c, 2 * SECOND);
    says(&c, "process 100: its memory was not recorded");
    cap_close(&c);
    put_process(&c, 100, 1, SECOND, "app.py", ALL_WHAT);
    end_process(&c, SECOND + 1);
    says(&c, "long enough");
    cap_close(&c);
}

static void no_number_where_something_is_damaged(void **state)
{
    struct cap c;
    (void)state;
    put_process(&c, 100, 1, SECOND, "app.py", ALL_WHAT);
    cap_end_records(&c);
    cap_records(&c);
    put_memory(&c, 2 * SECOND, 30 * MIB, 10 * MIB);
    end_process(&c, 3 * SECOND);
    struct gs_whatif_job job = predict((struct cap *[]){&c}, 1);
    assert_null(job.memory.why_not);
    gs_whatif_job_free(&job);
    c.data[c.chunk_off[1] + GS_CHUNK_HDR_LEN + 3] ^= 1;
    says(&c, "damaged");
    cap_close(&c);
}

static void records_can_say_anything(void **state)
{
    struct cap c[8];
    struct cap *all[8];
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        const uint64_t most = i % 2 ? UINT64_MAX : UINT64_MAX / 2;
        put_process(&c[i], 100 + i / 3, 100, SECOND + i, "app.py", ALL_WHAT);
        CAP_REC(&c[i], GS_RECORD_ARENA, 0, 1, most, most, most, 0);
        CAP_REC(&c[i], GS_RECORD_MEMORY, SECOND + i, most, i, most, most, most, most, most, most);
        CAP_REC(&c[i], GS_RECORD_MAPS, SECOND + i, 1, most, most, 0, most, 2, GS_MAP_HEAP, most,
                GS_MAP_FILE_PRIVATE, most);
        CAP_REC(&c[i], GS_RECORD_MEMORY, most, most, most - 1, 0, most, 0, 0, 0, 0);
        CAP_REC(&c[i], GS_RECORD_HEAP, most, most, most);
        CAP_REC(&c[i], GS_RECORD_CUDA_CONTEXT, 1, 1, 0, 1, 0, most, 1, most, 0, 0);
        CAP_REC(&c[i], GS_RECORD_CUDA_USED, most, 0, most);
        end_process(&c[i], most);
        all[i] = &c[i];
    }
    struct gs_whatif_job job = predict(all, 8);
    const struct gs_whatif_memory *m = &job.memory;
    assert_null(m->why_not);
    assert_true(m->now_bytes <= 8 * GS_BYTES_MAX && m->now_bytes >= GS_BYTES_MAX);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(m->threads_bytes[i] <= m->threads_bytes[i + 1]);
        assert_true(m->cuda_threads_bytes[i] <= m->cuda_threads_bytes[i + 1]);
    }
    assert_true(m->threads_bytes[2] < 100 * GS_BYTES_MAX);
    assert_true(m->duplicated_bytes <= m->now_bytes);
    gs_whatif_job_free(&job);
    close_all(c, 8);
}

/* ---- the model ---- */

static double grown(unsigned class)
{
    struct gs_footprint f = {{0}};
    f.bytes[GS_FOOT_CLASSES + class - 1] = MIB;
    return gs_memory_of_data(&f, false).mid / (double)MIB / 1.03;
}

static void same_number(double got, double wanted)
{
    if (!(got > wanted - 1e-9 && got < wanted + 1e-9))
        fail_msg("%f is not %f", got, wanted);
}

/* mimalloc's bins: 16 to 64 by 16, then 80, 96, 112, 128, 160, 192, 224, 256, 320, ... */
static void headers_grow_by_class(void **state)
{
    (void)state;
    same_number(grown(1), 2.0);                    /* 16 -> 32 */
    same_number(grown(2), 1.5);                    /* a float: 32 -> 48 */
    same_number(grown(3), (1 + 64 / 48.0) / 2);    /* half of them are longer */
    same_number(grown(9), 160 / 144.0);            /* 144 and 160 are both in 160 */
    same_number(grown(32), (1 + 640 / 512.0) / 2); /* 528 is in 640 */
    struct gs_footprint f = {{0}};
    f.bytes[GS_FOOT_CLASSES + 1] = f.bytes[GS_FOOT_HEAP_USED] = f.bytes[GS_FOOT_OTHER] = MIB;
    struct gs_bytes_range r = gs_memory_of_data(&f, true);
    same_number(r.low, 3 * (double)MIB);
    same_number(r.high, 3 * (double)MIB);
}

/* 20 MiB of interpreter and modules leave pages behind that 60 MiB of data go into. */
static void data_fills_what_importing_left(void **state)
{
    struct gs_footprint f = {{0}};
    (void)state;
    f.bytes[GS_FOOT_HEAP_USED] = 9 * MIB;
    f.bytes[GS_FOOT_CLASSES + 4] = 11 * MIB; /* 80 bytes -> 80 or 96 */
    near((uint64_t)gs_memory_of_process(&f, false).mid, 9 * 2.2 * 1.45 * (double)MIB);
    f.bytes[GS_FOOT_CLASSES + 4] = 71 * MIB;
    near((uint64_t)gs_memory_of_process(&f, false).mid, (9 * 1.10 + 71 * 1.03 * 1.1) * (double)MIB);
}

/* ---- devices ---- */

static struct gs_memory_facts on_device(const char *name, uint64_t context, uint64_t born,
                                        uint64_t bytes)
{
    struct gs_memory_facts f = {.pid = 1, .born_ns = born, .died_ns = born + 10, .has_cuda = true};
    f.n_devices = f.n_device_moments = f.n_moments = 1;
    f.devices = calloc(1, sizeof(*f.devices));
    f.devices[0] = (struct gs_memory_device){strdup(name), context, true};
    f.device_moments = calloc(1, sizeof(*f.device_moments));
    f.device_moments[0] = (struct gs_memory_device_moment){born, bytes};
    f.moments = calloc(1, sizeof(*f.moments));
    f.moments[0].t_ns = born;
    return f;
}

static void contexts_count_once_for_each_device(void **state)
{
    struct gs_whatif_memory m = {0};
    (void)state;
    gs_whatif_memory_add(&m, on_device("0000:01", 400 * MIB, 1000, 100 * MIB));
    gs_whatif_memory_add(&m, on_device("0000:01", 426 * MIB, 1005, 50 * MIB));
    gs_whatif_memory_add(&m, on_device("0000:02", 300 * MIB, 1020, 120 * MIB)); /* later */
    gs_whatif_memory_finish(&m);
    assert_true(m.has_cuda && m.cuda_contexts_known);
    assert_int_equal(m.devices, 2);
    assert_int_equal(m.cuda_context_bytes, 1126 * MIB);
    assert_int_equal(m.cuda_now_bytes, (1126 + 150) * MIB);
    assert_int_equal(m.cuda_threads_bytes[1], (426 + 300 + 150) * MIB);
    assert_int_equal(m.cuda_threads_bytes[2], (426 + 300 + 150 + 26) * MIB);
    gs_whatif_memory_free(&m);
}

static void devices_are_known_without_memory_but_not_when_damaged(void **state)
{
    (void)state;
    for (unsigned damaged = 0; damaged < 2; damaged++) {
        struct gs_whatif_memory m = {0};
        struct gs_memory_facts f = on_device("0000:01", 400 * MIB, 1000, 100 * MIB);
        f.why_not = strdup("unit");
        f.damaged = damaged;
        gs_whatif_memory_add(&m, f);
        gs_whatif_memory_finish(&m);
        assert_string_equal(m.why_not, "unit");
        assert_int_equal(m.has_cuda, !damaged);
        assert_int_equal(m.cuda_now_bytes, damaged ? 0 : 500 * MIB);
        gs_whatif_memory_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forks_have_their_parents_memory_once),
        cmocka_unit_test(spawned_ones_have_copies),
        cmocka_unit_test(helpers_have_nothing_of_their_own),
        cmocka_unit_test(one_process_is_itself_with_longer_headers),
        cmocka_unit_test(shares_change_between_two_looks),
        cmocka_unit_test(the_moment_of_the_greatest_sum),
        cmocka_unit_test(no_number_where_something_is_missing),
        cmocka_unit_test(no_number_where_something_is_damaged),
        cmocka_unit_test(records_can_say_anything),
        cmocka_unit_test(headers_grow_by_class),
        cmocka_unit_test(data_fills_what_importing_left),
        cmocka_unit_test(contexts_count_once_for_each_device),
        cmocka_unit_test(devices_are_known_without_memory_but_not_when_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

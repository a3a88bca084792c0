/* SPDX-License-Identifier: MIT
 * CUDA from captures that are damaged, repeated, in another order, hostile or very long: the same
 * bytes out whatever the order and the engine, and bounds that hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/memory_rows.h"
#include "tests/unit/capture_order.h"

#define ALLOC(kind, flags) GS_CUDA_WHAT(GS_CUDA_OP_ALLOC, GS_CUDA_KIND_##kind, flags, 3)
#define FREE(kind, flags)  GS_CUDA_WHAT(GS_CUDA_OP_FREE, GS_CUDA_KIND_##kind, flags, 4)

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
}

/* ---- order ---- */

static void put_some_records(struct cap *c, uint64_t *rng, uint64_t t)
{
    cap_records(c);
    CAP_REC(c, GS_RECORD_CUDA_CONTEXT, 1 + cap_random(rng) % 4, t, cap_random(rng) % 2, 1, 7,
            cap_random(rng) % 900, cap_random(rng) % 900, 1000, 0, cap_random(rng) % 5);
    CAP_REC(c, GS_RECORD_CUDA_CONTEXT_END, 3 + cap_random(rng) % 2, t + cap_random(rng) % 900);
    CAP_REC(c, GS_RECORD_CUDA_LIVE, t - t % 300, 1 + cap_random(rng) % 3, cap_random(rng) % 12, t,
            t / 2, 1, cap_random(rng) % 999, 1000);
    CAP_REC(c, GS_RECORD_CUDA_STATE, t - t % 300, t, 0, 1, 0, cap_random(rng) % 999, 1000);
    CAP_REC(c, GS_RECORD_CUDA_USED, t - t % 300, cap_random(rng) % 3, cap_random(rng) % 5000);
    cap_cuda_device(c, cap_random(rng) % 3, t % 2 ? "one" : "two", "0:1", 1 << 20);
    cap_cuda_driver(c, t % 3);
    cap_cuda_call(c, cap_random(rng) % 4, GS_CUDA_OP_SYNC, "cuSync",
                  (const uint64_t[]){t - t % 300, t, 1, 9 * t, 3, 8 * t});
    CAP_REC(c, GS_RECORD_STACK, 1 + cap_random(rng) % 5, 0, 1, 1, cap_random(rng) % 9);
    cap_code(c, 1, "/app/net.py", "step", 88);
    cap_event(c, t, t % 2 ? GS_EVENT_NO_CUDA : GS_EVENT_NO_NVML, t % 4 < 2 ? "one" : "two");
    cap_end_records(c);
}

static void put_some_rows(struct cap *c, uint64_t *rng, uint64_t t, uint64_t *seq)
{
    struct cap_cuda rows[40];
    struct cap_row waits[5];
    for (unsigned i = 0; i < 40; i++) {
        uint64_t what = GS_CUDA_WHAT(1 + cap_random(rng) % 11, cap_random(rng) % 12,
                                     cap_random(rng) % 16, cap_random(rng) % 6);
        if (i % 2)
            what = GS_CUDA_WHAT(1 + cap_random(rng) % 2, 1 + cap_random(rng) % 3, 0, 3);
        /* some seqs come twice, with other contents; some never */
        rows[i] = (struct cap_cuda){.t = t + i,
                                    .seq = *seq + cap_random(rng) % 60,
                                    .what = what,
                                    .thread = cap_random(rng) % 4,
                                    .context = cap_random(rng) % 5,
                                    .result = cap_random(rng) % 8 ? 0 : 2,
                                    .duration = cap_random(rng) % 30,
                                    .bytes = cap_random(rng) % 999,
                                    .address = cap_random(rng) % 16,
                                    .stack = cap_random(rng) % 7};
    }
    for (uint64_t i = 0; i < 5; i++)
        waits[i] = (struct cap_row){t + i, t + 9 * i, cap_random(rng) % 4, 3, 1, 1, 30, 1, 2};
    cap_cuda(c, rows, 40);
    cap_slices(c, waits, 5);
    *seq += 30;
}

static void make_busy(struct cap *c)
{
    uint64_t rng = 43, seq = 1;
    begin(c);
    cap_end_records(c);
    for (uint64_t t = 1000; t < 3000; t += 97) {
        put_some_records(c, &rng, t);
        put_some_rows(c, &rng, t, &seq);
    }
}

static void the_order_of_chunks_means_nothing(void **state)
{
    struct cap c;
    (void)state;
    make_busy(&c);
    cap_check_any_order(&c, "\"cuda_stack_curves\":[{");
    cap_close(&c);
}

static void a_capture_twice_counts_once(void **state)
{
    struct cap c;
    (void)state;
    make_busy(&c);
    cap_check_twice_is_once(&c);
    cap_close(&c);
}

static void sums_agree_with_each_other(void **state)
{
    struct cap c;
    struct gs_profile p;
    uint64_t live = 0, peak = 0, sample = 0, curve = 0;
    (void)state;
    make_busy(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_cuda *u = p.processes[0].cuda;
    for (size_t i = 0; i < p.n_cuda_rows; i++) {
        live += p.cuda_rows[i].live_bytes;
        peak += p.cuda_rows[i].peak_bytes;
    }
    const struct gs_prof_cuda_sample *last = &u->samples[u->n_samples - 1];
    for (size_t k = 0; k <= GS_CUDA_SHOWN_ARRAY; k++)
        sample += last->bytes[k];
    for (size_t i = 0; i < u->n_curves; i++)
        curve += u->curves[i].bytes[u->n_curve - 1];
    assert_true(live > 0 && peak > live);
    assert_int_equal(sample, live);
    assert_int_equal(curve, live);
    assert_int_equal(u->curve_t_ns[u->n_curve - 1], last->t_ns);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- segments ---- */

/* A segment tells again what lives; the rows before it are gone, and are not lost. */
static void rows_told_again_count_once(void **state)
{
    const struct cap_cuda old[] = {{100, 1, ALLOC(DEVICE, 0), 0, 1, 0, 10, 100, 0x1, 1},
                                   {110, 2, ALLOC(DEVICE, 0), 0, 1, 0, 10, 50, 0x2, 1},
                                   {120, 3, FREE(DEVICE, 0), 0, 1, 0, 10, 50, 0x2, 1}};
    const struct cap_cuda kept[] = {
        {100, 1, ALLOC(DEVICE, GS_CUDA_AGAIN), 0, 1, 0, 10, 100, 0x1, 1},
        {300, 9, ALLOC(DEVICE, 0), 0, 1, 0, 10, 7, 0x3, 1},
        {100, 1, ALLOC(DEVICE, GS_CUDA_AGAIN), 0, 1, 0, 10, 100, 0x1, 1}, /* of the next one */
        {310, 10, ALLOC(HOST, GS_CUDA_AGAIN), 0, 1, 0, 0, 5, 0x4, 1},
        {310, 10, ALLOC(HOST, GS_CUDA_HELD), 0, 1, 0, 60, 5, 0x4, 1}, /* was still on its way */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_end_records(&c);
    cap_cuda(&c, old, 3);
    cap_records(&c);
    CAP_REC(&c, GS_RECORD_SEGMENT, 200, 2, 2, 2, 200);
    CAP_REC(&c, GS_RECORD_CUDA_STATE, 400, 10, 0, 0, 0, 107, 150);
    cap_end_records(&c);
    cap_cuda(&c, kept, 5);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_cuda *u = p.processes[0].cuda;
    assert_int_equal(u->n_samples, 3);
    assert_int_equal(u->samples[0].t_ns, 200); /* it lived when the detail began */
    assert_int_equal(u->samples[0].bytes[GS_CUDA_SHOWN_DEVICE], 100);
    assert_int_equal(u->samples[1].bytes[GS_CUDA_SHOWN_DEVICE], 107);
    assert_int_equal(u->samples[2].t_ns, 370);
    assert_int_equal(u->n_held, 1);
    assert_int_equal(u->held[0].held_ns, 60); /* only the row itself knows */
    assert_int_equal(u->lost_rows, 0);
    assert_int_equal(p.n_cuda_rows, 1);
    assert_int_equal(p.cuda_rows[0].allocations, 2);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- hostile ---- */

static void greatest_numbers_do_not_overflow(void **state)
{
    const uint64_t most = UINT64_MAX;
    struct cap_cuda rows[5000];
    struct cap c;
    struct gs_profile p;
    (void)state;
    for (uint64_t i = 0; i < 5000; i++)
        rows[i] = (struct cap_cuda){
            most, i, ALLOC(DEVICE, GS_CUDA_HELD), most, most, 0, most, most, i, most & 0xffffffff};
    begin(&c);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT, most, most, most, most, most, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT, 1, 0, 0, 0, 0, most, 1, most, 0, 0);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, most, 0);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, most, most, 1, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, most, 5, 1, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, most, 5, most, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_CUDA_STATE, most, most, most, most, most, most, most);
    CAP_REC(&c, GS_RECORD_CUDA_USED, most, most, most);
    cap_cuda_call(&c, most, most, "x", (const uint64_t[]){most, most, most, most, most, most});
    cap_cuda_call(&c, 4, GS_CUDA_OP_SYNC, "",
                  (const uint64_t[]){most, most, most, most, most, most});
    cap_cuda_device(&c, most, "", "", most);
    cap_end_records(&c);
    cap_cuda(&c, rows, 4096);
    cap_cuda(&c, rows + 4096, 904);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_cuda *u = p.processes[0].cuda;
    assert_int_equal(u->samples[u->n_samples - 1].bytes[0], UINT64_C(1) << 60);
    assert_int_equal(u->live_bytes, GS_BYTES_MAX);
    assert_int_equal(p.n_cuda_rows, 1);
    assert_int_equal(p.cuda_rows[0].live_bytes, UINT64_C(1) << 60);
    assert_true(u->under_gil_ns > UINT64_MAX / 2);
    char *json = cap_json(&p);
    free(json);
    gs_profile_free(&p);
    cap_close(&c);
}

static void kinds_and_ops_nobody_knows_are_nothing(void **state)
{
    struct cap_cuda rows[256];
    struct cap c;
    struct gs_profile p;
    (void)state;
    for (uint64_t i = 0; i < 256; i++)
        rows[i] = (struct cap_cuda){
            100, i + 1, GS_CUDA_WHAT(i, 255 - i, 0xffff, 0xffff), 0, 1, 0, 1, 99, i, 1};
    begin(&c);
    cap_end_records(&c);
    cap_cuda(&c, rows, 256);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_cuda *u = p.processes[0].cuda;
    assert_int_equal(u->live_bytes, 0);
    assert_int_equal(u->allocations, 0);
    assert_int_equal(u->n_calls, 1);
    char *json = cap_json(&p);
    assert_non_null(strstr(json, "\"call\":\"call 65535\",\"op\":\"op 0\""));
    free(json);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- bounds ---- */

static void samples_are_thinned_but_for_the_peak(void **state)
{
    static const size_t sizes[] = {1, 199, 200, 201, 999, 1000, 1001, 4000};
    struct cap_cuda rows[4000];
    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        struct cap c;
        struct gs_profile p;
        size_t n = sizes[k], peak = n * 2 / 3, at = 0;
        for (uint64_t i = 0; i < n; i++) /* one block after another in one place */
            rows[i] = (struct cap_cuda){100 + i, i + 1, ALLOC(DEVICE, 0),     0, 1,
                                        0,       0,     i == peak ? 5000 : 3, 1, 1};
        begin(&c);
        cap_end_records(&c);
        cap_cuda(&c, rows, n);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_prof_cuda *u = p.processes[0].cuda;
        assert_in_range(u->n_samples, n < 1000 ? n : 500, 1000);
        assert_in_range(u->n_curve, n < 200 ? n : 100, 200);
        assert_int_equal(u->samples[0].t_ns, 100);
        assert_int_equal(u->samples[u->n_samples - 1].t_ns, 100 + n - 1);
        assert_int_equal(u->curve_t_ns[u->n_curve - 1], 100 + n - 1);
        assert_int_equal(u->peak_t_ns, 100 + peak);
        while (u->curve_t_ns[at] != 100 + peak)
            at++;
        assert_int_equal(u->curves[0].bytes[at], 5000);
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* The twelve stacks with most at the peak, and all others in one. */
static void curves_are_of_the_largest_stacks(void **state)
{
    struct cap_cuda rows[30];
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    for (uint64_t i = 0; i < 30; i++) {
        cap_code(&c, i + 1, "/app/net.py", "step", (int)i + 1);
        CAP_REC(&c, GS_RECORD_STACK, i + 1, 0, 1, i + 1, 0);
        rows[i] = (struct cap_cuda){100 + i, i + 1, ALLOC(DEVICE, 0), 0, 1, 0, 0, 1 + i, i, i + 1};
    }
    cap_end_records(&c);
    cap_cuda(&c, rows, 30);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_prof_cuda *u = p.processes[0].cuda;
    assert_int_equal(u->n_curves, 13);
    assert_int_equal(u->curves[0].bytes[29], 30);
    assert_int_equal(u->curves[0].bytes[28], 0); /* not yet */
    assert_int_equal(u->curves[11].bytes[29], 19);
    assert_int_equal(u->curves[12].node, 0);
    assert_int_equal(u->curves[12].bytes[29], 18 * 19 / 2);
    gs_profile_free(&p);
    cap_close(&c);
}

static void add_memory_row(struct cap_cuda *rows, size_t *n, uint64_t what, uint64_t address)
{
    uint64_t i = (*n)++;
    rows[i] = (struct cap_cuda){1000 + i, i + 1, what, 0, 1, 0, 1, 10, address, 1};
}

/* Each at an address of its own; every hundredth lives on, until it ends and comes again. */
static void addresses_of_what_is_gone_take_no_room(void **state)
{
    enum { N = 20000, KEPT = 100, CHUNK = 4000 };
    static struct cap_cuda rows[3 * N];
    struct gs_profile p;
    struct cap c;
    size_t n = 0;
    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        add_memory_row(rows, &n, ALLOC(DEVICE, 0), 16 * i);
        if (i % KEPT)
            add_memory_row(rows, &n, FREE(DEVICE, 0), 16 * i);
    }
    for (uint64_t i = 0; i < N; i += KEPT) {
        add_memory_row(rows, &n, FREE(DEVICE, 0), 16 * i);
        add_memory_row(rows, &n, ALLOC(DEVICE, 0), 16 * i);
    }
    begin(&c);
    cap_end_records(&c);
    for (size_t i = 0; i < n; i += CHUNK)
        cap_cuda(&c, rows + i, n - i < CHUNK ? n - i : CHUNK);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_int_equal(p.processes[0].cuda->live_bytes, N / KEPT * 10);
    assert_int_equal(p.processes[0].cuda->frees, N);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_chunks_means_nothing),
        cmocka_unit_test(a_capture_twice_counts_once),
        cmocka_unit_test(sums_agree_with_each_other),
        cmocka_unit_test(rows_told_again_count_once),
        cmocka_unit_test(greatest_numbers_do_not_overflow),
        cmocka_unit_test(kinds_and_ops_nobody_knows_are_nothing),
        cmocka_unit_test(samples_are_thinned_but_for_the_peak),
        cmocka_unit_test(curves_are_of_the_largest_stacks),
        cmocka_unit_test(addresses_of_what_is_gone_take_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

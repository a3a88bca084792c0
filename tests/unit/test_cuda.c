/* SPDX-License-Identifier: MIT
 * CUDA, against numbers worked out by hand: what lives, contexts, calls, out of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/cuda_totals.h"
#include "tests/unit/capture_builder.h"

#define MIB                (UINT64_C(1) << 20)
#define HELD               (GS_CUDA_HELD | GS_CUDA_HAD)
/* what, by name */
#define ALLOC(kind, flags) GS_CUDA_WHAT(GS_CUDA_OP_ALLOC, GS_CUDA_KIND_##kind, flags, 3)
#define FREE(kind, flags)  GS_CUDA_WHAT(GS_CUDA_OP_FREE, GS_CUDA_KIND_##kind, flags, 4)
#define CALL(op, flags, n) GS_CUDA_WHAT(GS_CUDA_OP_##op, 0, flags, n)

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
    cap_code(c, 1, "/app/net.py", "step", 88);
    cap_code(c, 2, "/app/main.py", "main", 3);
    cap_code(c, 3, "/app/tree.py", "grow", 5);
    cap_stack2(c, 1, 1, 2);
    cap_stack2(c, 2, 3, 2);
}

static void put_context(struct cap *c, uint64_t context, uint64_t t, uint64_t device)
{
    CAP_REC(c, GS_RECORD_CUDA_CONTEXT, context, t, device, GS_CUDA_PRIMARY, 50, 0, 0, 0, 0, 1);
}

static const struct gs_prof_cuda *profile_of(struct cap *c, struct gs_profile *p)
{
    cap_profile(c->data, c->len, "cpu", p);
    assert_non_null(p->processes[0].cuda);
    return p->processes[0].cuda;
}

static const struct gs_prof_cuda_row *row_of(const struct gs_profile *p, const char *func)
{
    for (size_t i = 0; i < p->n_cuda_rows; i++)
        if (strcmp(p->frames[p->nodes[p->cuda_rows[i].node].frame].func, func) == 0)
            return &p->cuda_rows[i];
    fail_msg("no row of %s", func);
    return NULL;
}

/* Effects are in order of seq, not of the file; an ALLOC's is when it returns. */
static void live_bytes_follow_rows(void **state)
{
    const struct cap_cuda rows[] = {
        {400, 4, FREE(DEVICE, 0), 0, 1, 0, 5, 100, 0x1000, 2}, /* after 3, in the file before */
        {100, 1, ALLOC(DEVICE, HELD), 0, 1, 0, 50, 100, 0x1000, 1},
        {200, 2, ALLOC(MANAGED, 0), 0, 1, 0, 10, 30, 0x1000, 2}, /* another kind: another place */
        {300, 3, ALLOC(HOST, 0), 0, 1, 0, 10, 7, 0x3000, 1},
        {500, 5, ALLOC(DEVICE, 0), 0, 1, 0, 10, 60, 0x1000, 2},
        {600, 6, ALLOC(DEVICE, 0), 0, 1, 0, 10, 20, 0x1000, 1}, /* what was there ended unseen */
        {700, 7, FREE(DEVICE, GS_CUDA_UNKNOWN), 0, 1, 0, 1, 0, 0x1000, 1},
        {710, 8, FREE(DEVICE, 0), 0, 1, 1, 1, 20, 0x1000, 1}, /* refused */
        {720, 9, ALLOC(DEVICE, 0), 0, 1, 1, 1, 999, 0x9000, 1},
    };
    static const uint64_t expected[][3] = {
        /* t, device, managed */
        {150, 100, 0}, {210, 100, 30}, {310, 100, 30}, {400, 0, 30}, {510, 60, 30}, {610, 20, 30},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_context(&c, 1, 50, 0);
    cap_end_records(&c);
    cap_cuda(&c, rows, 9);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->n_samples, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(u->samples[i].t_ns, expected[i][0]);
        assert_int_equal(u->samples[i].bytes[GS_CUDA_SHOWN_DEVICE], expected[i][1]);
        assert_int_equal(u->samples[i].bytes[GS_CUDA_SHOWN_MANAGED], expected[i][2]);
    }
    assert_int_equal(u->samples[2].bytes[GS_CUDA_SHOWN_HOST], 7);
    assert_int_equal(u->peak_bytes, 130);
    assert_int_equal(u->peak_t_ns, 210);
    assert_int_equal(u->live_bytes, 50);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_HOST], 7);
    assert_int_equal(u->peak_by_kind[GS_CUDA_SHOWN_DEVICE], 100);
    assert_int_equal(u->allocations, 5);
    assert_int_equal(u->frees, 1);
    assert_int_equal(u->failed, 1);
    assert_int_equal(u->unknown_frees, 1);
    assert_int_equal(u->lost_rows, 0);
    assert_int_equal(row_of(&p, "step")->peak_bytes, 100);
    assert_int_equal(row_of(&p, "step")->live_bytes, 20);
    assert_int_equal(row_of(&p, "step")->allocations, 2); /* page-locked memory is the host's */
    assert_int_equal(row_of(&p, "grow")->peak_bytes, 30);
    assert_int_equal(row_of(&p, "grow")->live_bytes, 30);
    gs_profile_free(&p);
    cap_close(&c);
}

/* All but handles of memory, and memory of others, goes with its context. */
static void a_context_takes_its_memory_along(void **state)
{
    const struct cap_cuda rows[] = {
        {100, 1, ALLOC(DEVICE, 0), 0, 1, 0, 1, 1, 0x1, 1},
        {110, 2, ALLOC(MANAGED, 0), 0, 1, 0, 1, 2, 0x2, 1},
        {120, 3, ALLOC(VMM, 0), 0, 1, 0, 1, 4, 0x3, 1},
        {130, 4, ALLOC(POOL, 0), 0, 1, 0, 1, 8, 0x4, 1},
        {140, 5, ALLOC(ARRAY, 0), 0, 1, 0, 1, 16, 0x5, 1},
        {150, 6, ALLOC(HOST, 0), 0, 1, 0, 1, 32, 0x6, 1},
        {160, 7, ALLOC(REGISTERED, 0), 0, 1, 0, 1, 64, 0x7, 1},
        {170, 8, ALLOC(GRAPH, 0), 0, 1, 0, 1, 128, 0x8, 1},
        {180, 9, ALLOC(IPC, 0), 0, 1, 0, 1, 256, 0x9, 1},
        {190, 10, ALLOC(DEVICE, 0), 0, 2, 0, 1, 512, 0xa, 1},  /* of another */
        {195, 11, ALLOC(DEVICE, 0), 0, 0, 0, 1, 1024, 0xb, 1}, /* nobody knows whose */
        {196, 12, FREE(VMM, 0), 0, 1, 0, 1, 0, 0x3, 1},        /* still mapped */
        {200, 13, CALL(CONTEXT_END, 0, 9), 0, 1, 0, 1, 251, 0, 1},
        {201, 14, CALL(CONTEXT_END, 0, 9), 0, 2, 4, 1, 0, 0, 1}, /* failed */
        {202, 15, CALL(CONTEXT_END, 0, 9), 0, 0, 0, 1, 0, 0, 1}, /* of none */
        {203, 16, CALL(CONTEXT_END, 0, 9), 0, 77, 0, 1, 0, 0, 1},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_context(&c, 1, 50, 0);
    put_context(&c, 2, 50, 3);
    cap_end_records(&c);
    cap_cuda(&c, rows, sizeof(rows) / sizeof(*rows));
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_DEVICE], 1536);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_MANAGED], 0);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_VMM], 4);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_POOL], 0);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_HOST], 0);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_IPC], 256);
    assert_int_equal(u->live_bytes, 1540);
    assert_int_equal(u->peak_bytes, 31 + 1536);
    assert_int_equal(u->allocations, 11);
    assert_int_equal(u->frees, 7);
    assert_int_equal(u->contexts[0].ended_ns, 200); /* the row says it */
    assert_int_equal(u->contexts[0].live_bytes, 4);
    assert_int_equal(u->contexts[0].peak_bytes, 31);
    assert_int_equal(u->contexts[1].ended_ns, -1);
    assert_int_equal(u->contexts[1].live_bytes, 512);
    assert_int_equal(u->contexts[1].device, 3);
    assert_true(u->contexts[1].primary);
    assert_int_equal(u->contexts[1].create_ns, 50);
    gs_profile_free(&p);
    cap_close(&c);
}

/* One address, twice: memory of others opened again, graphs that share an address. */
static void some_memory_may_come_again(void **state)
{
    const struct cap_cuda rows[] = {
        {100, 1, ALLOC(IPC, 0), 0, 1, 0, 1, 10, 0x1, 1},
        {110, 2, ALLOC(IPC, 0), 0, 1, 0, 1, 20, 0x1, 1},
        {120, 3, ALLOC(GRAPH, 0), 0, 1, 0, 1, 100, 0x1, 1},
        {130, 4, ALLOC(GRAPH, 0), 0, 2, 0, 1, 200, 0x1, 1},
        {140, 5, ALLOC(GRAPH, 0), 0, 1, 0, 1, 400, 0x1, 1},
        {150, 6, FREE(IPC, 0), 0, 1, 0, 1, 20, 0x1, 1},         /* the newest */
        {160, 7, CALL(CONTEXT_END, 0, 9), 0, 2, 0, 1, 0, 0, 1}, /* the one in the middle */
        {170, 8, FREE(GRAPH, 0), 0, 1, 0, 1, 400, 0x1, 1},
        {180, 9, ALLOC(HOST, 0), 0, 1, 0, 1, 7, 0x1, 1}, /* in the room of one that ended */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_end_records(&c);
    cap_cuda(&c, rows, sizeof(rows) / sizeof(*rows));
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_IPC], 10);
    assert_int_equal(u->peak_by_kind[GS_CUDA_SHOWN_IPC], 30);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_GRAPH], 100);
    assert_int_equal(u->peak_by_kind[GS_CUDA_SHOWN_GRAPH], 700);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_HOST], 7);
    assert_int_equal(u->live_bytes, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

/* What the agent summed up is exact, also when rows are lost. */
static void records_count_where_they_are(void **state)
{
    const struct cap_cuda rows[] = {
        {100, 1, ALLOC(DEVICE, 0), 0, 1, 0, 1, 100, 0x1, 1},
        {110, 5, ALLOC(POOL, 0), 0, 1, 0, 1, 10, 0x2, 1},
        {120, 6, ALLOC(HOST, 0), 0, 1, 0, 1, 3, 0x3, 1},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_context(&c, 1, 50, 0);
    put_context(&c, 2, 50, 0);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, 900, 1, GS_CUDA_KIND_DEVICE, 7, 2, 1, 500, 800);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, 800, 1, GS_CUDA_KIND_DEVICE, 1, 1, 1, 1, 1); /* older */
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, 900, 2, GS_CUDA_KIND_DEVICE, 2, 1, 0, 40, 60);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, 900, 1, GS_CUDA_KIND_MODULE, 9, 4, 0, 5000, 6000);
    CAP_REC(&c, GS_RECORD_CUDA_LIVE, 900, 1, 77, 9, 4, 0, 5000, 6000);
    CAP_REC(&c, GS_RECORD_CUDA_STATE, 900, 9, 4, 3, 2, 550, 900);
    CAP_REC(&c, GS_RECORD_CUDA_STATE, 899, 1, 1, 1, 1, 1, 1);
    cap_end_records(&c);
    cap_cuda(&c, rows, 3);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->live_bytes, 550);
    assert_int_equal(u->peak_bytes, 900);
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_DEVICE], 540);
    assert_int_equal(u->peak_by_kind[GS_CUDA_SHOWN_DEVICE], 800); /* of two: at least one's */
    assert_int_equal(u->by_kind[GS_CUDA_SHOWN_POOL], 10);         /* no record: rows */
    assert_int_equal(u->allocations, 9 + 1 + 1);
    assert_int_equal(u->frees, 3);
    assert_int_equal(u->failed, 1);
    assert_int_equal(u->modules_loaded, 9);
    assert_int_equal(u->modules_unloaded, 4);
    assert_int_equal(u->lost_rows, 6); /* 9 were given, 3 are here: more than it says */
    assert_int_equal(u->unknown_frees, 3);
    assert_int_equal(u->untracked, 2);
    assert_int_equal(u->contexts[0].live_bytes, 500);
    assert_int_equal(u->contexts[0].peak_bytes, 800);
    assert_int_equal(u->contexts[1].live_bytes, 40);
    assert_non_null(strstr(p.processes[0].notes, "CUDA: 6 calls are missing"));
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- what a context takes ---- */

static void the_machine_says_what_contexts_take(void **state)
{
    const struct cap_cuda rows[] = {
        {200, 1, ALLOC(DEVICE, 0), 0, 1, 0, 100, 40, 0x1, 1},  /* there from 300 on */
        {250, 2, ALLOC(MANAGED, 0), 0, 1, 0, 1, 1000, 0x2, 1}, /* need not be on the device */
        {400, 3, FREE(DEVICE, 0), 0, 1, 0, 1, 40, 0x1, 1},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_cuda_device(&c, 0, "H100", "0000:1b:00.0", 1000);
    put_context(&c, 2, 150, 0);
    put_context(&c, 1, 100, 0);
    put_context(&c, 3, 100, 1);
    CAP_REC(&c, GS_RECORD_CUDA_USED, 90, 0, 5);   /* before there was a context */
    CAP_REC(&c, GS_RECORD_CUDA_USED, 350, 0, 91); /* less 40: the least */
    CAP_REC(&c, GS_RECORD_CUDA_USED, 299, 0, 60);
    CAP_REC(&c, GS_RECORD_CUDA_USED, 400, 0, 70); /* as the block ended: without it */
    CAP_REC(&c, GS_RECORD_CUDA_USED, 600, 0, 1);  /* after they ended */
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, 1, 500);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, 2, 600);
    cap_end_records(&c);
    cap_cuda(&c, rows, 3);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->n_devices, 2);
    assert_string_equal(u->devices[0].name, "H100");
    assert_int_equal(u->devices[0].source, GS_CUDA_SOURCE_NVML);
    assert_int_equal(u->devices[0].context_bytes, 51);
    assert_int_equal(u->devices[0].n_contexts, 2);
    assert_int_equal(u->devices[0].used_bytes, 1);
    assert_int_equal(u->devices[0].allocated_bytes, 0);
    assert_int_equal(u->devices[1].source, GS_CUDA_SOURCE_UNKNOWN);
    assert_string_equal(u->devices[1].name, "");
    assert_int_equal(u->contexts[0].context, 1);
    assert_int_equal(u->contexts[0].context_bytes, 26); /* the rest to the first */
    assert_int_equal(u->contexts[1].context_bytes, 25);
    assert_int_equal(u->contexts[2].context_bytes, 0);
    assert_int_equal(u->contexts[1].ended_ns, 600);
    gs_profile_free(&p);
    cap_close(&c);
}

static void the_driver_says_it_where_the_machine_does_not(void **state)
{
    static const struct {
        uint64_t before, after, total, bytes;
        bool at_most;
        enum gs_cuda_source source;
    } cases[] = {
        {900, 600, 1000, 300, false, GS_CUDA_SOURCE_MEMINFO},
        {0, 600, 1000, 400, true, GS_CUDA_SOURCE_MEMINFO},
        {500, 600, 1000, 0, false, GS_CUDA_SOURCE_MEMINFO}, /* others let go meanwhile */
        {0, 600, 0, 0, false, GS_CUDA_SOURCE_UNKNOWN},
        {900, 0, 1000, 0, false, GS_CUDA_SOURCE_UNKNOWN},
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    for (uint64_t i = 0; i < 5; i++)
        CAP_REC(&c, GS_RECORD_CUDA_CONTEXT, i + 1, 50, i, 0, 1, 0, 0, 0, 0, 1);
    for (uint64_t i = 0; i < 5; i++) /* again, with more known */
        CAP_REC(&c, GS_RECORD_CUDA_CONTEXT, i + 1, 50, i, 0, 1, cases[i].before, cases[i].after,
                cases[i].total, 0, 99);
    cap_event(&c, 60, GS_EVENT_NO_NVML, "there is none");
    cap_end_records(&c);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(u->contexts[i].context_bytes, cases[i].bytes);
        assert_int_equal(u->contexts[i].at_most, cases[i].at_most);
        assert_int_equal(u->contexts[i].source, cases[i].source);
        assert_int_equal(u->devices[i].context_bytes, cases[i].bytes);
        assert_int_equal(u->devices[i].source, cases[i].source);
        assert_string_equal(p.frames[p.nodes[u->contexts[i].node].frame].func, "step");
    }
    assert_string_equal(u->no_nvml, "there is none");
    assert_int_equal(gs_cuda_totals(&p).context_bytes, 700);
    assert_int_equal(gs_cuda_totals(&p).devices, 5);
    gs_profile_free(&p);
    cap_close(&c);
}

/* Two at once, and a third when they have gone. */
static void contexts_one_after_another_are_no_sum(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    for (uint64_t i = 1; i <= 3; i++)
        CAP_REC(&c, GS_RECORD_CUDA_CONTEXT, i, 100 * i, 0, 0, 1, 900, 900 - 100 * i, 1000, 0, 1);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, 1, 250);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, 2, 260);
    CAP_REC(&c, GS_RECORD_CUDA_CONTEXT_END, 3, 270); /* before it began */
    cap_end_records(&c);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->contexts[0].context_bytes, 100);
    assert_int_equal(u->contexts[2].context_bytes, 300);
    assert_int_equal(u->devices[0].context_bytes, 300);
    assert_int_equal(u->devices[0].n_contexts, 3);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- calls ---- */

static void calls_add_up(void **state)
{
    const struct cap_cuda rows[] = {
        {100, 1, CALL(SYNC, HELD, 7), 0, 1, 0, 1000, 0, 0, 1},
        {5000, 2, CALL(SYNC, HELD, 7), 0, 1, 0, 500, 0, 0, 1},
        {6000, 3, CALL(SYNC, 0, 7), 0, 1, 0, 50, 0, 0, 1},
        {7000, 4, CALL(COPY, GS_CUDA_HAD, 8), 0, 1, 0, 30, 0, 0, 2},
        {8000, 5, CALL(OTHER, HELD, 9), 0, 1, 3, 20, 0, 0, 2}, /* no record names it */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_cuda_call(&c, 7, GS_CUDA_OP_SYNC, "cuStreamSynchronize",
                  (const uint64_t[]){9000, 40, 1, 2000, 30, 1700});
    cap_cuda_call(&c, 7, GS_CUDA_OP_SYNC, "cuStreamSynchronize",
                  (const uint64_t[]){8000, 1, 1, 1, 1, 1});
    cap_cuda_call(&c, 8, GS_CUDA_OP_COPY, "cuMemcpyDtoH_v2",
                  (const uint64_t[]){9000, 1, 0, 30, 0, 0});
    cap_cuda_call(&c, 5, GS_CUDA_OP_LAUNCH, "cuLaunchKernel",
                  (const uint64_t[]){9000, 1000, 0, 5000, 900, 4000});
    cap_end_records(&c);
    cap_cuda(&c, rows, 5);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->n_calls, 4);
    assert_string_equal(u->calls[0].name, "cuLaunchKernel");
    assert_string_equal(u->calls[1].name, "cuStreamSynchronize");
    assert_int_equal(u->calls[1].calls, 40);
    assert_null(u->calls[3].name);
    assert_int_equal(u->calls[3].failed, 1);
    assert_int_equal(u->calls[3].held_ns, 20);
    assert_int_equal(u->sync_ns, 2030);
    assert_int_equal(u->sync_under_gil_ns, 1700);
    assert_int_equal(u->under_gil_ns, 1700 + 4000 + 20);
    assert_int_equal(u->launches, 1000);
    assert_int_equal(u->launch_ns, 5000);
    assert_int_equal(u->n_held, 5);
    assert_int_equal(u->held[0].held_ns, 1500);
    assert_int_equal(u->held[0].count, 2);
    assert_int_equal(u->held[1].held_ns, 20);
    assert_int_equal(u->held[2].held_ns, 0); /* it had it, and let it go */
    assert_int_equal(u->held[2].ns, 30);
    assert_true(u->held[3].not_sampled && u->held[4].not_sampled);
    assert_int_equal(u->held[3].held_ns, 4000);
    assert_int_equal(u->held[4].op, GS_CUDA_OP_SYNC);
    assert_int_equal(u->held[4].held_ns, 200);
    assert_int_equal(u->held[4].count, 28);
    uint64_t held_ns = 0;
    for (size_t i = 0; i < p.n_cuda_held_rows; i++)
        held_ns += p.cuda_held_rows[i].held_ns;
    assert_int_equal(held_ns, u->under_gil_ns);
    gs_profile_free(&p);
    cap_close(&c);
}

/* A record's time and its only row's may differ by a ns: that is no call without a row. */
static void rounding_makes_no_call(void **state)
{
    const struct cap_cuda rows[] = {{100, 1, CALL(SYNC, HELD, 7), 0, 1, 0, 1000, 0, 0, 1}};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_cuda_call(&c, 7, GS_CUDA_OP_SYNC, "cuStreamSynchronize",
                  (const uint64_t[]){9000, 1, 0, 1001, 1, 1001});
    cap_end_records(&c);
    cap_cuda(&c, rows, 1);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->n_held, 1);
    assert_false(u->held[0].not_sampled);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- out of memory ---- */

static void out_of_memory_tells_who_has_it(void **state)
{
    struct cap_cuda rows[20] = {
        {100, 1, ALLOC(DEVICE, 0), 0, 1, 0, 1, 100, 0x1, 1},
        {110, 2, ALLOC(POOL, 0), 0, 1, 0, 1, 50, 0x2, 2},
        {120, 3, ALLOC(HOST, 0), 0, 1, 0, 1, 7777, 0x3, 2},
        {130, 4, ALLOC(DEVICE, 0), 0, 2, 0, 1, 3000, 0x4, 2}, /* another device's */
        {140, 5, ALLOC(DEVICE, 0), 0, 1, 1, 1, 9, 0, 2},      /* failed otherwise */
        {150, 6, ALLOC(POOL, 0), 0, 1, 2, 1, 999, 0, 2},
        {160, 7, ALLOC(DEVICE, 0), 0, 66, 2, 1, 998, 0, 1}, /* no record of the context */
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    for (uint64_t i = 7; i < 20; i++)
        rows[i] = (struct cap_cuda){200 + i, i + 1, ALLOC(DEVICE, 0), 0, 2, 2, 1, 1, 0, 1};
    begin(&c);
    put_context(&c, 1, 50, 0);
    put_context(&c, 2, 50, 1);
    cap_end_records(&c);
    cap_cuda(&c, rows, 20);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_int_equal(u->oom_count, 15);
    assert_int_equal(u->n_ooms, 10);
    assert_int_equal(u->failed, 16);
    assert_int_equal(u->ooms[0].t_ns, 150);
    assert_int_equal(u->ooms[0].asked_bytes, 999);
    assert_int_equal(u->ooms[0].device, 0);
    assert_int_equal(u->ooms[0].live_bytes, 150);
    assert_int_equal(u->ooms[0].n_top, 2);
    assert_int_equal(u->ooms[0].top[0].live_bytes, 100);
    assert_int_equal(u->ooms[0].top[1].live_bytes, 50);
    assert_int_equal(u->ooms[1].device, -1);
    assert_int_equal(u->ooms[1].live_bytes, 3150);
    assert_int_equal(u->ooms[1].top[0].live_bytes, 3050);
    gs_profile_free(&p);
    cap_close(&c);
}

/* ---- nothing, and why ---- */

static void nothing_recorded_is_no_cuda(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_null(p.processes[0].cuda);
    assert_int_equal(gs_cuda_totals(&p).processes, 0);
    gs_profile_free(&p);
    cap_close(&c);
}

static void why_there_is_nothing_is_kept(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    cap_event(&c, 5, GS_EVENT_NO_CUDA, "the driver was loaded before the agent");
    cap_event(&c, 6, GS_EVENT_NO_CUDA, "later");
    cap_end_records(&c);
    const struct gs_prof_cuda *u = profile_of(&c, &p);
    assert_string_equal(u->no_cuda, "the driver was loaded before the agent");
    assert_int_equal(u->n_samples, 0);
    assert_int_equal(u->n_devices, 0);
    assert_null(p.processes[0].notes);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_bytes_follow_rows),
        cmocka_unit_test(a_context_takes_its_memory_along),
        cmocka_unit_test(some_memory_may_come_again),
        cmocka_unit_test(records_count_where_they_are),
        cmocka_unit_test(the_machine_says_what_contexts_take),
        cmocka_unit_test(the_driver_says_it_where_the_machine_does_not),
        cmocka_unit_test(contexts_one_after_another_are_no_sum),
        cmocka_unit_test(calls_add_up),
        cmocka_unit_test(rounding_makes_no_call),
        cmocka_unit_test(out_of_memory_tells_who_has_it),
        cmocka_unit_test(nothing_recorded_is_no_cuda),
        cmocka_unit_test(why_there_is_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

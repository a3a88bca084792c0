/* SPDX-License-Identifier: MIT
 * Captures of two threads of which every number is known, and what whatif says of them. Header
 * only.
 */
#ifndef GS_WHATIF_CAPTURE_H
#define GS_WHATIF_CAPTURE_H

#include "analyzer/whatif/job.h"
#include "tests/unit/capture_builder.h"

#define MS   1000000u
#define LOCK 0x1000u

struct cap_sync {
    uint64_t t, thread, op, object, value, stack;
};

CAP_UNUSED void put_lock_event(struct cap *c, uint64_t kind, uint64_t types, const char *text)
{
    gs_record_begin(&c->w, GS_RECORD_EVENT);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, kind);
    gs_record_put_u(&c->w, types);
    cap_put_s(c, text);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Threads 0 and 1, and a stack of each. */
CAP_UNUSED void begin(struct cap *c, bool locks)
{
    cap_open(c, 7);
    cap_records(c);
    cap_process(c, 1000, 0, 1);
    cap_thread(c, 0, "MainThread");
    cap_thread(c, 1, "worker");
    cap_code(c, 1, "app.py", "run", 10);
    cap_stack2(c, 1, 1, 1);
    cap_code(c, 2, "app.py", "other", 30);
    cap_stack2(c, 2, 2, 1);
    if (locks)
        put_lock_event(c, GS_EVENT_LOCKS, GS_SYNC_LOCK | GS_SYNC_RLOCK, "");
}

/* Turns of the GIL one behind another, of threads 0 and 1 in turn, all of one length. Who is not
 * running waits. */
CAP_UNUSED void put_turns(struct cap *c, size_t n, uint64_t hold_ns)
{
    struct cap_row *rows = calloc(n, sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        bool waited = i > 1;
        rows[i] = (struct cap_row){
            .seq = i + 1,
            .t_acq = 1000 + i * hold_ns,
            .thread = i % 2,
            .flags = GS_SLICE_TURN | GS_SLICE_FORCED | (waited ? GS_SLICE_WAIT : 0),
            .hold = hold_ns,
            .hold_stack = 1 + i % 2,
            .wait = waited ? hold_ns : 0,
            .wait_ds = waited ? 1 : 0,
            .wait_stack = waited ? 1 : 0,
        };
    }
    cap_slices(c, rows, n);
    free(rows);
}

CAP_UNUSED void put_syncs(struct cap *c, const struct cap_sync *rows, size_t n)
{
    cap_columns(c, GS_STREAM_SYNC, (const uint64_t *)rows, n, 6);
}

CAP_UNUSED struct gs_whatif_job predict_as(const struct cap *c, const struct gs_calibration *with,
                                           uint32_t cores, struct gs_kind_options kind)
{
    struct gs_whatif_options options = {.target = gs_target_find("3.13t"),
                                        .calibration = with,
                                        .cores = cores,
                                        .jobs = 1,
                                        .engine = "cpu",
                                        .kind = kind};
    struct gs_captures captures = {0};
    struct gs_whatif_job job;
    struct gs_error err = {0};
    assert_int_equal(gs_captures_add(&captures, c->data, c->len, "unit", &err), GS_OK);
    gs_captures_sort(&captures);
    gs_whatif_build(&captures, &options, &job);
    gs_captures_close(&captures);
    assert_int_equal(job.n_processes, 1);
    return job;
}

CAP_UNUSED struct gs_whatif_job predict_with(const struct cap *c, const struct gs_calibration *with,
                                             uint32_t cores)
{
    return predict_as(c, with, cores, (struct gs_kind_options){0});
}

/* Nothing is unknown: s = 1, cores that do not slow each other. */
CAP_UNUSED struct gs_whatif_job predict_kind(const struct cap *c, uint32_t cores,
                                             struct gs_kind_options kind)
{
    static struct gs_calibration exact = {.n_cap = 4,
                                          .cap = {1, 2, 3, 4},
                                          .has_s = true,
                                          .target = "3.13t",
                                          .s = {1, 1, 1},
                                          .has_gc = true,
                                          .gc_ns = {40, 40, 40}};
    return predict_as(c, &exact, cores, kind);
}

CAP_UNUSED struct gs_whatif_job predict(const struct cap *c, uint32_t cores)
{
    return predict_kind(c, cores, (struct gs_kind_options){0});
}

/* Of the interpreter's work on two cores, whatever s: model.c. */
#define TOGETHER 1.04

CAP_UNUSED void near(double got, double wanted)
{
    if (!(got > wanted * 0.995 && got < wanted * 1.005))
        fail_msg("%f is not %f", got, wanted);
}

/* Each turn but its first and last 50 us is inside of one lock, which nobody waited for. */
CAP_UNUSED void begin_locked(struct cap *c)
{
    struct cap_sync rows[80];
    begin(c, true);
    cap_end_records(c);
    put_turns(c, 40, MS / 2);
    for (size_t i = 0; i < 40; i++) {
        uint64_t t = 1000 + i * (MS / 2);
        rows[2 * i] = (struct cap_sync){t + 50000, i % 2, GS_SYNC_ACQUIRED, LOCK, 100, 1};
        rows[2 * i + 1] = (struct cap_sync){t + 450000, i % 2, GS_SYNC_RELEASED, LOCK, 0, 1};
    }
    put_syncs(c, rows, 80);
}

#endif

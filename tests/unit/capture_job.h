/* SPDX-License-Identifier: MIT
 * Captures of the processes of one job, for tests of whatif. Header only.
 */
#ifndef GS_CAPTURE_JOB_H
#define GS_CAPTURE_JOB_H

#include "analyzer/whatif/job.h"
#include "tests/unit/capture_builder.h"

#define CAP_MS UINT64_C(1000000)

struct cap_image {
    uint32_t pid, ppid;
    uint64_t start;   /* ns */
    const char *word; /* of its command line, behind the interpreter */
};

/* A function of Python's own, in a file of that folder; its line is 10 times the id. */
CAP_UNUSED void cap_multiprocessing_code(struct cap *c, uint64_t id, const char *file,
                                         const char *function)
{
    char path[80];
    snprintf(path, sizeof(path), "/usr/lib/python3.12/multiprocessing/%s", file);
    cap_code(c, id, path, function, (int)(10 * id));
}

CAP_UNUSED void cap_process_of(struct cap *c, const struct cap_image *p)
{
    gs_record_begin(&c->w, GS_RECORD_PROCESS);
    gs_record_put_u(&c->w, p->pid);
    gs_record_put_u(&c->w, p->ppid);
    gs_record_put_z(&c->w, (int64_t)(1700000000000000000 + p->start));
    gs_record_put_u(&c->w, p->start);
    gs_record_put_u(&c->w, 0x030c02f0);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, "/usr/bin/python3");
    gs_record_put_u(&c->w, 2);
    cap_put_s(c, "python3");
    cap_put_s(c, p->word);
    cap_put_s(c, "host");
    cap_put_s(c, "0.1.0");
    for (unsigned i = 0; i < 3; i++)
        gs_record_put_u(&c->w, (const uint64_t[]){2, 2, 1}[i]); /* level, n_cpus, clock_kind */
    gs_record_put_u(&c->w, 1);
    cap_put_s(c, "level=2");
    if (gs_record_end(&c->w))
        c->n_records++;
}

CAP_UNUSED void cap_main_thread(struct cap *c, uint32_t pid, const char *name)
{
    gs_record_begin(&c->w, GS_RECORD_THREAD);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, pid);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, "python3");
    cap_put_s(c, name);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* What threads do with locks is recorded. */
CAP_UNUSED void cap_locks(struct cap *c)
{
    gs_record_begin(&c->w, GS_RECORD_EVENT);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, GS_EVENT_LOCKS);
    gs_record_put_u(&c->w, GS_SYNC_LOCK | GS_SYNC_RLOCK);
    cap_put_s(c, "");
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Nothing is unknown: s = 1, cores that do not slow each other. */
CAP_UNUSED struct gs_whatif_job cap_whatif(const struct cap *caps, size_t n, uint32_t cores)
{
    static struct gs_calibration exact = {
        .n_cap = 4, .cap = {1, 2, 3, 4}, .has_s = true, .target = "3.13t", .s = {1, 1, 1}};
    struct gs_whatif_options options = {.target = gs_target_find("3.13t"),
                                        .calibration = &exact,
                                        .cores = cores,
                                        .jobs = 1,
                                        .engine = "cpu"};
    struct gs_captures captures = {0};
    struct gs_whatif_job job;
    struct gs_error err = {0};
    for (size_t i = 0; i < n; i++)
        if (gs_captures_add(&captures, caps[i].data, caps[i].len, "unit", &err) != GS_OK)
            abort();
    gs_captures_sort(&captures);
    gs_whatif_build(&captures, &options, &job);
    gs_captures_close(&captures);
    return job;
}

#endif

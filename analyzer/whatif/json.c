/* SPDX-License-Identifier: MIT
 * gilscope whatif --json. Numbers of speed are JSON numbers with three decimals, null where nothing
 * may be said.
 */
#include <math.h>

#include "analyzer/json_writer.h"
#include "analyzer/whatif/job.h"

static void kv_ratio(struct gs_json *j, const char *key, double v)
{
    gs_json_key(j, key);
    if (isnan(v) || v > 1e9)
        gs_json_null(j);
    else
        gs_json_milli(j, (uint64_t)(v * 1000 + 0.5));
}

static void put_speedup(struct gs_json *j, const struct gs_speedup *at)
{
    kv_ratio(j, "s_max", at->s_max);
    kv_ratio(j, "s_cond_min", at->s_cond_min);
    kv_ratio(j, "s_p10", at->p10);
    kv_ratio(j, "s_p50", at->p50);
    kv_ratio(j, "s_p90", at->p90);
    gs_json_kv_u64(j, "cores", at->cores);
}

static void put_curve(struct gs_json *j, const struct gs_whatif *w)
{
    gs_json_key(j, "curve");
    gs_json_begin_array(j);
    for (size_t i = 0; i < w->n_curve; i++) {
        gs_json_begin_object_inline(j);
        put_speedup(j, &w->curve[i]);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_drivers(struct gs_json *j, const struct gs_whatif *w)
{
    static const char *const keys[GS_N_UNKNOWNS] = {"s",    "threads", "cap",
                                                    "wake", "policy",  "latency"};
    gs_json_key(j, "driven_by");
    gs_json_begin_object(j);
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++)
        kv_ratio(j, keys[d], w->driven_by[d]);
    gs_json_end_object(j);
}

static void put_changes(struct gs_json *j, const struct gs_whatif *w)
{
    gs_json_key(j, "what_if");
    gs_json_begin_array(j);
    for (size_t i = 0; i < w->n_changes; i++) {
        gs_json_begin_object_inline(j);
        gs_json_kv_string(j, "what", w->changes[i].what);
        kv_ratio(j, "s", w->changes[i].s);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_migration(struct gs_json *j, const struct gs_whatif *w)
{
    gs_json_key(j, "migration");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "gil_wait_ns", w->gil_wait_ns);
    gs_json_kv_u64(j, "lock_wait_ns", w->lock_wait_ns);
    gs_json_kv_u64(j, "queue_wait_ns", w->queue_wait_ns);
    gs_json_kv_u64(j, "wake_wait_ns", w->wake_wait_ns);
    gs_json_end_object(j);
}

/* The keys of a process; the first process's stand at the top, too. */
static void put_prediction(struct gs_json *j, const struct gs_whatif_options *options,
                           const struct gs_whatif_process *p)
{
    static const char *const grades[] = {"A", "B", "C"};
    const struct gs_whatif *w = &p->prediction;
    const char *why = w->why_not ? w->why_not : p->why_not;
    put_speedup(j, &w->at);
    kv_ratio(j, "s_max_if_not_faster", w->s_max_if_not_faster);
    gs_json_kv_string(j, "grade", grades[why ? GS_GRADE_C : w->grade]);
    gs_json_kv_string(j, "mode", gs_whatif_is_calibrated(options) ? "calibrated" : "prior");
    gs_json_kv_string(j, "verdict", gs_verdict_names[why ? GS_VERDICT_INSUFFICIENT : w->verdict]);
    gs_json_kv_string(j, "why_not", why);
    gs_json_kv_string(j, "limited_by", w->limited_by);
    gs_json_kv_u64(j, "break_even_cores", w->break_even_cores);
    kv_ratio(j, "core_time", w->core_time);
    put_curve(j, w);
    put_drivers(j, w);
    put_migration(j, w);
    kv_ratio(j, "s_median", w->s_median);
    put_changes(j, w);
}

static void put_process(struct gs_json *j, const struct gs_whatif_options *options,
                        const struct gs_whatif_process *p)
{
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "pid", p->pid);
    gs_json_kv_string(j, "command", p->command);
    gs_json_kv_u64(j, "threads", p->n_threads);
    gs_json_kv_u64(j, "wall_ns", p->wall_ns);
    gs_json_kv_u64(j, "py_ns", p->py_ns);
    gs_json_kv_u64(j, "native_ns", p->native_ns);
    gs_json_kv_u64(j, "latency_ns", p->latency_ns);
    gs_json_kv_u64(j, "blocked_ns", p->blocked_ns);
    gs_json_kv_u64(j, "gil_wait_ns", p->gil_wait_ns);
    gs_json_key(j, "extensions");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_extensions; i++)
        gs_json_string(j, p->extensions[i]);
    gs_json_end_array(j);
    put_prediction(j, options, p);
    gs_json_end_object(j);
}

bool gs_whatif_json(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out)
{
    struct gs_json j;
    gs_json_init(&j, out, true);
    gs_json_begin_object(&j);
    gs_json_kv_string(&j, "target", options->target->name);
    if (job->n_processes)
        put_prediction(&j, options, &job->processes[0]);
    gs_json_key(&j, "multiprocess_tax");
    gs_tax_json(&j, &job->tax, NULL);
    gs_json_key(&j, "job");
    gs_merged_json(&j, &job->merged);
    gs_json_key(&j, "processes");
    gs_json_begin_array(&j);
    for (size_t i = 0; i < job->n_processes; i++)
        put_process(&j, options, &job->processes[i]);
    gs_json_end_array(&j);
    gs_json_end_object(&j);
    return gs_json_finish(&j);
}

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
    static const char *const keys[GS_N_UNKNOWNS] = {"s",     "threads", "cap",     "wake",
                                                    "slice", "policy",  "latency", "gc"};
    gs_json_key(j, "driven_by");
    gs_json_begin_object(j);
    for (unsigned d = 0; d < GS_N_UNKNOWNS; d++)
        kv_ratio(j, keys[d], w->driven_by[d]);
    gs_json_end_object(j);
}

/* of: the report that it is a part of, NULL where it is alone */
static void put_node(struct gs_json *j, const struct gs_stack_text *stack,
                     const struct gs_profile *of)
{
    if (of)
        gs_json_kv_u64(j, "node", gs_stack_text_find(stack, of));
}

static void put_changes(struct gs_json *j, const struct gs_whatif *w, const struct gs_profile *of)
{
    gs_json_key(j, "what_if");
    gs_json_begin_array(j);
    for (size_t i = 0; i < w->n_changes; i++) {
        gs_json_begin_object_inline(j);
        gs_json_kv_string(j, "what", w->changes[i].what);
        kv_ratio(j, "s", w->changes[i].s);
        kv_ratio(j, "now", w->changes[i].now);
        put_node(j, w->changes[i].stack, of);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_part(struct gs_json *j, const struct gs_time_part *part,
                     const struct gs_profile *of)
{
    gs_json_begin_object_inline(j);
    gs_json_kv_string(j, "kind", gs_time_keys[part->kind]);
    gs_json_kv_string(j, "what", part->what);
    gs_json_kv_i64(j, "became_ns", part->became_ns);
    gs_json_kv_i64(j, "recorded_ns", part->recorded_ns);
    gs_json_kv_i64(j, "predicted_ns", part->predicted_ns);
    put_node(j, part->stack, of);
    gs_json_end_object(j);
}

/* No parts where the median replay came to a standstill: what it did is not what would be. */
static void put_migration(struct gs_json *j, const struct gs_whatif *w, const struct gs_profile *of)
{
    const struct gs_migration *m = &w->migration;
    gs_json_key(j, "migration");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "gil_wait_ns", m->gil_wait_ns);
    gs_json_kv_u64(j, "lock_wait_ns", m->lock_wait_ns);
    gs_json_kv_u64(j, "queue_wait_ns", m->channel_wait_ns);
    gs_json_kv_u64(j, "wake_wait_ns", m->other_wait_ns);
    gs_json_kv_u64(j, "makespan_ns", m->makespan_ns);
    gs_json_key(j, "parts");
    gs_json_begin_array(j);
    for (size_t i = 0; i < m->n_parts; i++)
        put_part(j, &m->parts[i], of);
    gs_json_end_array(j);
    gs_json_kv_u64(j, "gc_ns", w->gc_ns);
    gs_json_end_object(j);
}

static void kv_latency(struct gs_json *j, const char *key, const struct gs_latency *l)
{
    gs_json_key(j, key);
    gs_json_begin_object_inline(j);
    kv_ratio(j, "p50", l->p50 / 1e6);
    kv_ratio(j, "p90", l->p90 / 1e6);
    kv_ratio(j, "p99", l->p99 / 1e6);
    gs_json_end_object(j);
}

static void put_kind(struct gs_json *j, const struct gs_whatif_process *p)
{
    const struct gs_whatif *w = &p->prediction;
    bool arrivals = p->kind == GS_KIND_ARRIVALS;
    gs_json_kv_string(j, "kind", gs_kind_names[p->kind]);
    gs_json_key(j, "progress");
    gs_json_begin_object(j);
    gs_json_kv_string(j, "what", p->progress);
    gs_json_kv_u64(j, "marks", p->n_marks);
    kv_ratio(j, "recorded_per_s", p->has_program ? w->per_s : NAN);
    kv_ratio(j, "most_per_s_with_gil", arrivals && p->has_program ? w->gil_per_s : NAN);
    gs_json_end_object(j);
    gs_json_key(j, "latency_ms");
    if (!arrivals || !p->has_program) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    kv_latency(j, "recorded", &w->recorded);
    kv_latency(j, "with_gil", &w->with_gil);
    kv_latency(j, "without", &w->without);
    gs_json_end_object(j);
}

static void put_measured(struct gs_json *j, const struct gs_calibration *c)
{
    gs_json_key(j, "measured");
    gs_json_begin_array(j);
    if (c)
        gs_json_string(j, "cap");
    if (c && c->has_s)
        gs_json_string(j, "s");
    if (c && c->has_threads)
        gs_json_string(j, "threads");
    if (c && c->has_wake)
        gs_json_string(j, "wake");
    if (c && c->has_gc)
        gs_json_string(j, "gc");
    gs_json_end_array(j);
}

/* The keys of a process; the first process's stand at the top, too. */
static void put_prediction(struct gs_json *j, const struct gs_whatif_options *options,
                           const struct gs_whatif_process *p, const struct gs_profile *of)
{
    static const char *const grades[] = {"A", "B", "C"};
    const struct gs_whatif *w = &p->prediction;
    const char *why = w->why_not ? w->why_not : p->why_not;
    put_speedup(j, &w->at);
    kv_ratio(j, "s_max_if_not_faster", w->s_max_if_not_faster);
    gs_json_kv_string(j, "grade", grades[why ? GS_GRADE_C : w->grade]);
    gs_json_kv_string(j, "mode", gs_whatif_is_calibrated(options) ? "calibrated" : "prior");
    gs_json_kv_string(j, "verdict", gs_verdict_names[p->verdict]);
    kv_ratio(j, "verdict_share", why ? NAN : w->verdict_share);
    gs_json_kv_string(j, "why_not", why);
    gs_json_kv_string(j, "limited_by", w->limited_by);
    gs_json_kv_u64(j, "break_even_cores", w->break_even_cores);
    kv_ratio(j, "core_time", w->core_time);
    kv_ratio(j, "replayed", w->replayed);
    put_kind(j, p);
    put_curve(j, w);
    put_drivers(j, w);
    kv_ratio(j, "driven_by_none", w->driven_by_none);
    gs_json_key(j, "if_gil_is_back");
    gs_json_begin_object_inline(j);
    kv_ratio(j, "s_p10", p->has_program ? w->if_gil_is_back.p10 : NAN);
    kv_ratio(j, "s_p50", p->has_program ? w->if_gil_is_back.p50 : NAN);
    kv_ratio(j, "s_p90", p->has_program ? w->if_gil_is_back.p90 : NAN);
    gs_json_end_object(j);
    put_migration(j, w, of);
    kv_ratio(j, "s_median", w->s_median);
    put_changes(j, w, of);
}

static void put_extensions(struct gs_json *j, const struct gs_whatif_process *p)
{
    gs_json_key(j, "extension_modules");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_extensions; i++) {
        gs_json_begin_object_inline(j);
        gs_json_kv_string(j, "path", p->extensions[i].path);
        gs_json_kv_string(j, "gil", gs_gil_answer_keys[p->extensions[i].answer]);
        gs_json_kv_string(j, "why", p->extensions[i].why);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static int64_t index_of(const struct gs_profile *of, const struct gs_whatif_process *p)
{
    for (size_t i = 0; i < of->n_processes; i++)
        if (of->processes[i].key == p->key)
            return (int64_t)i;
    return -1;
}

static void put_process(struct gs_json *j, const struct gs_whatif_options *options,
                        const struct gs_whatif_process *p, const struct gs_profile *of)
{
    gs_json_begin_object(j);
    if (of)
        gs_json_kv_i64(j, "process", index_of(of, p));
    gs_json_kv_u64(j, "pid", p->pid);
    gs_json_kv_string(j, "command", p->command);
    gs_json_kv_u64(j, "threads", p->n_threads);
    gs_json_kv_u64(j, "wall_ns", p->wall_ns);
    gs_json_kv_u64(j, "py_ns", p->py_ns);
    gs_json_kv_u64(j, "native_ns", p->native_ns);
    gs_json_kv_u64(j, "latency_ns", p->latency_ns);
    gs_json_kv_u64(j, "blocked_ns", p->blocked_ns);
    gs_json_kv_u64(j, "gil_wait_ns", p->gil_wait_ns);
    gs_json_kv_u64(j, "gc_ns", p->gc_ns);
    gs_json_key(j, "extensions");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_extensions; i++)
        gs_json_string(j, p->extensions[i].path);
    gs_json_end_array(j);
    put_extensions(j, p);
    put_prediction(j, options, p, of);
    gs_json_end_object(j);
}

static void put_job(struct gs_json *j, const struct gs_whatif_job *job,
                    const struct gs_whatif_options *options, const struct gs_profile *of)
{
    gs_json_begin_object(j);
    gs_json_kv_string(j, "target", options->target->name);
    gs_json_kv_string(j, "engine", job->engine);
    put_measured(j, options->calibration);
    if (job->n_processes && !of)
        put_prediction(j, options, &job->processes[0], of);
    gs_whatif_memory_json(&job->memory, j);
    uint64_t copies_bytes = gs_whatif_duplicated_bytes(&job->memory);
    gs_json_key(j, "multiprocess_tax");
    gs_tax_json(j, &job->tax, job->memory.why_not ? NULL : &copies_bytes);
    gs_json_key(j, "job");
    gs_merged_json(j, &job->merged);
    gs_json_key(j, "processes");
    gs_json_begin_array(j);
    for (size_t i = 0; i < job->n_processes; i++)
        put_process(j, options, &job->processes[i], of);
    gs_json_end_array(j);
    gs_json_end_object(j);
}

void gs_savings_json(struct gs_json *j, const struct gs_savings *s, const struct gs_profile *p)
{
    gs_json_key(j, "savings");
    put_job(j, s->job, s->options, p);
}

bool gs_whatif_json(const struct gs_whatif_job *job, const struct gs_whatif_options *options,
                    FILE *out)
{
    struct gs_json j;
    gs_json_init(&j, out, true);
    put_job(&j, job, options, NULL);
    return gs_json_finish(&j);
}

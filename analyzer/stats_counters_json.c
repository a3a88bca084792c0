/* SPDX-License-Identifier: MIT
 * "counters" of one process, and what the report has beyond them.
 */
#include <stdlib.h>

#include "analyzer/stats.h"
#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

#define TOP_STACKS 20 /* of each event */

static const char *const state_keys[GS_N_COUNTS_STATES] = {"holding", "waiting", "off_gil"};

static const char *source_key(uint32_t source)
{
    switch (source) {
    case GS_COUNTER_KERNEL:
        return "kernel";
    case GS_COUNTER_PERF:
        return "perf";
    case GS_COUNTER_PERF_USER:
        return "perf_user";
    default:
        return "none";
    }
}

static void put_events(struct gs_json *j, const struct gs_prof_counters *c)
{
    gs_json_key(j, "events");
    gs_json_begin_array(j);
    for (size_t i = 0; i < c->n_counters; i++) {
        const struct gs_prof_counter *one = &c->counters[i];
        gs_json_begin_object(j);
        gs_json_kv_string(j, "event", one->name);
        gs_json_kv_string(j, "source", source_key(one->source));
        if (one->source == GS_COUNTER_NONE)
            gs_json_kv_string(j, "why_not", one->why_not);
        gs_json_kv_u64(j, "count", gs_counters_all(c, i));
        for (int s = 0; s < GS_N_COUNTS_STATES; s++)
            gs_json_kv_u64(j, state_keys[s], gs_counters_in(c, i, (enum gs_counts_state)s));
        gs_json_kv_u64(j, "untold", gs_counters_untold(c, i));
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_counts(struct gs_json *j, const struct gs_prof_counters *c,
                       const struct gs_prof_counts *one)
{
    gs_json_begin_object(j);
    gs_json_kv_string(j, "event", c->counters[one->at].name);
    gs_json_kv_i64(j, "thread", one->thread);
    gs_json_kv_u64(j, "tid", one->tid);
    gs_json_kv_u64(j, "count", one->count);
    gs_json_kv_u64(j, "scaled", gs_counts_scaled(one, one->count));
    gs_json_kv_u64(j, "enabled_ns", one->enabled_ns);
    gs_json_kv_u64(j, "running_ns", one->running_ns);
    for (int s = 0; s < GS_N_COUNTS_STATES; s++)
        gs_json_kv_u64(j, state_keys[s], one->in[s]);
    gs_json_kv_u64(j, "shared", one->shared);
    gs_json_end_object(j);
}

static void put_ipc(struct gs_json *j, const struct gs_prof_counters *c)
{
    uint64_t thousandths;
    gs_json_key(j, "instructions_per_cycle");
    gs_json_begin_object(j);
    for (int s = 0; s < GS_N_COUNTS_STATES; s++) {
        if (!gs_counters_ipc(c, (enum gs_counts_state)s, &thousandths))
            continue;
        gs_json_key(j, state_keys[s]);
        gs_json_milli(j, thousandths);
    }
    gs_json_end_object(j);
}

static void put_stack(struct gs_json *j, const struct gs_profile *p,
                      const struct gs_prof_count_row *row)
{
    gs_json_begin_object(j);
    gs_json_kv_string(j, "event", p->processes[row->process].counters->counters[row->at].name);
    gs_stats_json_stack(j, p, row->node);
    for (int s = 0; s < GS_N_COUNTS_STATES; s++)
        gs_json_kv_u64(j, state_keys[s], row->in[s]);
    gs_json_kv_u64(j, "estimated", row->estimated);
    gs_json_end_object(j);
}

/* Those with most of each event, event by event. */
static void put_stacks(struct gs_json *j, const struct gs_profile *p, size_t process)
{
    gs_json_key(j, "stacks");
    gs_json_begin_array(j);
    for (size_t at = 0; at < p->processes[process].counters->n_counters; at++) {
        size_t n;
        struct gs_prof_count_row *rows = gs_count_rows_of(p, process, at, &n);
        for (size_t i = 0; i < n && i < TOP_STACKS; i++)
            put_stack(j, p, &rows[i]);
        free(rows);
    }
    gs_json_end_array(j);
}

void gs_stats_json_counters(struct gs_json *j, const struct gs_profile *profile, size_t process,
                            bool with_report_parts)
{
    const struct gs_prof_process *p = &profile->processes[process];
    const struct gs_prof_counters *c = p->counters;
    if (!c)
        return;
    int64_t switches = gs_counters_find(c, "context-switches");
    gs_json_key(j, "counters");
    gs_json_begin_object(j);
    put_events(j, c);
    gs_json_key(j, "threads");
    gs_json_begin_array(j);
    for (size_t i = 0; i < c->n_counts; i++)
        if (c->counts[i].thread >= 0)
            put_counts(j, c, &c->counts[i]);
    gs_json_end_array(j);
    if (!with_report_parts) /* the report has all rows */
        put_stacks(j, profile, process);
    put_ipc(j, c);
    if (switches >= 0 && p->gil.contended) {
        unsigned __int128 n = gs_counters_in(c, (size_t)switches, GS_COUNTS_WAITING);
        gs_json_key(j, "switches_per_handoff");
        gs_json_milli(j, (uint64_t)(n * 1000 / p->gil.contended));
    }
    gs_json_end_object(j);
}

void gs_report_json_counters(struct gs_json *j, const struct gs_profile *p)
{
    const struct gs_prof_count_row *rows = p->count_rows;
    size_t n = p->n_count_rows;
    gs_json_key(j, "count_rows");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", rows, n, process);
    GS_JSON_COLUMN(j, "event", rows, n, at);
    GS_JSON_COLUMN(j, "node", rows, n, node);
    GS_JSON_COLUMN(j, "holding", rows, n, in[GS_COUNTS_HOLDING]);
    GS_JSON_COLUMN(j, "waiting", rows, n, in[GS_COUNTS_WAITING]);
    GS_JSON_COLUMN(j, "off_gil", rows, n, in[GS_COUNTS_OFF_GIL]);
    GS_JSON_COLUMN(j, "estimated", rows, n, estimated);
    gs_json_end_object(j);
}

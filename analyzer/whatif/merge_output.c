/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/json_writer.h"
#include "analyzer/whatif/merge.h"

static const char *why_of(const struct gs_merged *m)
{
    return m->why_not ? m->why_not : m->prediction.why_not;
}

static void kv_ratio(struct gs_json *j, const char *key, double v)
{
    gs_json_key(j, key);
    if (isnan(v) || v > 1e9)
        gs_json_null(j);
    else
        gs_json_milli(j, (uint64_t)(v * 1000 + 0.5));
}

void gs_merged_json(struct gs_json *j, const struct gs_merged *m)
{
    static const char *const grades[] = {"A", "B", "C"};
    const struct gs_whatif *w = &m->prediction;
    bool says = m->has_program;
    if (!m->n_processes) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "processes", m->n_processes);
    gs_json_kv_u64(j, "other_processes", m->n_others);
    gs_json_kv_u64(j, "threads", m->n_threads);
    gs_json_kv_u64(j, "cores", w->at.cores);
    gs_json_kv_u64(j, "wall_ns", m->wall_ns);
    gs_json_kv_u64(j, "replayed_ns", m->replayed_ns);
    gs_json_kv_u64(j, "matched_messages", m->matched);
    gs_json_kv_u64(j, "unmatched_wait_ns", m->unmatched_ns);
    kv_ratio(j, "s_max", says ? w->at.s_max : NAN);
    kv_ratio(j, "s_p10", says ? w->at.p10 : NAN);
    kv_ratio(j, "s_p50", says ? w->at.p50 : NAN);
    kv_ratio(j, "s_p90", says ? w->at.p90 : NAN);
    gs_json_kv_string(j, "grade", grades[why_of(m) || !says ? GS_GRADE_C : GS_GRADE_B]);
    gs_json_kv_string(j, "why_not", why_of(m));
    gs_json_end_object(j);
}

void gs_merged_text(const struct gs_merged *m, FILE *out)
{
    const struct gs_whatif *w = &m->prediction;
    if (!m->n_processes)
        return;
    fprintf(out, "\n%zu processes as threads of one, %zu threads in all\n", m->n_processes,
            m->n_threads);
    if (m->has_program)
        fprintf(
            out,
            "  recorded  %s; as processes, replayed on %u cores: %s; %s messages between them\n",
            gs_fmt_ns(m->wall_ns).s, w->at.cores, gs_fmt_ns(m->replayed_ns).s,
            gs_fmt_count(m->matched).s);
    if (!why_of(m)) {
        fprintf(out, "  estimate  S %.2f [p10 %.2f, p90 %.2f], grade B: %s\n", w->at.p50, w->at.p10,
                w->at.p90, gs_verdict_names[w->verdict]);
        return;
    }
    char *safe = gs_fmt_safe(why_of(m), 0);
    fprintf(out, "  no estimate, grade C: %s\n", safe);
    free(safe);
}

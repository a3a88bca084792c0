/* SPDX-License-Identifier: MIT
 * The memory part of contract.md: "memory" of each process, and of the job.
 */
#include <stdlib.h>

#include "analyzer/memory_totals.h"
#include "analyzer/stats.h"

#define TOP_STACKS 20

static void kv_text_or_null(struct gs_json *j, const char *key, const char *s)
{
    gs_json_key(j, key);
    if (s)
        gs_json_string(j, s);
    else
        gs_json_null(j);
}

static void put_samples(struct gs_json *j, const struct gs_prof_memory *m)
{
    gs_json_key(j, "samples");
    gs_json_begin_array(j);
    for (size_t i = 0; i < m->n_samples; i++) {
        const struct gs_prof_memory_sample *s = &m->samples[i];
        gs_json_begin_object_inline(j);
        gs_json_kv_u64(j, "t_ns", s->t_ns);
        gs_json_kv_u64(j, "arenas", s->arenas);
        gs_json_kv_u64(j, "arena_bytes", s->arena_bytes);
        gs_json_kv_u64(j, "pool_used_bytes", s->pool_used_bytes);
        gs_json_kv_u64(j, "pool_free_bytes", s->pool_free_bytes);
        gs_json_kv_u64(j, "pinned_free_bytes", s->pinned_free_bytes);
        gs_json_kv_u64(j, "rss_bytes", s->rss_bytes);
        gs_json_kv_u64(j, "file_rss_bytes", s->file_rss_bytes);
        gs_json_kv_u64(j, "chunk_bytes", s->chunk_bytes);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
    gs_json_kv_u64(j, "peak_arena_bytes", m->n_samples ? m->samples[m->peak].arena_bytes : 0);
}

static void put_classes(struct gs_json *j, const struct gs_prof_memory *m)
{
    gs_json_key(j, "size_classes");
    gs_json_begin_array(j);
    for (size_t i = 0; i < m->n_classes; i++) {
        gs_json_begin_object_inline(j);
        gs_json_kv_u64(j, "size_bytes", m->classes[i].size_bytes);
        gs_json_kv_u64(j, "pools", m->classes[i].pools);
        gs_json_kv_u64(j, "blocks_used", m->classes[i].blocks_used);
        gs_json_kv_u64(j, "blocks_total", m->classes[i].blocks_total);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_maps(struct gs_json *j, const struct gs_prof_memory *m)
{
    gs_json_kv_u64(j, "rss_bytes", m->rss_bytes);
    gs_json_kv_u64(j, "pss_bytes", m->pss_bytes);
    gs_json_kv_u64(j, "anonymous_bytes", m->anonymous_bytes);
    gs_json_kv_u64(j, "uss_bytes", m->uss_bytes);
    gs_json_kv_u64(j, "swap_bytes", m->swap_bytes);
    gs_json_key(j, "explained");
    gs_json_begin_array(j);
    for (size_t i = 0; i < GS_N_EXPLAINED; i++) {
        if (!m->explained[i])
            continue;
        gs_json_begin_object_inline(j);
        gs_json_kv_string(j, "what", gs_explained_keys[i]);
        gs_json_kv_u64(j, "bytes", m->explained[i]);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
    gs_json_kv_i64(j, "unexplained_bytes", m->unexplained_bytes);
}

static void put_alloc_stacks(struct gs_json *j, const struct gs_profile *p, size_t process,
                             bool report)
{
    size_t n;
    struct gs_prof_alloc_row *rows = gs_memory_top_pinners(p, process, &n);
    gs_json_key(j, "stacks");
    gs_json_begin_array(j);
    for (size_t i = 0; i < n && i < TOP_STACKS; i++) {
        gs_json_begin_object(j);
        gs_stats_json_stack(j, p, rows[i].node);
        if (report)
            gs_json_kv_u64(j, "node", rows[i].node);
        gs_json_kv_u64(j, "live_bytes", rows[i].live_bytes);
        gs_json_kv_u64(j, "live_blocks", rows[i].live_blocks);
        gs_json_kv_u64(j, "pinned_bytes", rows[i].pinned_bytes);
        gs_json_kv_u64(j, "samples", rows[i].samples);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
    free(rows);
}

static void put_alloc(struct gs_json *j, const struct gs_profile *p, size_t process, bool report)
{
    const struct gs_prof_alloc *a = p->processes[process].memory->alloc;
    gs_json_key(j, "alloc");
    if (!a) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "mean_bytes", a->mean_bytes);
    gs_json_kv_u64(j, "samples", a->samples);
    gs_json_kv_u64(j, "lost_allocs", a->lost_allocs);
    gs_json_kv_u64(j, "lost_frees", a->lost_frees);
    gs_json_kv_u64(j, "live_samples", a->live_samples);
    gs_json_kv_u64(j, "live_bytes", a->live_bytes);
    gs_json_kv_u64(j, "pinned_bytes", a->pinned_bytes);
    kv_text_or_null(j, "no_allocs", a->no_allocs);
    put_alloc_stacks(j, p, process, report);
    gs_json_end_object(j);
}

void gs_stats_json_memory(struct gs_json *j, const struct gs_profile *p, size_t process,
                          bool with_report_parts)
{
    const struct gs_prof_memory *m = p->processes[process].memory;
    gs_json_key(j, "memory");
    if (!m) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    put_samples(j, m);
    put_classes(j, m);
    put_maps(j, m);
    kv_text_or_null(j, "no_arenas", m->no_arenas);
    put_alloc(j, p, process, with_report_parts);
    gs_json_end_object(j);
}

void gs_stats_json_job_memory(struct gs_json *j, const struct gs_profile *p)
{
    struct gs_memory_totals t = gs_memory_totals(p);
    gs_json_key(j, "memory");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "processes", t.processes);
    gs_json_kv_u64(j, "arena_bytes", t.arena_bytes);
    gs_json_kv_u64(j, "pool_used_bytes", t.pool_used_bytes);
    gs_json_kv_u64(j, "pinned_free_bytes", t.pinned_free_bytes);
    gs_json_kv_u64(j, "rss_bytes", t.rss_bytes);
    gs_json_kv_u64(j, "pss_bytes", t.pss_bytes);
    gs_json_kv_u64(j, "uss_bytes", t.uss_bytes);
    gs_json_end_object(j);
}

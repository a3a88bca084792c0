/* SPDX-License-Identifier: MIT
 * The CUDA part of contract.md: "cuda" of each process, and of the job.
 */
#include <stdlib.h>

#include "analyzer/cuda_totals.h"
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

static void kv_taken(struct gs_json *j, const char *key, char *s)
{
    gs_json_kv_string(j, key, s);
    free(s);
}

struct writer {
    struct gs_json *j;
    const struct gs_profile *p;
    const struct gs_prof_cuda *c;
    bool report;
};

static void put_stack(const struct writer *w, uint32_t node)
{
    gs_stats_json_stack(w->j, w->p, node);
    if (w->report)
        gs_json_kv_u64(w->j, "node", node);
}

/* ---- devices and contexts ---- */

static void put_device(const struct writer *w, const struct gs_prof_cuda_device *d)
{
    gs_json_begin_object(w->j);
    gs_json_kv_u64(w->j, "device", d->device);
    gs_json_kv_string(w->j, "name", d->name);
    gs_json_kv_string(w->j, "bus_id", d->bus_id);
    gs_json_kv_u64(w->j, "total_bytes", d->total_bytes);
    gs_json_kv_u64(w->j, "contexts", d->n_contexts);
    gs_json_kv_u64(w->j, "used_bytes", d->used_bytes);
    gs_json_kv_u64(w->j, "allocated_bytes", d->allocated_bytes);
    gs_json_kv_u64(w->j, "context_bytes", d->context_bytes);
    gs_json_kv_string(w->j, "source", gs_cuda_source_text(d->source));
    gs_json_end_object(w->j);
}

static void put_context(const struct writer *w, const struct gs_prof_cuda_context *x)
{
    gs_json_begin_object(w->j);
    gs_json_kv_u64(w->j, "context", x->context);
    gs_json_kv_u64(w->j, "device", x->device);
    gs_json_kv_bool(w->j, "primary", x->primary);
    gs_json_kv_u64(w->j, "created_ns", x->created_ns);
    gs_json_kv_i64(w->j, "ended_ns", x->ended_ns);
    gs_json_kv_u64(w->j, "create_ns", x->create_ns);
    gs_json_kv_u64(w->j, "context_bytes", x->context_bytes);
    gs_json_kv_string(w->j, "source", gs_cuda_source_text(x->source));
    gs_json_kv_bool(w->j, "at_most", x->at_most);
    put_stack(w, x->node);
    gs_json_kv_u64(w->j, "live_bytes", x->live_bytes);
    gs_json_kv_u64(w->j, "peak_bytes", x->peak_bytes);
    gs_json_end_object(w->j);
}

static void put_driver(const struct writer *w)
{
    gs_json_kv_u64(w->j, "driver_version", w->c->driver_version);
    gs_json_kv_string(w->j, "driver_path", w->c->driver_path);
    gs_json_kv_string(w->j, "loading", gs_cuda_loading_text(w->c->loading));
    kv_text_or_null(w->j, "no_cuda", w->c->no_cuda);
    kv_text_or_null(w->j, "no_nvml", w->c->no_nvml);
    gs_json_key(w->j, "devices");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_devices; i++)
        put_device(w, &w->c->devices[i]);
    gs_json_end_array(w->j);
    gs_json_key(w->j, "contexts");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_contexts; i++)
        put_context(w, &w->c->contexts[i]);
    gs_json_end_array(w->j);
}

/* ---- memory ---- */

static void put_kinds(const struct writer *w, const char *key, const uint64_t *bytes)
{
    gs_json_key(w->j, key);
    gs_json_begin_object(w->j);
    for (size_t i = 0; i < GS_N_CUDA_SHOWN; i++)
        gs_json_kv_u64(w->j, gs_cuda_kind_keys[i], bytes[i]);
    gs_json_end_object(w->j);
}

static void put_memory(const struct writer *w)
{
    gs_json_kv_u64(w->j, "peak_bytes", w->c->peak_bytes);
    gs_json_kv_u64(w->j, "live_bytes", w->c->live_bytes);
    gs_json_kv_u64(w->j, "peak_t_ns", w->c->peak_t_ns);
    gs_json_kv_u64(w->j, "allocations", w->c->allocations);
    gs_json_kv_u64(w->j, "frees", w->c->frees);
    gs_json_kv_u64(w->j, "failed", w->c->failed);
    put_kinds(w, "by_kind", w->c->by_kind);
    put_kinds(w, "peak_by_kind", w->c->peak_by_kind);
    gs_json_key(w->j, "modules");
    gs_json_begin_object(w->j);
    gs_json_kv_u64(w->j, "loaded", w->c->modules_loaded);
    gs_json_kv_u64(w->j, "unloaded", w->c->modules_unloaded);
    gs_json_kv_u64(w->j, "image_bytes", w->c->image_bytes);
    gs_json_end_object(w->j);
}

static void put_stacks(const struct writer *w, size_t process)
{
    size_t n;
    struct gs_prof_cuda_row *rows = gs_cuda_top_stacks(w->p, process, &n);
    gs_json_key(w->j, "stacks");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < n && i < TOP_STACKS; i++) {
        gs_json_begin_object(w->j);
        put_stack(w, rows[i].node);
        gs_json_kv_u64(w->j, "live_bytes", rows[i].live_bytes);
        gs_json_kv_u64(w->j, "peak_bytes", rows[i].peak_bytes);
        gs_json_kv_u64(w->j, "allocations", rows[i].allocations);
        gs_json_end_object(w->j);
    }
    gs_json_end_array(w->j);
    free(rows);
}

static void put_oom(const struct writer *w, const struct gs_prof_cuda_oom *oom)
{
    gs_json_begin_object(w->j);
    gs_json_kv_u64(w->j, "t_ns", oom->t_ns);
    kv_taken(w->j, "call", gs_cuda_call_text(w->c, oom->call));
    gs_json_kv_u64(w->j, "result", oom->result);
    gs_json_kv_u64(w->j, "asked_bytes", oom->asked_bytes);
    gs_json_kv_u64(w->j, "context", oom->context);
    gs_json_kv_i64(w->j, "device", oom->device);
    gs_json_kv_u64(w->j, "live_bytes", oom->live_bytes);
    kv_taken(w->j, "kind", gs_cuda_kind_text(oom->kind));
    put_stack(w, oom->node);
    gs_json_key(w->j, "top");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < oom->n_top; i++) {
        gs_json_begin_object(w->j);
        put_stack(w, oom->top[i].node);
        gs_json_kv_u64(w->j, "live_bytes", oom->top[i].live_bytes);
        gs_json_end_object(w->j);
    }
    gs_json_end_array(w->j);
    gs_json_end_object(w->j);
}

static void put_ooms(const struct writer *w)
{
    gs_json_key(w->j, "oom");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_ooms; i++)
        put_oom(w, &w->c->ooms[i]);
    gs_json_end_array(w->j);
    gs_json_kv_u64(w->j, "oom_count", w->c->oom_count);
}

static void put_samples(const struct writer *w)
{
    gs_json_key(w->j, "samples");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_samples; i++) {
        gs_json_begin_object_inline(w->j);
        gs_json_kv_u64(w->j, "t_ns", w->c->samples[i].t_ns);
        for (size_t k = 0; k < GS_N_CUDA_SAMPLED; k++)
            gs_json_kv_u64(w->j, gs_cuda_kind_keys[k], w->c->samples[i].bytes[k]);
        gs_json_end_object(w->j);
    }
    gs_json_end_array(w->j);
}

/* ---- time ---- */

static void put_call(const struct writer *w, const struct gs_prof_cuda_call *c)
{
    gs_json_begin_object_inline(w->j);
    kv_taken(w->j, "call", gs_cuda_name_of(c));
    kv_taken(w->j, "op", gs_cuda_op_text(c->op));
    gs_json_kv_u64(w->j, "calls", c->calls);
    gs_json_kv_u64(w->j, "failed", c->failed);
    gs_json_kv_u64(w->j, "ns", c->ns);
    gs_json_kv_u64(w->j, "held_calls", c->held_calls);
    gs_json_kv_u64(w->j, "held_ns", c->held_ns);
    gs_json_end_object(w->j);
}

static void put_held(const struct writer *w, const struct gs_prof_cuda_held *h)
{
    gs_json_begin_object(w->j);
    put_stack(w, h->node);
    if (h->not_sampled)
        gs_json_kv_string(w->j, "call", "");
    else
        kv_taken(w->j, "call", gs_cuda_call_text(w->c, h->call));
    kv_taken(w->j, "op", gs_cuda_op_text(h->op));
    gs_json_kv_u64(w->j, "count", h->count);
    gs_json_kv_u64(w->j, "ns", h->ns);
    gs_json_kv_u64(w->j, "held_ns", h->held_ns);
    gs_json_kv_u64(w->j, "blamed_ns", h->blamed_ns);
    gs_json_end_object(w->j);
}

static void put_time(const struct writer *w)
{
    gs_json_kv_u64(w->j, "sync_ns", w->c->sync_ns);
    gs_json_kv_u64(w->j, "sync_under_gil_ns", w->c->sync_under_gil_ns);
    gs_json_kv_u64(w->j, "sync_blamed_ns", w->c->sync_blamed_ns);
    gs_json_kv_u64(w->j, "under_gil_ns", w->c->under_gil_ns);
    gs_json_kv_u64(w->j, "blamed_ns", w->c->blamed_ns);
    gs_json_kv_u64(w->j, "launches", w->c->launches);
    gs_json_kv_u64(w->j, "launch_ns", w->c->launch_ns);
    gs_json_key(w->j, "calls");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_calls; i++)
        put_call(w, &w->c->calls[i]);
    gs_json_end_array(w->j);
    gs_json_key(w->j, "held");
    gs_json_begin_array(w->j);
    for (size_t i = 0; i < w->c->n_held; i++)
        if (i < TOP_STACKS || w->c->held[i].not_sampled)
            put_held(w, &w->c->held[i]);
    gs_json_end_array(w->j);
}

/* ---- all ---- */

void gs_stats_json_cuda(struct gs_json *j, const struct gs_profile *p, size_t process,
                        bool with_report_parts)
{
    struct writer w = {j, p, p->processes[process].cuda, with_report_parts};
    gs_json_key(j, "cuda");
    if (!w.c) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    put_driver(&w);
    put_memory(&w);
    put_time(&w);
    put_stacks(&w, process);
    put_ooms(&w);
    put_samples(&w);
    gs_json_kv_u64(j, "lost_rows", w.c->lost_rows);
    gs_json_kv_u64(j, "unknown_frees", w.c->unknown_frees);
    gs_json_kv_u64(j, "untracked", w.c->untracked);
    gs_json_end_object(j);
}

void gs_stats_json_job_cuda(struct gs_json *j, const struct gs_profile *p)
{
    struct gs_cuda_totals t = gs_cuda_totals(p);
    gs_json_key(j, "cuda");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "processes", t.processes);
    gs_json_kv_u64(j, "contexts", t.contexts);
    gs_json_kv_u64(j, "devices", t.devices);
    gs_json_kv_u64(j, "context_bytes", t.context_bytes);
    gs_json_kv_u64(j, "live_bytes", t.live_bytes);
    gs_json_kv_u64(j, "peak_bytes", t.peak_bytes);
    gs_json_kv_u64(j, "sync_under_gil_ns", t.sync_under_gil_ns);
    gs_json_kv_u64(j, "blamed_ns", t.blamed_ns);
    gs_json_end_object(j);
}

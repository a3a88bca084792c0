/* SPDX-License-Identifier: MIT
 * What the page embeds of CUDA beyond the stats: memory of devices and calls under the GIL by
 * stack, and memory over time of the stacks with most of it. Bounds of the curves:
 * profile_cuda_live.c.
 */
#include "analyzer/stats.h"

static void put_rows(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "cuda_rows");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", p->cuda_rows, p->n_cuda_rows, process);
    GS_JSON_COLUMN(j, "node", p->cuda_rows, p->n_cuda_rows, node);
    GS_JSON_COLUMN(j, "live", p->cuda_rows, p->n_cuda_rows, live_bytes);
    GS_JSON_COLUMN(j, "peak", p->cuda_rows, p->n_cuda_rows, peak_bytes);
    GS_JSON_COLUMN(j, "n", p->cuda_rows, p->n_cuda_rows, allocations);
    gs_json_end_object(j);
    gs_json_key(j, "cuda_held_rows");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", p->cuda_held_rows, p->n_cuda_held_rows, process);
    GS_JSON_COLUMN(j, "node", p->cuda_held_rows, p->n_cuda_held_rows, node);
    GS_JSON_COLUMN(j, "held", p->cuda_held_rows, p->n_cuda_held_rows, held_ns);
    GS_JSON_COLUMN(j, "blamed", p->cuda_held_rows, p->n_cuda_held_rows, blamed_ns);
    GS_JSON_COLUMN(j, "n", p->cuda_held_rows, p->n_cuda_held_rows, count);
    gs_json_end_object(j);
}

static void put_column(struct gs_json *j, const char *key, const uint64_t *v, size_t n)
{
    gs_json_key(j, key);
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < n; i++)
        gs_json_u64(j, v[i]);
    gs_json_end_array(j);
}

static void put_curves(struct gs_json *j, const struct gs_prof_cuda *c, size_t process)
{
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "process", process);
    put_column(j, "t_ns", c->curve_t_ns, c->n_curve);
    gs_json_key(j, "rows");
    gs_json_begin_array(j);
    for (size_t i = 0; i < c->n_curves; i++) {
        gs_json_begin_object(j);
        gs_json_kv_u64(j, "node", c->curves[i].node);
        put_column(j, "bytes", c->curves[i].bytes, c->n_curve);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
    gs_json_end_object(j);
}

void gs_report_json_cuda(struct gs_json *j, const struct gs_profile *p)
{
    put_rows(j, p);
    gs_json_key(j, "cuda_stack_curves");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_processes; i++)
        if (p->processes[i].cuda && p->processes[i].cuda->n_curve)
            put_curves(j, p->processes[i].cuda, i);
    gs_json_end_array(j);
}

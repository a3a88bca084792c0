/* SPDX-License-Identifier: MIT
 * What all exporters start from: rows of one metric, their labels and stacks.
 */
#include <inttypes.h>

#include "analyzer/export.h"
#include "analyzer/xalloc.h"

const char *const gs_metric_names[GS_N_METRICS] = {
#define X(NAME, name, unit, title) name,
    GS_METRIC_LIST(X)
#undef X
};

static uint64_t weight_of(const struct gs_prof_row *row, enum gs_metric metric)
{
    return metric == GS_METRIC_HOLD   ? row->hold_ns
           : metric == GS_METRIC_WAIT ? row->wait_ns
                                      : row->blamed_ns;
}

static struct gs_export_row *alloc_rows(const struct gs_profile *p, size_t *n)
{
    struct gs_export_row *out = gs_xmalloc(p->n_alloc_rows, sizeof(*out));
    *n = 0;
    for (size_t i = 0; i < p->n_alloc_rows; i++) {
        const struct gs_prof_alloc_row *row = &p->alloc_rows[i];
        if (row->live_bytes)
            out[(*n)++] = (struct gs_export_row){row->process, GS_EXPORT_NO_THREAD, row->node,
                                                 row->live_bytes};
    }
    return out;
}

static struct gs_export_row *cuda_rows(const struct gs_profile *p, size_t *n)
{
    struct gs_export_row *out = gs_xmalloc(p->n_cuda_rows, sizeof(*out));
    *n = 0;
    for (size_t i = 0; i < p->n_cuda_rows; i++) {
        const struct gs_prof_cuda_row *row = &p->cuda_rows[i];
        if (row->live_bytes)
            out[(*n)++] = (struct gs_export_row){row->process, GS_EXPORT_NO_THREAD, row->node,
                                                 row->live_bytes};
    }
    return out;
}

static struct gs_export_row *counted_rows(const struct gs_profile *p, size_t *n)
{
    struct gs_export_row *out = gs_xmalloc(p->n_count_rows, sizeof(*out));
    *n = 0;
    for (size_t i = 0; i < p->n_count_rows; i++) {
        const struct gs_prof_count_row *row = &p->count_rows[i];
        uint64_t count = gs_count_row_sum(row);
        if (count)
            out[(*n)++] =
                (struct gs_export_row){row->process, GS_EXPORT_NO_THREAD, row->node, count};
    }
    return out;
}

struct gs_export_row *gs_export_rows(const struct gs_profile *p, enum gs_metric metric, size_t *n)
{
    if (metric == GS_METRIC_ALLOC)
        return alloc_rows(p, n);
    if (metric == GS_METRIC_CUDA)
        return cuda_rows(p, n);
    if (metric == GS_METRIC_COUNTED)
        return counted_rows(p, n);
    struct gs_export_row *out = gs_xmalloc(p->n_rows, sizeof(*out));
    *n = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const struct gs_prof_row *row = &p->rows[i];
        uint64_t weight = weight_of(row, metric);
        if (weight)
            out[(*n)++] = (struct gs_export_row){row->process, row->thread, row->node, weight};
    }
    return out;
}

char *gs_export_label(const struct gs_profile *p, const struct gs_export_row *row)
{
    const struct gs_prof_process *process = &p->processes[row->process];
    if (row->thread == GS_EXPORT_NO_THREAD)
        return gs_xasprintf("pid %" PRIu32, process->pid);
    const struct gs_prof_thread *thread = &process->threads[row->thread];
    const char *name = thread->name && *thread->name ? thread->name : "thread";
    if (p->n_processes > 1)
        return gs_xasprintf("pid %" PRIu32 " %s (%" PRIu32 ")", process->pid, name, thread->tid);
    return gs_xasprintf("%s (%" PRIu32 ")", name, thread->tid);
}

size_t gs_export_stack(const struct gs_profile *p, uint32_t node, uint32_t *path, size_t cap)
{
    size_t depth = 0;
    for (uint32_t n = node; n != 0; n = p->nodes[n].parent)
        depth++;
    size_t at = depth < cap ? depth : cap;
    for (uint32_t n = node; n != 0 && at > 0; n = p->nodes[n].parent)
        path[--at] = p->nodes[n].frame;
    return depth;
}

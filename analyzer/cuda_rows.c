/* SPDX-License-Identifier: MIT */
#include "analyzer/cuda_rows.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

struct gs_rec_cuda_device *gs_cuda_device(struct gs_cuda_rows *c, uint32_t device)
{
    uint32_t at = gs_idmap_add(&c->device_map, device);
    if (at == c->n_devices) {
        struct gs_rec_cuda_device d = {.device = device};
        GS_PUSH(c->devices, c->n_devices, c->cap_devices, d);
    }
    return &c->devices[at];
}

struct gs_rec_cuda_context *gs_cuda_context(struct gs_cuda_rows *c, uint32_t context)
{
    uint32_t at = gs_idmap_add(&c->context_map, context);
    if (at == c->n_contexts) {
        struct gs_rec_cuda_context x = {.context = context, .died_ns = GS_NEVER_NS};
        GS_PUSH(c->contexts, c->n_contexts, c->cap_contexts, x);
    }
    return &c->contexts[at];
}

struct gs_rec_cuda_call *gs_cuda_call(struct gs_cuda_rows *c, uint32_t call)
{
    uint32_t at = gs_idmap_add(&c->call_map, call);
    if (at == c->n_calls) {
        struct gs_rec_cuda_call x = {.call = call};
        GS_PUSH(c->calls, c->n_calls, c->cap_calls, x);
    }
    return &c->calls[at];
}

struct gs_rec_cuda_live *gs_cuda_live(struct gs_cuda_rows *c, uint32_t context, uint32_t kind)
{
    uint32_t at = gs_idmap_add(&c->live_map, gs_pack32(context, kind));
    if (at == c->n_lives) {
        struct gs_rec_cuda_live x = {.context = context, .kind = kind};
        GS_PUSH(c->lives, c->n_lives, c->cap_lives, x);
    }
    return &c->lives[at];
}

static bool is_again(const struct gs_cuda_row *row)
{
    return row->flags & GS_CUDA_AGAIN;
}

/* ---- order ---- */

/* AGAIN says less: not how long the call took. */
int gs_cuda_row_order(const void *pa, const void *pb)
{
    const struct gs_cuda_row *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    if (is_again(a) != is_again(b))
        return is_again(a) ? 1 : -1;
    return a->number < b->number ? -1 : a->number > b->number;
}

bool gs_cuda_row_is_said(const void *before, const void *row)
{
    return ((const struct gs_cuda_row *)before)->seq == ((const struct gs_cuda_row *)row)->seq;
}

static void add_row(struct gs_cuda_row_sums *s, const struct gs_cuda_row *row)
{
    s->n++;
    s->last_seq = row->seq;
    if (row->result)
        return;
    if (row->op == GS_CUDA_OP_LOAD) {
        s->modules_loaded++;
        s->image_bytes = gs_add_sat(s->image_bytes, row->bytes);
    }
    s->modules_unloaded += row->op == GS_CUDA_OP_UNLOAD;
    s->unknown_frees += row->op == GS_CUDA_OP_FREE && (row->flags & GS_CUDA_UNKNOWN);
}

static void sort_rows(struct gs_cuda_rows *c)
{
    struct gs_row_cursor cursor;
    const struct gs_cuda_row *row;
    gs_row_stream_sort(&c->rows);
    gs_row_cursor_open(&cursor, &c->rows);
    while ((row = gs_row_next(&cursor)))
        add_row(&c->sums, row);
    gs_row_cursor_close(&cursor);
}

static int by_time(const void *pa, const void *pb)
{
    const struct gs_rec_cuda_used *a = pa, *b = pb;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static int by_ordinal(const void *pa, const void *pb)
{
    const struct gs_rec_cuda_device *a = pa, *b = pb;
    return a->device < b->device ? -1 : a->device > b->device;
}

static int by_index(const void *pa, const void *pb)
{
    const struct gs_rec_cuda_context *a = pa, *b = pb;
    return a->context < b->context ? -1 : a->context > b->context;
}

static void sort_contexts(struct gs_cuda_rows *c)
{
    if (c->n_contexts)
        qsort(c->contexts, c->n_contexts, sizeof(*c->contexts), by_index);
    gs_idmap_free(&c->context_map);
    for (size_t i = 0; i < c->n_contexts; i++)
        gs_idmap_add(&c->context_map, c->contexts[i].context);
}

void gs_cuda_sort_devices(struct gs_cuda_rows *c)
{
    if (c->n_devices)
        qsort(c->devices, c->n_devices, sizeof(*c->devices), by_ordinal);
    gs_idmap_free(&c->device_map);
    for (size_t i = 0; i < c->n_devices; i++)
        gs_idmap_add(&c->device_map, c->devices[i].device);
}

static int64_t find_only_device(const struct gs_cuda_rows *c)
{
    int64_t only = GS_CUDA_NO_DEVICE;
    for (size_t i = 0; i < c->n_contexts; i++) {
        if (!c->contexts[i].defined)
            continue;
        if (only >= 0 && only != c->contexts[i].device)
            return GS_CUDA_NO_DEVICE;
        only = c->contexts[i].device;
    }
    return only;
}

int64_t gs_cuda_device_of(const struct gs_cuda_rows *c, uint32_t context)
{
    uint32_t at = gs_idmap_find(&c->context_map, context);
    if (context && at != GS_IDMAP_NONE && c->contexts[at].defined)
        return c->contexts[at].device;
    return c->only_device;
}

void gs_cuda_rows_sort(struct gs_cuda_rows *c)
{
    sort_rows(c);
    sort_contexts(c);
    gs_cuda_sort_devices(c);
    if (c->n_used)
        qsort(c->used, c->n_used, sizeof(*c->used), by_time);
    c->only_device = find_only_device(c);
}

void gs_cuda_rows_free(struct gs_cuda_rows *c)
{
    gs_row_stream_free(&c->rows);
    free(c->driver.path);
    for (size_t i = 0; i < c->n_devices; i++) {
        free(c->devices[i].name);
        free(c->devices[i].bus_id);
    }
    free(c->devices);
    free(c->contexts);
    for (size_t i = 0; i < c->n_calls; i++)
        free(c->calls[i].name);
    free(c->calls);
    free(c->lives);
    free(c->used);
    free(c->no_cuda);
    free(c->no_nvml);
    gs_idmap_free(&c->device_map);
    gs_idmap_free(&c->context_map);
    gs_idmap_free(&c->call_map);
    gs_idmap_free(&c->live_map);
    memset(c, 0, sizeof(*c));
}

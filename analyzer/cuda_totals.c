/* SPDX-License-Identifier: MIT */
#include "analyzer/cuda_totals.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

/* ---- names ---- */

const char *const gs_cuda_kind_keys[] = {
#define X(NAME, key) key,
    GS_CUDA_SHOWN_LIST(X)
#undef X
};

static const char *const kind_texts[] = {
#define X(NAME, number, text) [number] = text,
    GS_CUDA_KIND_LIST(X)
#undef X
};
static const char *const op_texts[] = {
#define X(NAME, number, text) [number] = text,
    GS_CUDA_OP_LIST(X)
#undef X
};

const char *gs_cuda_source_text(enum gs_cuda_source source)
{
    return source == GS_CUDA_SOURCE_NVML      ? "nvml"
           : source == GS_CUDA_SOURCE_MEMINFO ? "meminfo"
                                              : "unknown";
}

const char *gs_cuda_loading_text(uint32_t loading)
{
    return loading == GS_CUDA_LOADING_LAZY    ? "lazy"
           : loading == GS_CUDA_LOADING_EAGER ? "eager"
                                              : "unknown";
}

static char *text_or_number(const char *const *texts, size_t n, const char *what, uint32_t number)
{
    if (number < n && texts[number])
        return gs_xstrndup(texts[number], strlen(texts[number]));
    return gs_xasprintf("%s %u", what, number);
}

char *gs_cuda_op_text(uint32_t op)
{
    return text_or_number(op_texts, sizeof(op_texts) / sizeof(*op_texts), "op", op);
}

char *gs_cuda_kind_text(uint32_t kind)
{
    return text_or_number(kind_texts, sizeof(kind_texts) / sizeof(*kind_texts), "kind", kind);
}

char *gs_cuda_name_of(const struct gs_prof_cuda_call *call)
{
    if (call->name && *call->name)
        return gs_xstrndup(call->name, strlen(call->name));
    return gs_xasprintf("call %u", call->call);
}

char *gs_cuda_call_text(const struct gs_prof_cuda *c, uint32_t call)
{
    struct gs_prof_cuda_call unknown = {.call = call};
    for (size_t i = 0; i < c->n_calls; i++)
        if (c->calls[i].call == call)
            return gs_cuda_name_of(&c->calls[i]);
    return gs_cuda_name_of(&unknown);
}

uint64_t gs_cuda_total_of(const struct gs_prof_cuda *c, int64_t device)
{
    for (size_t i = 0; i < c->n_devices; i++)
        if (c->devices[i].device == device)
            return c->devices[i].total_bytes;
    return 0;
}

/* ---- devices of machines ---- */

/* The bus id names a device; where it is not known its number must do. */
static int compare_devices(const struct gs_cuda_use *a, const struct gs_cuda_use *b)
{
    int order = strcmp(a->hostname, b->hostname);
    if (order == 0)
        order = strcmp(a->device->bus_id, b->device->bus_id);
    if (order || *a->device->bus_id)
        return order;
    return a->device->device < b->device->device ? -1 : a->device->device > b->device->device;
}

bool gs_cuda_is_same_device(const struct gs_cuda_use *a, const struct gs_cuda_use *b)
{
    return compare_devices(a, b) == 0;
}

static int by_device(const void *pa, const void *pb)
{
    const struct gs_cuda_use *a = pa, *b = pb;
    int order = compare_devices(a, b);
    return order ? order : a->process < b->process ? -1 : a->process > b->process;
}

struct gs_cuda_use *gs_cuda_uses(const struct gs_profile *p, size_t *n)
{
    size_t most = 0;
    for (size_t i = 0; i < p->n_processes; i++)
        most += p->processes[i].cuda ? p->processes[i].cuda->n_devices : 0;
    struct gs_cuda_use *all = gs_xmalloc(most, sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        for (size_t k = 0; c && k < c->n_devices; k++)
            if (c->devices[k].n_contexts)
                all[(*n)++] =
                    (struct gs_cuda_use){p->processes[i].hostname, &c->devices[k], (uint32_t)i};
    }
    if (*n)
        qsort(all, *n, sizeof(*all), by_device);
    return all;
}

static uint64_t count_devices(const struct gs_profile *p)
{
    size_t n, devices = 0;
    struct gs_cuda_use *all = gs_cuda_uses(p, &n);
    for (size_t i = 0; i < n; i++)
        devices += i == 0 || !gs_cuda_is_same_device(&all[i - 1], &all[i]);
    free(all);
    return devices;
}

static void add(uint64_t *to, uint64_t v)
{
    *to = *to + v < v ? UINT64_MAX : *to + v;
}

struct gs_cuda_totals gs_cuda_totals(const struct gs_profile *p)
{
    struct gs_cuda_totals t = {.devices = count_devices(p)};
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        if (!c)
            continue;
        t.processes += c->n_contexts > 0;
        t.contexts += c->n_contexts;
        for (size_t k = 0; k < c->n_devices; k++)
            add(&t.context_bytes, c->devices[k].context_bytes);
        add(&t.live_bytes, c->live_bytes);
        add(&t.peak_bytes, c->peak_bytes);
        add(&t.sync_under_gil_ns, c->sync_under_gil_ns);
        add(&t.blamed_ns, c->blamed_ns);
    }
    return t;
}

/* ---- stacks ---- */

/* Where the rows of `process` and of those after it begin. */
static size_t first_row(const struct gs_profile *p, size_t process)
{
    size_t lo = 0, hi = p->n_cuda_rows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->cuda_rows[mid].process < process)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int by_peak(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_row *a = pa, *b = pb;
    if (a->peak_bytes != b->peak_bytes)
        return a->peak_bytes > b->peak_bytes ? -1 : 1;
    if (a->live_bytes != b->live_bytes)
        return a->live_bytes > b->live_bytes ? -1 : 1;
    if (a->allocations != b->allocations)
        return a->allocations > b->allocations ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

struct gs_prof_cuda_row *gs_cuda_top_stacks(const struct gs_profile *p, size_t process, size_t *n)
{
    size_t from = first_row(p, process);
    *n = first_row(p, process + 1) - from;
    struct gs_prof_cuda_row *out = gs_xmalloc(*n, sizeof(*out));
    if (*n) {
        memcpy(out, p->cuda_rows + from, *n * sizeof(*out));
        qsort(out, *n, sizeof(*out), by_peak);
    }
    return out;
}

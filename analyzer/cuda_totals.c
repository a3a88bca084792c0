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

/* ---- devices of machines ---- */

static int by_machine(const void *pa, const void *pb)
{
    const struct gs_cuda_machine_device *a = pa, *b = pb;
    int order = strcmp(a->hostname, b->hostname);
    return order ? order : strcmp(a->bus_id, b->bus_id);
}

static size_t count_devices(const struct gs_profile *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_processes; i++)
        n += p->processes[i].cuda ? p->processes[i].cuda->n_devices : 0;
    return n;
}

/* One for each process and device. */
static size_t list_devices(const struct gs_profile *p, struct gs_cuda_machine_device *all)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        for (size_t k = 0; c && k < c->n_devices; k++) {
            const struct gs_prof_cuda_device *d = &c->devices[k];
            if (d->n_contexts)
                all[n++] = (struct gs_cuda_machine_device){
                    p->processes[i].hostname, d->bus_id,       d->name, 1, d->n_contexts,
                    d->context_bytes,         d->context_bytes};
        }
    }
    return n;
}

static void merge(struct gs_cuda_machine_device *into, const struct gs_cuda_machine_device *from)
{
    into->processes += from->processes;
    into->contexts += from->contexts;
    into->context_bytes += from->context_bytes; /* of a process: below 2^50 a context */
    if (from->most_bytes > into->most_bytes)
        into->most_bytes = from->most_bytes;
}

struct gs_cuda_machine_device *gs_cuda_machine_devices(const struct gs_profile *p, size_t *n)
{
    struct gs_cuda_machine_device *all = gs_xmalloc(count_devices(p), sizeof(*all));
    size_t listed = list_devices(p, all);
    *n = 0;
    if (listed)
        qsort(all, listed, sizeof(*all), by_machine);
    for (size_t i = 0; i < listed; i++) {
        if (*n && by_machine(&all[*n - 1], &all[i]) == 0)
            merge(&all[*n - 1], &all[i]);
        else
            all[(*n)++] = all[i];
    }
    return all;
}

struct gs_cuda_totals gs_cuda_totals(const struct gs_profile *p)
{
    struct gs_cuda_totals t = {0};
    size_t n;
    free(gs_cuda_machine_devices(p, &n));
    t.devices = n;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_cuda *c = p->processes[i].cuda;
        if (!c)
            continue;
        t.processes += c->n_contexts > 0;
        t.contexts += c->n_contexts;
        for (size_t k = 0; k < c->n_devices; k++)
            t.context_bytes += c->devices[k].context_bytes;
        t.live_bytes += c->live_bytes;
        t.peak_bytes += c->peak_bytes;
        t.sync_under_gil_ns += c->sync_under_gil_ns;
        t.blamed_ns += c->blamed_ns;
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

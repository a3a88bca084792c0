/* SPDX-License-Identifier: MIT
 * Devices and contexts, and what a context takes by itself: what the machine says the process uses
 * of a device, less what it allocated there; where the machine does not say it, what the driver
 * said was free before and after.
 */
#include <stdlib.h>

#include "analyzer/profile_cuda_build.h"
#include "analyzer/xalloc.h"

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* ---- lives of contexts ---- */

struct moment {
    uint32_t device;
    uint64_t ns;
};

static int by_moment(const void *pa, const void *pb)
{
    const struct moment *a = pa, *b = pb;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->ns < b->ns ? -1 : a->ns > b->ns;
}

struct lives {
    struct moment *born, *died;
    size_t n;
};

static struct lives find_lives(const struct gs_cuda_rows *c)
{
    struct lives l = {.born = gs_xmalloc(c->n_contexts, sizeof(*l.born)),
                      .died = gs_xmalloc(c->n_contexts, sizeof(*l.died))};
    for (size_t i = 0; i < c->n_contexts; i++) {
        const struct gs_rec_cuda_context *x = &c->contexts[i];
        if (!x->defined)
            continue;
        l.born[l.n] = (struct moment){x->device, x->born_ns};
        l.died[l.n++] =
            (struct moment){x->device, x->died_ns > x->born_ns ? x->died_ns : x->born_ns};
    }
    if (l.n) {
        qsort(l.born, l.n, sizeof(*l.born), by_moment);
        qsort(l.died, l.n, sizeof(*l.died), by_moment);
    }
    return l;
}

/* How many come before or with it. */
static size_t count_to(const struct moment *all, size_t n, struct moment m)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (by_moment(&all[mid], &m) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* On the device at that time. Of the devices before it all have been born and have died. */
static bool any_lives(const struct lives *l, struct moment m)
{
    return count_to(l->born, l->n, m) > count_to(l->died, l->n, m);
}

/* Rows say it where the record is missing. */
static void add_ends(struct gs_cuda_rows *c)
{
    struct gs_row_cursor cursor;
    const struct gs_cuda_row *row;
    gs_row_cursor_open(&cursor, &c->rows);
    while ((row = gs_row_next(&cursor))) {
        if (row->op != GS_CUDA_OP_CONTEXT_END || row->result || !row->context)
            continue;
        uint32_t at = gs_idmap_find(&c->context_map, row->context);
        if (at != GS_IDMAP_NONE && row->t_ns < c->contexts[at].died_ns)
            c->contexts[at].died_ns = row->t_ns;
    }
    gs_row_cursor_close(&cursor);
}

/* ---- devices ---- */

static char *take(char **from)
{
    char *s = *from ? *from : gs_xstrndup("", 0);
    *from = NULL;
    return s;
}

/* Every device that is named anywhere. */
static void find_devices(struct gs_cuda_rows *c)
{
    for (size_t i = 0; i < c->n_contexts; i++)
        if (c->contexts[i].defined)
            gs_cuda_device(c, c->contexts[i].device);
    for (size_t i = 0; i < c->n_used; i++)
        gs_cuda_device(c, c->used[i].device);
    gs_cuda_sort_devices(c);
}

static void put_devices(struct gs_cuda_builder *b, const struct gs_cuda_replay *end)
{
    struct gs_cuda_rows *c = &b->r->cuda;
    b->out->devices = gs_xcalloc(c->n_devices, sizeof(*b->out->devices));
    b->out->n_devices = c->n_devices;
    for (size_t i = 0; i < c->n_devices; i++) {
        struct gs_prof_cuda_device *d = &b->out->devices[i];
        const struct gs_cuda_live_device *live = gs_cuda_replay_device(end, c->devices[i].device);
        d->device = c->devices[i].device;
        d->name = take(&c->devices[i].name);
        d->bus_id = take(&c->devices[i].bus_id);
        d->total_bytes = c->devices[i].total_bytes;
        d->allocated_bytes = live ? live->allocated_bytes : 0;
    }
}

static struct gs_prof_cuda_device *device_of(struct gs_cuda_builder *b, uint32_t device)
{
    return &b->out->devices[gs_idmap_find(&b->r->cuda.device_map, device)];
}

/* The least that was left while a context lived there: allocations that the look did not see yet,
 * and pools that keep what was freed, only add to it. */
static void add_used(struct gs_cuda_builder *b, const uint64_t *allocated_at_used)
{
    const struct gs_cuda_rows *c = &b->r->cuda;
    struct lives lives = find_lives(c);
    for (size_t i = 0; i < c->n_used; i++) { /* by time */
        const struct gs_rec_cuda_used *u = &c->used[i];
        struct gs_prof_cuda_device *d = device_of(b, u->device);
        uint64_t rest = less(u->used_bytes, allocated_at_used[i]);
        d->used_bytes = u->used_bytes;
        d->allocated_bytes = allocated_at_used[i];
        if (!any_lives(&lives, (struct moment){u->device, u->t_ns}))
            continue;
        if (d->source != GS_CUDA_SOURCE_NVML || rest < d->context_bytes)
            d->context_bytes = rest;
        d->source = GS_CUDA_SOURCE_NVML;
    }
    free(lives.born);
    free(lives.died);
}

/* ---- contexts ---- */

/* Bytes of a context by what the driver said; others may have come and gone meanwhile. */
static void put_meminfo(struct gs_prof_cuda_context *out, const struct gs_rec_cuda_context *x)
{
    if (!x->free_after_bytes || (!x->free_before_bytes && !x->total_bytes))
        return;
    out->source = GS_CUDA_SOURCE_MEMINFO;
    out->at_most = !x->free_before_bytes;
    out->context_bytes =
        less(x->free_before_bytes ? x->free_before_bytes : x->total_bytes, x->free_after_bytes);
}

static void put_live(struct gs_cuda_builder *b, const struct gs_cuda_replay *end,
                     struct gs_prof_cuda_context *out)
{
    const struct gs_cuda_rows *c = &b->r->cuda;
    const struct gs_cuda_live_context *live = gs_cuda_replay_context(end, out->context);
    bool recorded = false;
    for (unsigned kind = GS_CUDA_KIND_DEVICE; kind <= GS_CUDA_KIND_ARRAY; kind++) {
        uint32_t at = gs_idmap_find(&c->live_map, gs_pack32(out->context, kind));
        if (at == GS_IDMAP_NONE)
            continue;
        recorded = true;
        out->live_bytes += c->lives[at].live_bytes;
        out->peak_bytes += c->lives[at].peak_bytes;
    }
    if (recorded || !live)
        return;
    out->live_bytes = live->bytes;
    out->peak_bytes = live->peak_bytes;
}

static void put_context(struct gs_cuda_builder *b, const struct gs_cuda_replay *end,
                        const struct gs_rec_cuda_context *x)
{
    struct gs_prof_cuda_context *out = &b->out->contexts[b->out->n_contexts++];
    out->context = x->context;
    out->device = x->device;
    out->primary = x->primary;
    out->node = gs_definitions_node(&b->r->defs, b->stacks, x->stack);
    out->created_ns = gs_cuda_since_start(b->r, x->born_ns);
    out->ended_ns = x->died_ns == GS_NEVER_NS ? -1 : (int64_t)gs_cuda_since_start(b->r, x->died_ns);
    out->create_ns = x->create_ns;
    put_live(b, end, out);
    struct gs_prof_cuda_device *d = device_of(b, x->device);
    uint64_t died_ns = x->died_ns == GS_NEVER_NS ? b->r->end_ns : x->died_ns;
    uint64_t last_ns = died_ns > x->born_ns ? died_ns : x->born_ns;
    if (d->n_contexts++ == 0 || out->created_ns < d->first_ns)
        d->first_ns = out->created_ns;
    if (gs_cuda_since_start(b->r, last_ns) > d->last_ns)
        d->last_ns = gs_cuda_since_start(b->r, last_ns);
    if (d->source == GS_CUDA_SOURCE_NVML)
        return;
    put_meminfo(out, x);
    if (out->source != GS_CUDA_SOURCE_UNKNOWN)
        d->source = GS_CUDA_SOURCE_MEMINFO;
    d->at_most |= out->at_most;
}

struct change { /* a context comes, or goes */
    struct gs_prof_cuda_device *device;
    uint64_t ns, bytes;
    bool ends;
};

static int by_change(const void *pa, const void *pb)
{
    const struct change *a = pa, *b = pb;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->ns != b->ns)
        return a->ns < b->ns ? -1 : 1;
    return (int)a->ends - (int)b->ends;
}

/* Contexts that come one after another take their bytes one after another: what a device had to
 * give is the most of those that were there at once. */
static void sum_meminfo(struct gs_cuda_builder *b)
{
    struct change *all = gs_xmalloc(b->out->n_contexts, 2 * sizeof(*all));
    uint64_t now = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->out->n_contexts; i++) {
        const struct gs_prof_cuda_context *x = &b->out->contexts[i];
        struct gs_prof_cuda_device *d = device_of(b, x->device);
        uint64_t end_ns = x->ended_ns < 0 ? GS_NEVER_NS : (uint64_t)x->ended_ns;
        if (x->source != GS_CUDA_SOURCE_MEMINFO)
            continue;
        end_ns = end_ns > x->created_ns ? end_ns : x->created_ns;
        all[n++] = (struct change){d, x->created_ns, x->context_bytes, false};
        all[n++] = (struct change){d, end_ns, x->context_bytes, true};
    }
    if (n)
        qsort(all, n, sizeof(*all), by_change);
    for (size_t i = 0; i < n; i++) { /* 2^32 contexts of 2^50 bytes are beyond any file */
        now += all[i].ends ? 0 - all[i].bytes : all[i].bytes;
        if (now > all[i].device->context_bytes)
            all[i].device->context_bytes = now;
    }
    free(all);
}

/* What the machine says is of all contexts of the device together: evenly, the rest to the first.
 */
static void share_used(struct gs_cuda_builder *b)
{
    bool *seen = gs_xcalloc(b->out->n_devices, sizeof(*seen));
    for (size_t i = 0; i < b->out->n_contexts; i++) {
        struct gs_prof_cuda_context *x = &b->out->contexts[i];
        const struct gs_prof_cuda_device *d = device_of(b, x->device);
        bool *first = &seen[d - b->out->devices];
        if (d->source != GS_CUDA_SOURCE_NVML)
            continue;
        x->source = GS_CUDA_SOURCE_NVML;
        x->context_bytes = d->context_bytes / d->n_contexts;
        if (!*first)
            x->context_bytes += d->context_bytes % d->n_contexts;
        *first = true;
    }
    free(seen);
}

void gs_cuda_put_contexts(struct gs_cuda_builder *b, const struct gs_cuda_replay *end,
                          const uint64_t *allocated_at_used)
{
    struct gs_cuda_rows *c = &b->r->cuda;
    add_ends(c);
    find_devices(c);
    put_devices(b, end);
    add_used(b, allocated_at_used);
    b->out->contexts = gs_xcalloc(c->n_contexts, sizeof(*b->out->contexts));
    for (size_t i = 0; i < c->n_contexts; i++)
        if (c->contexts[i].defined)
            put_context(b, end, &c->contexts[i]);
    sum_meminfo(b);
    share_used(b);
}

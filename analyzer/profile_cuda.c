/* SPDX-License-Identifier: MIT
 * What was recorded of a process's use of CUDA -> its part of the profile. What the agent summed up
 * is exact, also when rows were lost: it counts where it is there, and rows where it is not.
 */
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/profile_cuda_build.h"
#include "analyzer/xalloc.h"

static const unsigned shown_kinds[GS_N_CUDA_SHOWN] = {
#define X(NAME, key) GS_CUDA_KIND_##NAME,
    GS_CUDA_SHOWN_LIST(X)
#undef X
};

static char *take(char **from)
{
    char *s = *from;
    *from = NULL;
    return s;
}

static void put_driver(struct gs_cuda_builder *b)
{
    struct gs_cuda_rows *c = &b->r->cuda;
    b->out->driver_version = c->driver.version;
    b->out->driver_path = take(&c->driver.path);
    b->out->loading = c->driver.loading <= GS_CUDA_LOADING_LAZY ? (uint32_t)c->driver.loading
                                                                : GS_CUDA_LOADING_UNKNOWN;
    b->out->no_cuda = take(&c->no_cuda);
    b->out->no_nvml = take(&c->no_nvml);
}

/* ---- sums ---- */

static void add(uint64_t *to, uint64_t v)
{
    *to = gs_add_sat(*to, v);
}

struct kind_sums { /* CUDA_LIVE of one kind, over contexts */
    size_t n;
    uint64_t allocs, frees, failed, live_bytes, most_peak_bytes;
};

static void sum_lives(const struct gs_cuda_rows *c, struct kind_sums sums[GS_N_CUDA_KIND])
{
    for (size_t i = 0; i < c->n_lives; i++) {
        const struct gs_rec_cuda_live *l = &c->lives[i];
        struct kind_sums *s = &sums[l->kind];
        s->n++;
        add(&s->allocs, l->allocs);
        add(&s->frees, l->frees);
        add(&s->failed, l->failed);
        add(&s->live_bytes, l->live_bytes);
        if (l->peak_bytes > s->most_peak_bytes)
            s->most_peak_bytes = l->peak_bytes;
    }
}

/* Peaks of several contexts are of different times: rows tell what they made together. */
static uint64_t kind_peak(const struct kind_sums *s, uint64_t from_rows)
{
    if (s->n == 1)
        return s->most_peak_bytes;
    return s->most_peak_bytes > from_rows ? s->most_peak_bytes : from_rows;
}

static void put_kinds(struct gs_cuda_builder *b, const struct gs_cuda_from_rows *rows,
                      const struct kind_sums sums[GS_N_CUDA_KIND])
{
    for (size_t i = 0; i < GS_N_CUDA_SHOWN; i++) {
        unsigned kind = shown_kinds[i];
        b->out->by_kind[i] = sums[kind].n ? sums[kind].live_bytes : rows->kind_bytes[kind];
        b->out->peak_by_kind[i] = kind_peak(&sums[kind], rows->kind_peaks[kind]);
    }
}

static void put_counts(struct gs_cuda_builder *b, const struct gs_cuda_from_rows *rows,
                       const struct kind_sums sums[GS_N_CUDA_KIND])
{
    for (unsigned kind = 0; kind < GS_CUDA_KIND_MODULE; kind++) {
        bool recorded = sums[kind].n > 0;
        add(&b->out->allocations, recorded ? sums[kind].allocs : rows->counts[kind].allocations);
        add(&b->out->frees, recorded ? sums[kind].frees : rows->counts[kind].frees);
        add(&b->out->failed, recorded ? sums[kind].failed : rows->counts[kind].failed);
    }
}

static uint64_t sum_device_kinds(const struct gs_prof_cuda *c)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < GS_N_CUDA_SHOWN; i++)
        if (gs_cuda_is_device_kind(shown_kinds[i]))
            add(&bytes, c->by_kind[i]);
    return bytes;
}

static void put_bytes(struct gs_cuda_builder *b, const struct gs_cuda_from_rows *rows)
{
    const struct gs_rec_cuda_state *s = &b->r->cuda.state;
    b->out->live_bytes = s->seen ? s->live_bytes : sum_device_kinds(b->out);
    b->out->peak_bytes = s->seen ? s->peak_bytes : rows->peak_bytes;
    if (b->out->peak_bytes < b->out->live_bytes)
        b->out->peak_bytes = b->out->live_bytes;
}

static void put_modules(struct gs_cuda_builder *b, const struct kind_sums sums[GS_N_CUDA_KIND])
{
    const struct gs_cuda_row_sums *rows = &b->r->cuda.sums;
    b->out->modules_loaded = rows->modules_loaded;
    b->out->modules_unloaded = rows->modules_unloaded;
    b->out->image_bytes = rows->image_bytes;
    if (sums[GS_CUDA_KIND_MODULE].n) {
        b->out->modules_loaded = sums[GS_CUDA_KIND_MODULE].allocs;
        b->out->modules_unloaded = sums[GS_CUDA_KIND_MODULE].frees;
    }
}

/* ---- what is missing ---- */

/* With deleted chunks a gap of seq is no loss. */
static uint64_t gaps(const struct gs_recording *r)
{
    const struct gs_cuda_rows *c = &r->cuda;
    uint64_t last = c->sums.last_seq;
    if (r->detail_ns)
        return 0;
    if (c->state.rows > last)
        last = c->state.rows;
    return last > c->sums.n ? last - c->sums.n : 0;
}

static void put_losses(struct gs_cuda_builder *b)
{
    const struct gs_cuda_rows *c = &b->r->cuda;
    uint64_t missing = gaps(b->r);
    b->out->lost_rows = c->state.lost_rows > missing ? c->state.lost_rows : missing;
    b->out->unknown_frees = c->state.seen ? c->state.unknown_frees : c->sums.unknown_frees;
    b->out->untracked = c->state.untracked;
}

static void add_notes(struct gs_cuda_builder *b)
{
    struct gs_recording *r = b->r;
    if (b->out->lost_rows)
        gs_recording_note(r,
                          "CUDA: %s call%s missing: what stacks hold, and memory over time, is not "
                          "exact; totals are",
                          gs_fmt_count(b->out->lost_rows).s,
                          b->out->lost_rows == 1 ? " is" : "s are");
    if (b->out->untracked)
        gs_recording_note(r,
                          "CUDA: %s allocations more than the agent could remember: they are in "
                          "no sum",
                          gs_fmt_count(b->out->untracked).s);
    if (b->out->no_cuda && (r->cuda.sums.n || b->out->n_contexts))
        gs_recording_note(r, "CUDA: not all of it is recorded: %s", b->out->no_cuda);
}

void gs_cuda_build(struct gs_recording *r, const struct gs_stacks *stacks,
                   struct gs_profile *profile, struct gs_prof_process *out)
{
    struct gs_cuda_builder b = {.r = r, .stacks = stacks, .profile = profile};
    struct gs_cuda_from_rows rows = {0};
    struct kind_sums sums[GS_N_CUDA_KIND] = {{0}};
    if (!r->cuda.seen)
        return;
    b.process = (uint32_t)(out - profile->processes);
    b.out = out->cuda = gs_xcalloc(1, sizeof(*out->cuda));
    gs_cuda_rows_sort(&r->cuda);
    put_driver(&b);
    gs_cuda_put_live(&b, &rows);
    sum_lives(&r->cuda, sums);
    put_kinds(&b, &rows, sums);
    put_counts(&b, &rows, sums);
    put_bytes(&b, &rows);
    put_modules(&b, sums);
    gs_cuda_put_calls(&b);
    put_losses(&b);
    add_notes(&b);
}

void gs_cuda_free(struct gs_prof_cuda *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_devices; i++) {
        free(c->devices[i].name);
        free(c->devices[i].bus_id);
    }
    for (size_t i = 0; i < c->n_calls; i++)
        free(c->calls[i].name);
    for (size_t i = 0; i < c->n_curves; i++)
        free(c->curves[i].bytes);
    free(c->driver_path);
    free(c->no_cuda);
    free(c->no_nvml);
    free(c->devices);
    free(c->contexts);
    free(c->calls);
    free(c->held);
    free(c->ooms);
    free(c->samples);
    free(c->curve_t_ns);
    free(c->curves);
    free(c);
}

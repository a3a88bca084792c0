/* SPDX-License-Identifier: MIT
 * Records of CUDA: CUDA_DRIVER to CUDA_USED -> gs_cuda_rows. The last one of those that sum up is
 * the one with the greatest time; of two alike, the later one.
 */
#include <stdlib.h>

#include "analyzer/records.h"
#include "analyzer/xalloc.h"

static uint64_t get_bytes(struct gs_record *rec)
{
    uint64_t v = gs_record_get_u(rec);
    return v < GS_BYTES_MAX ? v : GS_BYTES_MAX;
}

static uint64_t get_duration_ns(struct gs_record_context *ctx, struct gs_record *rec)
{
    return gs_clock_duration_ns(&ctx->r->clock, gs_record_get_u(rec));
}

static struct gs_cuda_rows *rows_of(struct gs_record_context *ctx)
{
    ctx->r->cuda.seen = true;
    return &ctx->r->cuda;
}

static void replace(char **into, char *s)
{
    free(*into);
    *into = s;
}

void gs__on_cuda_driver(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_driver *d = &rows_of(ctx)->driver;
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (d->seen && ns < d->t_ns)
        return;
    d->seen = true;
    d->t_ns = ns;
    d->version = gs_record_get_u(rec);
    d->loading = gs_record_get_u(rec);
    replace(&d->path, gs__record_string(rec));
}

void gs__on_cuda_device(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_device *d = gs_cuda_device(rows_of(ctx), gs__record_u32(rec));
    replace(&d->name, gs__record_string(rec));
    replace(&d->bus_id, gs__record_string(rec));
    d->total_bytes = get_bytes(rec);
}

static void keep_known(uint64_t *into, uint64_t v)
{
    if (v)
        *into = v;
}

/* It may come again, with more known, and in a segment that does not know its stack any more: what
 * is known stays. */
void gs__on_cuda_context(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_context *x = gs_cuda_context(rows_of(ctx), gs__record_u32(rec));
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (!x->defined || ns < x->born_ns)
        x->born_ns = ns;
    x->defined = true;
    x->device = gs__record_u32(rec);
    x->primary = gs_record_get_u(rec) & GS_CUDA_PRIMARY;
    keep_known(&x->create_ns, get_duration_ns(ctx, rec));
    keep_known(&x->free_before_bytes, get_bytes(rec));
    keep_known(&x->free_after_bytes, get_bytes(rec));
    keep_known(&x->total_bytes, get_bytes(rec));
    gs_record_get_u(rec); /* thread */
    uint32_t stack = gs__record_u32(rec);
    if (!x->stack)
        x->stack = stack;
}

void gs__on_cuda_context_end(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_context *x = gs_cuda_context(rows_of(ctx), gs__record_u32(rec));
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (ns < x->died_ns)
        x->died_ns = ns;
}

void gs__on_cuda_call(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_call *c = gs_cuda_call(rows_of(ctx), gs__record_u32(rec));
    uint32_t op = gs__record_u32(rec);
    char *name = gs__record_string(rec);
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (c->name && ns < c->t_ns) {
        free(name);
        return;
    }
    replace(&c->name, name);
    c->op = op;
    c->t_ns = ns;
    c->calls = gs_record_get_u(rec);
    c->failed = gs_record_get_u(rec);
    c->ns = get_duration_ns(ctx, rec);
    c->held_calls = gs_record_get_u(rec);
    c->held_ns = get_duration_ns(ctx, rec);
}

void gs__on_cuda_live(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    uint32_t context = gs__record_u32(rec), kind = gs__record_u32(rec);
    struct gs_cuda_rows *c = rows_of(ctx);
    if (kind == GS_CUDA_KIND_NONE || kind >= GS_N_CUDA_KIND)
        return;
    struct gs_rec_cuda_live *l = gs_cuda_live(c, context, kind);
    if (ns < l->t_ns)
        return;
    l->t_ns = ns;
    l->allocs = gs_record_get_u(rec);
    l->frees = gs_record_get_u(rec);
    l->failed = gs_record_get_u(rec);
    l->live_bytes = get_bytes(rec);
    l->peak_bytes = get_bytes(rec);
}

void gs__on_cuda_state(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_rec_cuda_state *s = &rows_of(ctx)->state;
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (s->seen && ns < s->t_ns)
        return;
    s->seen = true;
    s->t_ns = ns;
    s->rows = gs_record_get_u(rec);
    s->lost_rows = gs_record_get_u(rec);
    s->unknown_frees = gs_record_get_u(rec);
    s->untracked = gs_record_get_u(rec);
    s->live_bytes = get_bytes(rec);
    s->peak_bytes = get_bytes(rec);
}

void gs__on_cuda_used(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_cuda_rows *c = rows_of(ctx);
    struct gs_rec_cuda_used u = {.t_ns = gs__record_seen_ns(ctx, rec), .order = c->n_used};
    u.device = gs__record_u32(rec);
    u.used_bytes = get_bytes(rec);
    GS_PUSH(c->used, c->n_used, c->cap_used, u);
}

/* The first one says it; it is no note, as the CUDA section says it too. */
void gs__note_no_cuda(struct gs_recording *r, uint64_t kind, char **text)
{
    char **to = kind == GS_EVENT_NO_CUDA ? &r->cuda.no_cuda : &r->cuda.no_nvml;
    r->cuda.seen = true;
    if (*to)
        return;
    *to = **text ? *text : gs_xasprintf("the recording does not say why");
    if (*to == *text)
        *text = NULL;
}

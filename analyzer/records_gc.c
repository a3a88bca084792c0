/* SPDX-License-Identifier: MIT
 * Records of garbage collections: GC, GC_GENERATION, GC_THREAD. Cumulative: of each interpreter the
 * one with the greatest time says it all; of two alike, the later one.
 */
#include <stdlib.h>

#include "analyzer/records.h"
#include "analyzer/xalloc.h"

#define MOST_INTERPRETERS 4096u /* a process has not so many; hostile captures do */

static struct gs_rec_gc *gc_of(struct gs_recording *r, uint64_t interpreter)
{
    for (size_t i = 0; i < r->n_gcs; i++)
        if (r->gcs[i].interpreter == interpreter)
            return &r->gcs[i];
    if (r->n_gcs == MOST_INTERPRETERS)
        return NULL;
    struct gs_rec_gc gc = {.interpreter = interpreter};
    GS_PUSH(r->gcs, r->n_gcs, r->cap_gcs, gc);
    return &r->gcs[r->n_gcs - 1];
}

static uint64_t get_count(struct gs_record *rec)
{
    uint64_t v = gs_record_get_u(rec);
    return v < GS_GC_COUNT_MAX ? v : GS_GC_COUNT_MAX;
}

static uint64_t get_ticks_ns(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs_clock_duration_ns(&ctx->r->clock, gs_record_get_u(rec));
    return ns < GS_GC_COUNT_MAX ? ns : GS_GC_COUNT_MAX;
}

void gs__on_gc(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    struct gs_rec_gc *gc = gc_of(ctx->r, gs_record_get_u(rec));
    if (!gc || (gc->seen && ns < gc->t_ns))
        return;
    bool enabled = gs_record_get_u(rec) != 0;
    uint64_t live = get_count(rec);
    if (gc->seen) {
        gc->live_area += (unsigned __int128)(ns - gc->t_ns) * gc->live;
    } else {
        gc->live_from_ns = ns;
        gc->live_first = live;
    }
    gc->seen = true;
    gc->t_ns = ns;
    gc->enabled = enabled;
    gc->live = live;
    gc->looks = get_count(rec);
    gc->looked_ns = get_ticks_ns(ctx, rec);
    gc->hits = get_count(rec);
    gc->hit_ns = get_ticks_ns(ctx, rec);
    gc->has_duration = gs_record_get_u(rec) != 0;
    gc->duration_ns = get_count(rec);
}

void gs__on_gc_generation(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    struct gs_rec_gc *gc = gc_of(ctx->r, gs_record_get_u(rec));
    uint64_t g = gs_record_get_u(rec);
    if (!gc || g >= GS_GC_GENERATIONS || ns < gc->generations[g].t_ns)
        return;
    gc->generations[g] = (struct gs_rec_generation){
        .t_ns = ns,
        .collections = get_count(rec),
        .collected = get_count(rec),
        .uncollectable = get_count(rec),
    };
    int64_t threshold = gs_record_get_z(rec);
    gc->generations[g].threshold =
        threshold > 0 && threshold <= INT32_MAX ? (uint32_t)threshold : 0;
}

void gs__on_gc_thread(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t idx = gs_recording_thread(ctx->r, gs__record_u32(rec)); /* may move threads[] */
    ctx->r->threads[idx].gc_ns = get_ticks_ns(ctx, rec);
}

void gs__note_no_gc(struct gs_recording *r, char **text)
{
    if (r->no_gc)
        return;
    r->no_gc = *text;
    *text = NULL;
}

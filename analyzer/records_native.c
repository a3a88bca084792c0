/* SPDX-License-Identifier: MIT
 * Records of native modules, stacks and symbols.
 */
#include "analyzer/native_stacks.h"
#include "analyzer/records.h"

void gs__on_native_module(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t module = gs__record_u32(rec);
    gs__record_seen_ns(ctx, rec);
    if (ctx->stacks->view == GS_STACKS_PYTHON)
        return;
    gs_native_stacks_add_module(gs_native_stacks_of(&ctx->r->defs, ctx->r->pid), ctx->stacks, rec,
                                module);
}

void gs__on_native_stack(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_native_stacks *t = gs_native_stacks_of(&ctx->r->defs, ctx->r->pid);
    gs_native_stacks_add(&ctx->r->defs, t, ctx->stacks, rec);
}

void gs__on_symbol(struct gs_record_context *ctx, struct gs_record *rec)
{
    if (ctx->stacks->view == GS_STACKS_PYTHON)
        return;
    gs_native_stacks_add_symbol(gs_native_stacks_of(&ctx->r->defs, ctx->r->pid), rec);
}

/* SPDX-License-Identifier: MIT
 * Records of native modules, stacks and symbols.
 */
#include "analyzer/native_stacks.h"
#include "analyzer/records.h"

static struct gs_native_stacks *natives_of(struct gs_recording *r)
{
    return gs_native_stacks_of(&r->defs, r->pid, r->start_unix_ns);
}

void gs__on_native_module(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t module = gs__record_u32(rec);
    gs__record_seen_ns(ctx, rec);
    if (ctx->stacks->view == GS_STACKS_PYTHON)
        return;
    gs_native_stacks_add_module(natives_of(ctx->r), ctx->stacks, rec, module);
}

void gs__on_native_stack(struct gs_record_context *ctx, struct gs_record *rec)
{
    gs_native_stacks_add(&ctx->r->defs, natives_of(ctx->r), ctx->stacks, rec);
}

void gs__on_symbol(struct gs_record_context *ctx, struct gs_record *rec)
{
    if (ctx->stacks->view == GS_STACKS_PYTHON)
        return;
    gs_native_stacks_add_symbol(natives_of(ctx->r), rec);
}

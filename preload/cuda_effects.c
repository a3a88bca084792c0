/* SPDX-License-Identifier: MIT */
#include "preload/cuda_effects.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/cuda_context.h"

void gs_cuda_end_alloc(struct gs_cuda_span *s, CUresult rc, enum gs_cuda_space space,
                       enum gs_cuda_kind kind, uint64_t name, uint64_t bytes)
{
    uint32_t context = gs_cuda_context_current();
    bool loads = kind == GS_CUDA_KIND_MODULE;
    const struct gs_cuda_facts f = {.op = loads ? GS_CUDA_OP_LOAD : GS_CUDA_OP_ALLOC,
                                    .kind = (uint8_t)kind,
                                    .context = context,
                                    .bytes = bytes,
                                    .address = name};
    if (rc != GS_CUDA_SUCCESS) {
        gs_cuda_sum_failed(context, kind);
        gs_cuda_end(s, rc, &f);
        return;
    }
    if (!name) { /* which no call can free */
        gs_cuda_end_silent(s, rc);
        return;
    }
    gs_cuda_sum_alloc(context, kind, bytes);
    uint32_t stack = gs_cuda_end(s, rc, &f);
    const struct gs_cuda_block b = {.t = s->t0,
                                    .seq = s->seq,
                                    .bytes = bytes,
                                    .address = name,
                                    .thread = gs_cuda_thread_index(s),
                                    .stack = stack,
                                    .context = (uint16_t)context,
                                    .kind = (uint8_t)kind,
                                    .call = s->call};
    gs_cuda_live_put(space, name, &b);
}

bool gs_cuda_begin_free(struct gs_cuda_freeing *f, enum gs_cuda_call call, enum gs_cuda_space space,
                        enum gs_cuda_kind kind, uint64_t name)
{
    if (!gs_cuda_begin(&f->span, call))
        return false;
    f->space = space;
    f->kind = kind;
    f->name = name;
    f->known = gs_cuda_live_take(space, name, &f->block);
    if (gs_agent.level > 0 && name)
        f->span.seq = gs_cuda_next_seq();
    return true;
}

/* To free nothing is nothing. */
void gs_cuda_end_free(struct gs_cuda_freeing *f, CUresult rc)
{
    const struct gs_cuda_block *b = &f->block;
    if (!f->name) {
        gs_cuda_end_silent(&f->span, rc);
        return;
    }
    bool freed = f->known && rc == GS_CUDA_SUCCESS;
    if (freed)
        gs_cuda_sum_free(b->context, b->kind, b->bytes);
    else if (f->known)
        gs_cuda_live_put(f->space, f->name, b);
    gs_cuda_end(&f->span, rc,
                &(struct gs_cuda_facts){
                    .op = f->kind == GS_CUDA_KIND_MODULE ? GS_CUDA_OP_UNLOAD : GS_CUDA_OP_FREE,
                    .kind = f->known ? b->kind : (uint8_t)f->kind,
                    .flags = f->known || rc != GS_CUDA_SUCCESS ? 0 : GS_CUDA_UNKNOWN,
                    .context = f->known ? b->context : gs_cuda_context_current(),
                    .bytes = freed ? b->bytes : 0,
                    .address = f->name});
}

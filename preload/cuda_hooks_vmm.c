/* SPDX-License-Identifier: MIT
 * Wrappers of virtual memory management and of graphs' memory nodes. What cuMemCreate() made lives
 * until it is released and no longer mapped; a handle that was released may be given out again
 * while the memory is still mapped, so rows name it by the seq of its birth.
 */
#include "preload/agent.h"
#include "preload/cuda_context.h"
#include "preload/cuda_effects.h"

/* ---- made ---- */

static void end_create(struct gs_cuda_span *s, CUresult rc, CUmemGenericAllocationHandle handle,
                       uint64_t bytes)
{
    struct gs_cuda_block b = {.t = s->t0,
                              .bytes = bytes,
                              .thread = gs_cuda_thread_index(s),
                              .context = (uint16_t)gs_cuda_context_current(),
                              .kind = GS_CUDA_KIND_VMM,
                              .call = s->call,
                              .refs = 1,
                              .names = 1};
    if (rc != GS_CUDA_SUCCESS)
        gs_cuda_sum_failed(b.context, b.kind);
    else
        gs_cuda_sum_alloc(b.context, b.kind, bytes);
    if (gs_agent.level > 0)
        b.address = b.seq = s->seq = gs_cuda_next_seq();
    b.stack = gs_cuda_end(s, rc,
                          &(struct gs_cuda_facts){.op = GS_CUDA_OP_ALLOC,
                                                  .kind = b.kind,
                                                  .context = b.context,
                                                  .bytes = bytes,
                                                  .address = b.address});
    if (rc == GS_CUDA_SUCCESS)
        gs_cuda_live_put(GS_SPACE_VMM, handle, &b);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes,
                     const CUmemAllocationProp *prop, unsigned long long flags)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuMemCreate);
    CUresult rc = GS_CUDA_REAL(cuMemCreate)(handle, bytes, prop, flags);
    int saved = errno;
    if (on)
        end_create(&s, rc, rc ? 0 : GS_CUDA_AT(handle), bytes);
    errno = saved;
    return rc;
}

/* By an address where it is mapped: the handle may have been released before. */
static void note_retained(CUmemGenericAllocationHandle handle, void *addr)
{
    const struct gs_cuda_block *named = gs_cuda_live_find(GS_SPACE_VMM, handle);
    const struct gs_cuda_block *mapping = gs_cuda_live_find(GS_SPACE_MAPPING, (uint64_t)addr);
    if (!named && !mapping)
        return;
    uint32_t slot = named ? gs_cuda_live_slot(named) : mapping->slot;
    if (gs_cuda_live_hold(slot))
        gs_cuda_live_name_again(slot, handle);
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuMemRetainAllocationHandle);
    CUresult rc = GS_CUDA_REAL(cuMemRetainAllocationHandle)(handle, addr);
    if (on && rc == GS_CUDA_SUCCESS && handle)
        note_retained(*handle, addr);
    if (on)
        gs_cuda_end_silent(&s, rc);
    return rc;
}

/* ---- let go ---- */

static struct gs_cuda_facts freed(const struct gs_cuda_block *b)
{
    gs_cuda_sum_free(b->context, b->kind, b->bytes);
    return (struct gs_cuda_facts){.op = GS_CUDA_OP_FREE,
                                  .kind = b->kind,
                                  .context = b->context,
                                  .bytes = b->bytes,
                                  .address = b->address};
}

/* The row says what it let go of: nothing, while something else keeps it. */
static void end_release(struct gs_cuda_span *s, CUresult rc, const struct gs_cuda_block *block,
                        CUmemGenericAllocationHandle handle)
{
    struct gs_cuda_block b;
    struct gs_cuda_facts f = {.op = GS_CUDA_OP_FREE, .kind = GS_CUDA_KIND_VMM};
    if (rc != GS_CUDA_SUCCESS) {
        if (block)
            gs_cuda_live_name_again(gs_cuda_live_slot(block), handle);
    } else if (!block) {
        f.flags = GS_CUDA_UNKNOWN;
    } else if (gs_cuda_live_drop(gs_cuda_live_slot(block), &b)) {
        f = freed(&b);
    } else {
        gs_cuda_end_silent(s, rc);
        return;
    }
    gs_cuda_end(s, rc, &f);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuMemRelease);
    struct gs_cuda_block *block = on ? gs_cuda_live_find(GS_SPACE_VMM, handle) : NULL;
    if (block)
        gs_cuda_live_unname(gs_cuda_live_slot(block));
    CUresult rc = GS_CUDA_REAL(cuMemRelease)(handle);
    if (on)
        end_release(&s, rc, block, handle);
    return rc;
}

/* ---- mapped ---- */

static void note_mapping(CUdeviceptr ptr, size_t bytes, CUmemGenericAllocationHandle handle)
{
    struct gs_cuda_block *b = gs_cuda_live_find(GS_SPACE_VMM, handle);
    if (!b || !gs_cuda_live_hold(gs_cuda_live_slot(b)))
        return;
    const struct gs_cuda_block mapping = {
        .bytes = bytes, .kind = GS_CUDA_KIND_NONE, .slot = gs_cuda_live_slot(b)};
    gs_cuda_live_put(GS_SPACE_MAPPING, ptr, &mapping);
}

CUresult cuMemMap(CUdeviceptr ptr, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuMemMap);
    CUresult rc = GS_CUDA_REAL(cuMemMap)(ptr, bytes, offset, handle, flags);
    if (on && rc == GS_CUDA_SUCCESS)
        note_mapping(ptr, bytes, handle);
    if (on)
        gs_cuda_end_timed(&s, rc, bytes);
    return rc;
}

/* One call may end several mappings, side by side. */
static void end_mappings(const struct gs_cuda_span *s, CUdeviceptr ptr, size_t bytes)
{
    struct gs_cuda_block mapping, b;
    for (CUdeviceptr at = ptr; at - ptr < bytes; at += mapping.bytes) {
        if (!gs_cuda_live_take(GS_SPACE_MAPPING, at, &mapping) || !mapping.bytes)
            return;
        if (gs_cuda_live_drop(mapping.slot, &b)) {
            const struct gs_cuda_facts f = freed(&b);
            gs_cuda_also(s, &f);
        }
    }
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t bytes)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuMemUnmap);
    CUresult rc = GS_CUDA_REAL(cuMemUnmap)(ptr, bytes);
    if (!on)
        return rc;
    gs_cuda_end_timed(&s, rc, bytes);
    if (rc == GS_CUDA_SUCCESS)
        end_mappings(&s, ptr, bytes);
    return rc;
}

/* ---- graphs: memory that is there while the graph runs ---- */

CUresult cuGraphAddMemAllocNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *deps, size_t n,
                                CUDA_MEM_ALLOC_NODE_PARAMS *params)
{
    GS_CUDA_ALLOCATES(cuGraphAddMemAllocNode, (node, graph, deps, n, params), GS_SPACE_DEVICE,
                      GRAPH, params ? params->dptr : 0, rc || !params ? 0 : params->bytesize);
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *deps, size_t n,
                               CUdeviceptr dptr)
{
    GS_CUDA_FREES(cuGraphAddMemFreeNode, (node, graph, deps, n, dptr), GS_SPACE_DEVICE, GRAPH,
                  dptr);
}

/* A node of any kind. */
static void end_add_node(struct gs_cuda_span *s, CUresult rc, const CUgraphNodeParams *p)
{
    int saved = errno;
    struct gs_cuda_freeing f = {.span = *s,
                                .space = GS_SPACE_DEVICE,
                                .kind = GS_CUDA_KIND_GRAPH,
                                .name = p ? p->free.dptr : 0};
    if (rc == GS_CUDA_SUCCESS && p && p->type == GS_CUDA_GRAPH_NODE_ALLOC) {
        gs_cuda_end_alloc(s, rc, GS_SPACE_DEVICE, GS_CUDA_KIND_GRAPH, p->alloc.dptr,
                          p->alloc.bytesize);
    } else if (rc == GS_CUDA_SUCCESS && p && p->type == GS_CUDA_GRAPH_NODE_FREE) {
        f.known = gs_cuda_live_take(GS_SPACE_DEVICE, f.name, &f.block);
        gs_cuda_end_free(&f, rc);
    } else
        gs_cuda_end_timed(s, rc, 0);
    errno = saved;
}

CUresult cuGraphAddNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *deps, size_t n,
                        CUgraphNodeParams *params)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuGraphAddNode);
    CUresult rc = GS_CUDA_REAL(cuGraphAddNode)(node, graph, deps, n, params);
    if (on)
        end_add_node(&s, rc, params);
    return rc;
}

CUresult cuGraphAddNode_v2(CUgraphNode *node, CUgraph graph, const CUgraphNode *deps,
                           const CUgraphEdgeData *edges, size_t n, CUgraphNodeParams *params)
{
    struct gs_cuda_span s;
    bool on = gs_cuda_begin(&s, GS_CUDA_cuGraphAddNode_v2);
    CUresult rc = GS_CUDA_REAL(cuGraphAddNode_v2)(node, graph, deps, edges, n, params);
    if (on)
        end_add_node(&s, rc, params);
    return rc;
}

/* SPDX-License-Identifier: MIT
 * Graphs with nodes that allocate and free: the address is known when the node is added, memory is
 * there from the launch to a free node, a free by another call, or the end of the context. What a
 * device has set aside for graphs stays until it is trimmed.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>

struct fake_graph_node {
    struct fake_graph_node *next;
    uint64_t address;
    size_t bytes; /* 0: frees */
};

struct fake_graph {
    struct fake_graph_node *first, **last;
    bool alive;
};

struct fake_graph_exec {
    struct fake_graph_node *first;
    bool alive;
};

static uint64_t used[FAKE_MAX_DEVICES], reserved[FAKE_MAX_DEVICES];

bool fake_graph_take(int device, size_t bytes)
{
    uint64_t wanted = used[device] + bytes;
    if (wanted > reserved[device]) {
        if (!fake_charge(device, wanted - reserved[device]))
            return false;
        reserved[device] = wanted;
    }
    used[device] = wanted;
    return true;
}

void fake_graph_give(int device, size_t bytes)
{
    used[device] -= bytes;
}

CUresult cuDeviceGraphMemTrim(CUdevice device)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && !fake_device_ok(device))
        rc = FAKE_INVALID_DEVICE;
    if (!rc) {
        fake_uncharge(device, reserved[device] - used[device]);
        reserved[device] = used[device];
    }
    return FAKE_END("%d", device);
}

CUresult cuGraphCreate(CUgraph *out, unsigned flags)
{
    FAKE_BEGIN(EFFECT, INIT);
    CUgraph g = rc || !out || flags ? NULL : calloc(1, sizeof *g);
    if (!rc && !g)
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        g->last = &g->first;
        g->alive = true;
        *out = g;
    }
    return FAKE_END("%p", (void *)g);
}

/* Leaked, as all handles here that a stale use is to be seen of. */
CUresult cuGraphDestroy(CUgraph graph)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!graph || !graph->alive))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        graph->alive = false;
    return FAKE_END("%p", (void *)graph);
}

static CUresult add_node(CUgraph graph, uint64_t address, size_t bytes, CUgraphNode *out)
{
    CUgraphNode node = malloc(sizeof *node);
    if (!node)
        return FAKE_OUT_OF_MEMORY;
    *node = (struct fake_graph_node){.address = address, .bytes = bytes};
    *graph->last = node;
    graph->last = &node->next;
    *out = node;
    return FAKE_OK;
}

CUresult cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after,
                                size_t n_after, struct fake_graph_alloc *params)
{
    FAKE_BEGIN(EFFECT, INIT);
    (void)after, (void)n_after; /* nodes run in the order they were added */
    if (!rc && (!out || !graph || !graph->alive || !params || !params->bytes))
        rc = FAKE_INVALID_VALUE;
    uint64_t address = rc ? 0 : fake_space_take(params->bytes);
    if (!rc)
        rc = address ? add_node(graph, address, params->bytes, out) : FAKE_OUT_OF_MEMORY;
    if (!rc)
        params->address = address;
    return FAKE_END("0x%llx %zu %p", (unsigned long long)address, params ? params->bytes : 0,
                    (void *)graph);
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after,
                               size_t n_after, CUdeviceptr address)
{
    FAKE_BEGIN(EFFECT, INIT);
    (void)after, (void)n_after;
    if (!rc && (!out || !graph || !graph->alive || !address))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        rc = add_node(graph, address, 0, out);
    return FAKE_END("0x%llx %p", address, (void *)graph);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    CUgraphExec e = rc || !out || !graph || !graph->alive ? NULL : calloc(1, sizeof *e);
    if (!rc && !e)
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        *e = (struct fake_graph_exec){.first = graph->first, .alive = true};
        *out = e;
    }
    return FAKE_END("%p %p %llu", (void *)e, (void *)graph, flags);
}

CUresult cuGraphExecDestroy(CUgraphExec exec)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!exec || !exec->alive))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        exec->alive = false;
    return FAKE_END("%p", (void *)exec);
}

static CUresult run_node(const struct fake_graph_node *node)
{
    if (!node->bytes)
        return fake_free_address(node->address, 1u << FAKE_GRAPH);
    if (fake_fault_of_allocation(node->bytes))
        return FAKE_OUT_OF_MEMORY;
    struct fake_block b = {.kind = FAKE_GRAPH,
                           .address = node->address,
                           .bytes = node->bytes,
                           .context = fake_current(),
                           .device = fake_current()->device};
    return fake_block_add(b) ? FAKE_OK : FAKE_OUT_OF_MEMORY;
}

/* Memory of an earlier launch that nobody freed makes the next one fail. */
static bool still_there(const struct fake_graph_node *node)
{
    while (node && !(node->bytes && fake_block_at(node->address)))
        node = node->next;
    return node;
}

static CUresult launch(const char *symbol, CUgraphExec exec, CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && (!exec || !exec->alive || still_there(exec->first)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    for (struct fake_graph_node *n = rc ? NULL : exec->first; !rc && n; n = n->next)
        rc = run_node(n);
    if (!rc)
        fake_stream_work(stream, fake_setting(FAKE_SET_KERNEL_US));
    return FAKE_END("%p %p", (void *)exec, (void *)stream);
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
    return launch(__func__, exec, stream);
}

CUresult cuGraphLaunch_ptsz(CUgraphExec exec, CUstream stream)
{
    return launch(__func__, exec, stream);
}

/* SPDX-License-Identifier: MIT
 * usage: random_ops_{linked,dlsym,proc} SEED THREADS OPERATIONS
 * Each thread does so many operations of its own seeded list: memory of all kinds, contexts,
 * modules, copies, waits. A part of what it allocates is left for any other thread to free. Prints
 * what the driver says lives, by kind, and exits 1 when a call fails that must not.
 */
#include "tests/cuda/fakecuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS  64
#define SHARED 1024
#define STEP   (2u << 20)

/* All functions by pointers, from where this program is to get them. */
static struct {
#define FAKE_CALL(symbol, name, since, stream, params) CUresult(*symbol) params;
#include "tests/cuda/driver_calls.def"
#undef FAKE_CALL
} cu;

#if defined(LOOK_UP_LINKED)
static void look_up(void)
{
#define FAKE_CALL(symbol, name, since, stream, params) cu.symbol = symbol;
#include "tests/cuda/driver_calls.def"
#undef FAKE_CALL
}
#else
static void look_up(void)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        exit(2);
#if defined(LOOK_UP_DLSYM)
#define FAKE_CALL(symbol, name, since, stream, params) *(void **)&cu.symbol = dlsym(lib, #symbol);
#else /* as libcudart does: one name by dlsym(), the rest by it */
    *(void **)&cu.cuGetProcAddress_v2 = dlsym(lib, "cuGetProcAddress_v2");
#define FAKE_CALL(symbol, name, since, stream, params)                                             \
    if (strcmp(#symbol, "cuGetProcAddress_v2"))                                                    \
        cu.cuGetProcAddress_v2(#name, (void **)&cu.symbol, since, stream == 2 ? 2 : 0, NULL);
    enum { ANY, LEGACY, PER_THREAD };
#endif
#include "tests/cuda/driver_calls.def"
#undef FAKE_CALL
}
#endif

#define MUST(call)                                                                                 \
    do {                                                                                           \
        CUresult rc_ = (call);                                                                     \
        if (rc_)                                                                                   \
            fail(#call, rc_);                                                                      \
    } while (0)

static void fail(const char *call, CUresult rc)
{
    fprintf(stderr, "%s: %d\n", call, rc);
    exit(1);
}

struct thing {
    enum fake_kind kind; /* 0: none */
    uint64_t address;
    size_t bytes;
};

struct worker {
    pthread_t thread;
    uint64_t random, n_operations;
    CUcontext context;
    CUstream stream;
    struct thing things[SLOTS];
};

static struct thing shared[SHARED];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static const int image[64];

static uint64_t draw(struct worker *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

static uint64_t map_memory(size_t bytes)
{
    struct fake_vmm_props props = {.type = 1, .where = {1, 0}};
    int access[3] = {1, 0, 3};
    CUdeviceptr at;
    CUmemHandle handle;
    MUST(cu.cuMemAddressReserve(&at, bytes, 0, 0, 0));
    MUST(cu.cuMemCreate(&handle, bytes, &props, 0));
    MUST(cu.cuMemMap(at, bytes, 0, handle, 0));
    MUST(cu.cuMemSetAccess(at, bytes, access, 1));
    MUST(cu.cuMemRelease(handle));
    return at;
}

static void unmap_memory(uint64_t at, size_t bytes)
{
    CUmemHandle handle;
    MUST(cu.cuMemRetainAllocationHandle(&handle, (void *)at));
    MUST(cu.cuMemUnmap(at, bytes));
    MUST(cu.cuMemRelease(handle));
    MUST(cu.cuMemAddressFree(at, bytes));
}

static uint64_t run_graph(size_t bytes)
{
    struct fake_graph_alloc what = {.bytes = bytes};
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec exec;
    MUST(cu.cuGraphCreate(&graph, 0));
    MUST(cu.cuGraphAddMemAllocNode(&node, graph, NULL, 0, &what));
    MUST(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
    MUST(cu.cuGraphLaunch(exec, NULL));
    MUST(cu.cuGraphExecDestroy(exec));
    MUST(cu.cuGraphDestroy(graph));
    return what.address;
}

static struct thing allocate(struct worker *w, enum fake_kind kind)
{
    struct thing t = {.kind = kind, .bytes = 1 + draw(w, 1 << draw(w, 24))};
    struct fake_array3d_desc d = {1 + t.bytes % 256, 1 + t.bytes % 16, t.bytes % 3, 1, 1, 0};
    size_t pitch;
    switch (kind) {
    case FAKE_DEVICE:
        if (t.bytes % 4)
            MUST(cu.cuMemAlloc_v2((CUdeviceptr *)&t.address, t.bytes));
        else
            MUST(cu.cuMemAllocPitch_v2((CUdeviceptr *)&t.address, &pitch, t.bytes, 3, 4));
        break;
    case FAKE_MANAGED:
        MUST(cu.cuMemAllocManaged((CUdeviceptr *)&t.address, t.bytes, 1));
        break;
    case FAKE_VMM:
        t.bytes = STEP * (1 + t.bytes % 4);
        t.address = map_memory(t.bytes);
        break;
    case FAKE_POOL:
        if (t.bytes % 2)
            MUST(cu.cuMemAllocAsync((CUdeviceptr *)&t.address, t.bytes, w->stream));
        else
            MUST(cu.cuMemAllocAsync_ptsz((CUdeviceptr *)&t.address, t.bytes, NULL));
        break;
    case FAKE_ARRAY:
        MUST(cu.cuArray3DCreate_v2((CUarray *)&t.address, &d));
        break;
    case FAKE_HOST:
        MUST(t.bytes % 2 ? cu.cuMemAllocHost_v2((void **)&t.address, t.bytes)
                         : cu.cuMemHostAlloc((void **)&t.address, t.bytes, 0));
        break;
    case FAKE_REGISTERED:
        t.address = (uint64_t)malloc(t.bytes);
        MUST(cu.cuMemHostRegister_v2((void *)t.address, t.bytes, 0));
        break;
    case FAKE_GRAPH:
        t.address = run_graph(t.bytes);
        break;
    default:
        MUST(cu.cuModuleLoadData((CUmodule *)&t.address, image));
        t.kind = FAKE_MODULE;
    }
    return t;
}

static void release(struct worker *w, struct thing t)
{
    switch (t.kind) {
    case FAKE_VMM:
        unmap_memory(t.address, t.bytes);
        break;
    case FAKE_POOL:
        MUST(t.bytes % 2 ? cu.cuMemFreeAsync(t.address, w->stream)
                         : cu.cuMemFreeAsync_ptsz(t.address, NULL));
        break;
    case FAKE_ARRAY:
        MUST(cu.cuArrayDestroy((CUarray)t.address));
        break;
    case FAKE_HOST:
        MUST(cu.cuMemFreeHost((void *)t.address));
        break;
    case FAKE_REGISTERED:
        MUST(cu.cuMemHostUnregister((void *)t.address));
        free((void *)t.address);
        break;
    case FAKE_MODULE:
        MUST(cu.cuModuleUnload((CUmodule)t.address));
        break;
    default:
        MUST(cu.cuMemFree_v2(t.address));
    }
}

/* What it holds is left to the context's end. */
static void short_context(struct worker *w)
{
    static const enum fake_kind kinds[] = {FAKE_DEVICE, FAKE_MANAGED, FAKE_HOST, FAKE_MODULE};
    CUcontext context, popped;
    MUST(cu.cuCtxCreate_v2(&context, 0, 0));
    for (uint64_t n = draw(w, 4); n; n--)
        allocate(w, kinds[draw(w, 4)]);
    MUST(cu.cuCtxPopCurrent_v2(&popped));
    if (draw(w, 2)) {
        MUST(cu.cuCtxPushCurrent_v2(context));
        MUST(cu.cuCtxSynchronize());
    }
    MUST(cu.cuCtxDestroy_v2(context));
}

/* What changes nothing that lives. */
static void use(struct worker *w)
{
    struct thing t = w->things[draw(w, SLOTS)];
    CUdeviceptr base;
    size_t bytes;
    char buffer[64];
    if (t.kind == FAKE_DEVICE && t.bytes >= sizeof buffer) {
        MUST(cu.cuMemcpyHtoD_v2(t.address, image, sizeof buffer));
        MUST(cu.cuMemcpyDtoH_v2_ptds(buffer, t.address, sizeof buffer));
        MUST(cu.cuMemGetAddressRange_v2(&base, &bytes, t.address + 1));
    } else {
        MUST(cu.cuStreamSynchronize(w->stream));
        MUST(cu.cuMemFree_v2(0));
        if (cu.cuMemFree_v2(12345) != FAKE_INVALID_VALUE)
            fail("cuMemFree_v2(12345)", 0);
    }
}

static void one_operation(struct worker *w)
{
    struct thing *mine = &w->things[draw(w, SLOTS)], *other = &shared[draw(w, SHARED)], was;
    uint64_t what = draw(w, 1000);
    if (what < 4) {
        short_context(w);
    } else if (what < 150) {
        use(w);
    } else if (what < 300) {
        pthread_mutex_lock(&shared_lock);
        was = *other;
        *other = *mine;
        *mine = was;
        pthread_mutex_unlock(&shared_lock);
    } else if (mine->kind) {
        release(w, *mine);
        mine->kind = 0;
    } else {
        *mine = allocate(w, 1 + draw(w, FAKE_GRAPH + 1));
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    MUST(cu.cuCtxSetCurrent(w->context));
    MUST(cu.cuStreamCreate(&w->stream, 0));
    for (uint64_t i = 0; i < w->n_operations; i++)
        one_operation(w);
    MUST(cu.cuStreamSynchronize(w->stream));
    MUST(cu.cuStreamDestroy_v2(w->stream));
    return NULL;
}

static void print_what_lives(void)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    uint64_t (*bytes)(int) = (uint64_t(*)(int))dlsym(lib, "fake_live_bytes");
    uint64_t (*blocks)(int) = (uint64_t(*)(int))dlsym(lib, "fake_live_blocks");
    uint64_t (*peak)(void) = (uint64_t(*)(void))dlsym(lib, "fake_device_peak_bytes");
    for (int kind = 1; kind < FAKE_N_KINDS; kind++)
        printf("%d %llu %llu\n", kind, (unsigned long long)blocks(kind),
               (unsigned long long)bytes(kind));
    printf("peak %llu\n", (unsigned long long)peak());
}

/* Called by random_ops.py too. */
FAKE_API int main(int argc, char **argv)
{
    int n_threads = argc == 4 ? atoi(argv[2]) : 0;
    if (n_threads < 1)
        return 2;
    struct worker *workers = calloc((size_t)n_threads, sizeof *workers);
    CUcontext context;
    look_up();
    MUST(cu.cuInit(0));
    MUST(cu.cuDevicePrimaryCtxRetain(&context, 0));
    for (int i = 0; i < n_threads; i++) {
        struct worker *w = &workers[i];
        w->random = (strtoull(argv[1], NULL, 0) + 1) * 0x9e3779b97f4a7c15u + (uint64_t)i * 2 + 1;
        w->n_operations = strtoull(argv[3], NULL, 0);
        w->context = context;
        if (n_threads == 1)
            work(w);
        else if (pthread_create(&w->thread, NULL, work, w))
            return 2;
    }
    for (int i = 0; i < n_threads && n_threads > 1; i++)
        pthread_join(workers[i].thread, NULL);
    print_what_lives();
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "preload/cuda_context.h"

#include <string.h>

#include "preload/agent_clock.h"
#include "preload/cuda_live.h"
#include "preload/cuda_lookup.h"
#include "preload/trace/trace_format.h"

static struct gs_cuda_context contexts[GS_CUDA_CONTEXTS];
static struct gs_cuda_device devices[GS_CUDA_DEVICES];
static struct gs_cuda_driver driver;
static uint32_t n_contexts, driver_state; /* 0 unknown, 1 being asked, 2 known */
static uint32_t last;                     /* the context that was asked for last */
static bool more_contexts;

void gs_cuda_contexts_forget(void)
{
    memset(contexts, 0, sizeof(contexts));
    memset(devices, 0, sizeof(devices));
    n_contexts = driver_state = last = 0;
    more_contexts = false;
}

/* ---- the driver ---- */

/* Its own word (from 11.7 on), which CUDA_MODULE_LOADING decides. */
static uint32_t loading_mode(const struct gs_cuda_questions *ask)
{
    int mode = 0;
    if (!ask->cuModuleGetLoadingMode || ask->cuModuleGetLoadingMode(&mode) != GS_CUDA_SUCCESS)
        return GS_CUDA_LOADING_UNKNOWN;
    return mode == 1 ? GS_CUDA_LOADING_EAGER : GS_CUDA_LOADING_LAZY;
}

static void learn_driver(void)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    uint32_t unknown = 0;
    int version = 0;
    if (!__atomic_compare_exchange_n(&driver_state, &unknown, 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return;
    if (ask->cuDriverGetVersion)
        ask->cuDriverGetVersion(&version);
    driver.t = gs_now();
    driver.version = (uint32_t)version;
    driver.loading = loading_mode(ask);
    if (ask->path && strlen(ask->path) < sizeof(driver.path))
        strcpy(driver.path, ask->path);
    __atomic_store_n(&driver_state, 2, __ATOMIC_RELEASE);
}

const struct gs_cuda_driver *gs_cuda_driver(void)
{
    return __atomic_load_n(&driver_state, __ATOMIC_ACQUIRE) == 2 ? &driver : NULL;
}

/* ---- devices ---- */

static void learn_device(CUdevice device)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    struct gs_cuda_device *d = &devices[(uint32_t)device % GS_CUDA_DEVICES];
    uint32_t unknown = 0;
    size_t bytes = 0;
    if (!__atomic_compare_exchange_n(&d->state, &unknown, 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return;
    if (ask->cuDeviceGetName)
        ask->cuDeviceGetName(d->name, sizeof(d->name) - 1, device);
    if (ask->cuDeviceGetPCIBusId)
        ask->cuDeviceGetPCIBusId(d->bus_id, sizeof(d->bus_id) - 1, device);
    if (ask->cuDeviceTotalMem_v2)
        ask->cuDeviceTotalMem_v2(&bytes, device);
    d->total_bytes = bytes;
    __atomic_store_n(&d->state, 2, __ATOMIC_RELEASE);
}

const struct gs_cuda_device *gs_cuda_device_at(uint32_t device)
{
    const struct gs_cuda_device *d = &devices[device % GS_CUDA_DEVICES];
    return __atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == 2 ? d : NULL;
}

/* ---- contexts ---- */

static void changed(struct gs_cuda_context *c)
{
    __atomic_fetch_add(&c->version, 1, __ATOMIC_RELEASE);
}

uint32_t gs_cuda_n_contexts(void)
{
    return __atomic_load_n(&n_contexts, __ATOMIC_ACQUIRE);
}

bool gs_cuda_has_more_contexts(void)
{
    return __atomic_load_n(&more_contexts, __ATOMIC_RELAXED);
}

struct gs_cuda_context *gs_cuda_context_at(uint32_t context)
{
    return &contexts[context];
}

static bool is_live(uint32_t context, const void *handle)
{
    return __atomic_load_n(&contexts[context].handle, __ATOMIC_ACQUIRE) == handle &&
           !contexts[context].ended;
}

static uint32_t newest_up_to(uint32_t i, const void *handle)
{
    while (i && !is_live(i, handle))
        i--;
    return i;
}

/* Mostly the one that was asked for last time. */
uint32_t gs_cuda_context_of(const void *handle)
{
    uint32_t i = __atomic_load_n(&last, __ATOMIC_RELAXED);
    if (!handle || (i && is_live(i, handle)))
        return handle ? i : 0;
    i = newest_up_to(gs_cuda_n_contexts(), handle);
    __atomic_store_n(&last, i, __ATOMIC_RELAXED);
    return i;
}

/* The next index becomes the handle's; 0: there is none left. Whoever finds an index taken looks
 * whose it is, so that of two threads that meet a stranger only one adds it. */
static uint32_t claim(void *handle, bool or_known, bool *mine)
{
    uint32_t n = gs_cuda_n_contexts(), known = or_known ? newest_up_to(n, handle) : 0;
    for (uint32_t i = n + 1; !known && i < GS_CUDA_CONTEXTS; i++) {
        void *holder = NULL;
        *mine = __atomic_compare_exchange_n(&contexts[i].handle, &holder, handle, false,
                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        uint32_t before = i - 1;
        __atomic_compare_exchange_n(&n_contexts, &before, i, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED);
        if (*mine || (or_known && holder == handle))
            return i;
    }
    if (!known)
        __atomic_store_n(&more_contexts, true, __ATOMIC_RELAXED); /* told by the drain thread */
    return known;
}

uint32_t gs_cuda_context_add(void *handle, CUdevice device, const struct gs_cuda_birth *birth,
                             bool or_known)
{
    bool mine = false;
    uint32_t i = handle ? claim(handle, or_known, &mine) : 0;
    if (!mine)
        return i;
    struct gs_cuda_context *c = &contexts[i];
    learn_driver();
    learn_device(device);
    c->device = (uint32_t)device;
    c->flags = birth->flags;
    c->thread = birth->thread;
    c->stack = birth->stack;
    c->born_t = birth->t;
    c->duration = birth->duration;
    c->free_before_bytes = birth->free_before_bytes;
    __atomic_store_n(&last, i, __ATOMIC_RELAXED); /* an older one of that handle may be ending */
    changed(c);
    return i;
}

/* A context made past our wrappers (by a library that was loaded before Python, say). */
static uint32_t add_stranger(void *handle)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    const struct gs_cuda_birth unknown = {.t = gs_now(), .thread = GS_NO_THREAD};
    CUdevice device = 0;
    if (!ask->cuCtxGetDevice || ask->cuCtxGetDevice(&device) != GS_CUDA_SUCCESS)
        return 0;
    return gs_cuda_context_add(handle, device, &unknown, true);
}

uint32_t gs_cuda_context_current(void)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    CUcontext handle = NULL;
    if (!ask->cuCtxGetCurrent || ask->cuCtxGetCurrent(&handle) != GS_CUDA_SUCCESS || !handle)
        return 0;
    uint32_t known = gs_cuda_context_of(handle);
    return known ? known : add_stranger(handle);
}

static bool ask_free(size_t *free_bytes, size_t *total_bytes)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    return ask->cuMemGetInfo_v2 && ask->cuMemGetInfo_v2(free_bytes, total_bytes) == GS_CUDA_SUCCESS;
}

void gs_cuda_context_measure(uint32_t context)
{
    struct gs_cuda_context *c = &contexts[context];
    size_t free_bytes = 0, total_bytes = 0;
    if (!context || __atomic_exchange_n(&c->asked, true, __ATOMIC_ACQ_REL) ||
        !ask_free(&free_bytes, &total_bytes))
        return;
    c->free_after_bytes = free_bytes;
    c->total_bytes = total_bytes;
    changed(c);
}

uint64_t gs_cuda_free_bytes_of(CUdevice device)
{
    uint32_t current = gs_cuda_context_current();
    size_t free_bytes = 0, total_bytes = 0;
    if (!current || contexts[current].device != (uint32_t)device ||
        !ask_free(&free_bytes, &total_bytes))
        return 0;
    return free_bytes;
}

void gs_cuda_context_end(uint32_t context, uint64_t t)
{
    struct gs_cuda_context *c = &contexts[context];
    if (!context || c->ended)
        return;
    c->died_t = t;
    c->ended = true;
    changed(c);
}

uint32_t gs_cuda_primary_of(CUdevice device)
{
    for (uint32_t i = gs_cuda_n_contexts(); i; i--)
        if (contexts[i].device == (uint32_t)device && contexts[i].flags & GS_CUDA_PRIMARY &&
            !contexts[i].ended)
            return i;
    return 0;
}

bool gs_cuda_primary_is_active(CUdevice device)
{
    const struct gs_cuda_questions *ask = gs_cuda_ask();
    unsigned flags;
    int active = 1;
    if (ask->cuDevicePrimaryCtxGetState)
        ask->cuDevicePrimaryCtxGetState(device, &flags, &active);
    return active != 0;
}

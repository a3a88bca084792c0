/* SPDX-License-Identifier: MIT
 * Memory in stream order. A pool takes its device's memory in steps and keeps it; what is above the
 * threshold goes back at the next synchronization. An address is free as soon as the call returns.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>

#define STEP (32u << 20)

enum attribute {
    REUSE_FIRST = 1, /* three switches */
    REUSE_LAST = 3,
    RELEASE_THRESHOLD,
    RESERVED_NOW,
    RESERVED_HIGH,
    USED_NOW,
    USED_HIGH
};

struct fake_pool {
    struct fake_pool *next;
    int device;
    bool is_default, alive;
    uint64_t values[USED_HIGH + 1];
    int reuse[REUSE_LAST + 1];
};

static struct fake_pool *pools, *defaults[FAKE_MAX_DEVICES], *currents[FAKE_MAX_DEVICES];

static struct fake_pool *make(int device)
{
    struct fake_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (struct fake_pool){.next = pools, .device = device, .alive = true, .reuse = {0, 1, 1, 1}};
    pools = p;
    return p;
}

static struct fake_pool *default_of(int device)
{
    if (!defaults[device] && (defaults[device] = make(device)))
        defaults[device]->is_default = true;
    return defaults[device];
}

static struct fake_pool *current_of(int device)
{
    return currents[device] ? currents[device] : default_of(device);
}

static bool is_pool(CUmemoryPool pool)
{
    struct fake_pool *p = pools;
    while (p && p != pool)
        p = p->next;
    return p && p->alive;
}

static uint64_t steps(uint64_t bytes)
{
    return (bytes + STEP - 1) / STEP * STEP;
}

static void set_high(CUmemoryPool p)
{
    if (p->values[USED_NOW] > p->values[USED_HIGH])
        p->values[USED_HIGH] = p->values[USED_NOW];
    if (p->values[RESERVED_NOW] > p->values[RESERVED_HIGH])
        p->values[RESERVED_HIGH] = p->values[RESERVED_NOW];
}

bool fake_pool_take(CUmemoryPool p, size_t bytes)
{
    uint64_t wanted = steps(p->values[USED_NOW] + bytes);
    if (wanted > p->values[RESERVED_NOW]) {
        if (!fake_charge(p->device, wanted - p->values[RESERVED_NOW]))
            return false;
        p->values[RESERVED_NOW] = wanted;
    }
    p->values[USED_NOW] += bytes;
    set_high(p);
    return true;
}

static void trim(CUmemoryPool p, uint64_t keep)
{
    uint64_t used = steps(p->values[USED_NOW]), to = used > keep ? used : keep;
    if (to >= p->values[RESERVED_NOW])
        return;
    fake_uncharge(p->device, p->values[RESERVED_NOW] - to);
    p->values[RESERVED_NOW] = to;
}

void fake_pool_give(CUmemoryPool p, size_t bytes)
{
    p->values[USED_NOW] -= bytes;
    if (!p->alive)
        trim(p, 0);
}

void fake_pools_trim(void)
{
    for (struct fake_pool *p = pools; p; p = p->next)
        trim(p, p->values[RELEASE_THRESHOLD]);
}

static CUresult allocate(const char *symbol, CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
                         CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    struct fake_block *b = NULL;
    if (!rc && !pool)
        pool = current_of(fake_current()->device);
    if (!rc && (!out || !bytes || !is_pool(pool)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    if (!rc && fake_fault_of_allocation(bytes))
        rc = FAKE_OUT_OF_MEMORY;
    if (!rc) {
        b = fake_block_add((struct fake_block){.kind = FAKE_POOL,
                                               .bytes = bytes,
                                               .context = fake_current(),
                                               .device = pool->device,
                                               .pool = pool});
        rc = b ? FAKE_OK : FAKE_OUT_OF_MEMORY;
    }
    if (!rc)
        *out = b->address;
    return FAKE_END("0x%llx %zu %p", (unsigned long long)(b ? b->address : 0), bytes,
                    (void *)stream);
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    return allocate(__func__, out, bytes, NULL, stream);
}

CUresult cuMemAllocAsync_ptsz(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    return allocate(__func__, out, bytes, NULL, stream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    return allocate(__func__, out, bytes, pool, stream);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
                                      CUstream stream)
{
    return allocate(__func__, out, bytes, pool, stream);
}

static CUresult release(const char *symbol, CUdeviceptr address, CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    if (!rc && address)
        rc = fake_free_address(address, 1u << FAKE_POOL | 1u << FAKE_DEVICE | 1u << FAKE_GRAPH);
    return FAKE_END("0x%llx %p", address, (void *)stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
    return release(__func__, address, stream);
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream)
{
    return release(__func__, address, stream);
}

CUresult cuMemPoolCreate(CUmemoryPool *out, const struct fake_pool_props *props)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!out || !props || !fake_device_ok(props->where.id)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && !(*out = make(props->where.id)))
        rc = FAKE_OUT_OF_MEMORY;
    return FAKE_END("%p", (void *)(rc ? NULL : *out));
}

/* What was allocated of it lives on. */
CUresult cuMemPoolDestroy(CUmemoryPool pool)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!is_pool(pool) || pool->is_default))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        struct fake_pool **at = &pools;
        while (*at != pool)
            at = &(*at)->next;
        *at = pool->next;
        pool->alive = false; /* leaked: what it gave out points to it */
        trim(pool, 0);
        if (currents[pool->device] == pool)
            currents[pool->device] = NULL;
    }
    return FAKE_END("%p", (void *)pool);
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && !is_pool(pool))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        trim(pool, keep);
    return FAKE_END("%p %zu", (void *)pool, keep);
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    FAKE_BEGIN(EFFECT, INIT);
    bool high = attribute == RESERVED_HIGH || attribute == USED_HIGH;
    if (!rc && (!is_pool(pool) || !value || attribute < REUSE_FIRST || attribute > USED_HIGH ||
                (attribute > RELEASE_THRESHOLD && !high) || (high && *(uint64_t *)value)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && attribute <= REUSE_LAST)
        pool->reuse[attribute] = *(int *)value;
    else if (!rc)
        pool->values[attribute] = high ? pool->values[attribute - 1] : *(uint64_t *)value;
    return FAKE_END("%p %d", (void *)pool, attribute);
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && (!is_pool(pool) || !value || attribute < REUSE_FIRST || attribute > USED_HIGH))
        rc = FAKE_INVALID_VALUE;
    if (!rc && attribute <= REUSE_LAST)
        *(int *)value = pool->reuse[attribute];
    else if (!rc)
        *(uint64_t *)value = pool->values[attribute];
    return FAKE_END("%p %d", (void *)pool, attribute);
}

static CUresult pool_of(const char *symbol, CUmemoryPool *out, CUdevice device,
                        struct fake_pool *(*which)(int))
{
    FAKE_BEGIN_AS(symbol, QUERY, INIT);
    if (!rc && (!out || !fake_device_ok(device)))
        rc = out ? FAKE_INVALID_DEVICE : FAKE_INVALID_VALUE;
    if (!rc)
        *out = which(device);
    return FAKE_END("%d", device);
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice device)
{
    return pool_of(__func__, out, device, default_of);
}

CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice device)
{
    return pool_of(__func__, out, device, current_of);
}

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!fake_device_ok(device) || !is_pool(pool) || pool->device != device))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        currents[device] = pool;
    return FAKE_END("%d %p", device, (void *)pool);
}

/* SPDX-License-Identifier: MIT
 * Memory by the plain calls: of devices, managed, of the host, arrays, of another process.
 */
#include "tests/cuda/fakecuda.h"

#include <string.h>
#include <unistd.h>

#define PITCH_ALIGN 512u

CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
    FAKE_BEGIN(QUERY, CONTEXT);
    if (!rc && (!free || !total))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        *total = fake_setting(FAKE_SET_MEMORY_MB) << 20;
        *free = fake_free_bytes(fake_current()->device);
    }
    return FAKE_END(" ");
}

/* In the current context; *out is left alone when it fails, as the driver leaves it. */
static CUresult allocate(CUresult rc, enum fake_kind kind, size_t bytes, uint64_t *out)
{
    if (rc)
        return rc;
    if (!out || !bytes)
        return FAKE_INVALID_VALUE;
    fake_sleep(0, fake_setting(FAKE_SET_ALLOC_US), false);
    if (fake_fault_of_allocation(bytes))
        return FAKE_OUT_OF_MEMORY;
    struct fake_block *b = fake_block_add((struct fake_block){
        .kind = kind, .bytes = bytes, .context = fake_current(), .device = fake_current()->device});
    if (!b)
        return FAKE_OUT_OF_MEMORY;
    *out = b->address;
    return FAKE_OK;
}

#define GIVEN(rc, out) ((unsigned long long)((rc) || !(out) ? 0 : (uint64_t) * (out)))

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    rc = allocate(rc, FAKE_DEVICE, bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu", GIVEN(rc, out), bytes);
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height,
                            unsigned element)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    size_t wide = (width + PITCH_ALIGN - 1) & ~(size_t)(PITCH_ALIGN - 1);
    if (!rc && (!pitch || (element != 4 && element != 8 && element != 16)))
        rc = FAKE_INVALID_VALUE;
    rc = allocate(rc, FAKE_DEVICE, wide * height, (uint64_t *)out);
    if (!rc)
        *pitch = wide;
    return FAKE_END("0x%llx %zu %zu %zu", GIVEN(rc, out), width, height, wide * height);
}

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc && flags != 1 && flags != 2)
        rc = FAKE_INVALID_VALUE;
    rc = allocate(rc, FAKE_MANAGED, bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu", GIVEN(rc, out), bytes);
}

CUresult cuMemFree_v2(CUdeviceptr address)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    fake_sleep(0, fake_setting(FAKE_SET_FREE_US), false);
    if (!rc && address)
        rc = fake_free_address(address, 1u << FAKE_DEVICE | 1u << FAKE_MANAGED | 1u << FAKE_POOL |
                                            1u << FAKE_GRAPH);
    return FAKE_END("0x%llx", address);
}

CUresult cuMemAllocHost_v2(void **out, size_t bytes)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    rc = allocate(rc, FAKE_HOST, bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu", GIVEN(rc, out), bytes);
}

CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    rc = allocate(rc, FAKE_HOST, bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu %u", GIVEN(rc, out), bytes, flags);
}

CUresult cuMemFreeHost(void *address)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc)
        rc = fake_free_address((uint64_t)address, 1u << FAKE_HOST);
    return FAKE_END("%p", address);
}

CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc && (!address || !bytes))
        rc = FAKE_INVALID_VALUE;
    if (!rc && fake_block_at((uint64_t)address))
        rc = FAKE_ALREADY_REGISTERED;
    uint64_t given = 0;
    if (!rc && fake_fault_of_allocation(bytes))
        rc = FAKE_OUT_OF_MEMORY;
    if (!rc) {
        struct fake_block b = {.kind = FAKE_REGISTERED,
                               .address = (uint64_t)address,
                               .bytes = bytes,
                               .context = fake_current(),
                               .device = fake_current()->device};
        rc = fake_block_add(b) ? FAKE_OK : FAKE_OUT_OF_MEMORY;
        given = (uint64_t)address;
    }
    return FAKE_END("0x%llx %zu %u", (unsigned long long)given, bytes, flags);
}

CUresult cuMemHostUnregister(void *address)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc && fake_free_address((uint64_t)address, 1u << FAKE_REGISTERED))
        rc = FAKE_NOT_REGISTERED;
    return FAKE_END("%p", address);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr address)
{
    FAKE_BEGIN(QUERY, CONTEXT);
    struct fake_block *b = rc ? NULL : fake_block_around(address);
    if (!rc && !b)
        rc = FAKE_NOT_FOUND;
    if (!rc && base)
        *base = b->address;
    if (!rc && bytes)
        *bytes = b->bytes;
    return FAKE_END("0x%llx", address);
}

/* ---- arrays ---- */

#define FORMAT_HALF 0x10

static size_t bytes_of_format(int format)
{
    switch (format) {
    case 1: /* 8 bits */
    case 8:
        return 1;
    case 2: /* 16 bits */
    case 9:
    case FORMAT_HALF:
        return 2;
    case 3: /* 32 bits */
    case 10:
    case 0x20:
        return 4;
    default:
        return 0;
    }
}

static size_t or_one(size_t n)
{
    return n ? n : 1;
}

static CUresult create_array(const char *symbol, CUarray *out, const struct fake_array3d_desc *d,
                             unsigned levels)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    size_t bytes = 0;
    for (unsigned i = 0; d && i < levels; i++)
        bytes += or_one(d->width >> i) * or_one(d->height >> i) * or_one(d->depth >> i) *
                 d->channels * bytes_of_format(d->format);
    rc = allocate(rc, FAKE_ARRAY, bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu", GIVEN(rc, out), bytes);
}

CUresult cuArrayCreate_v2(CUarray *out, const struct fake_array_desc *desc)
{
    struct fake_array3d_desc d = {0};
    if (desc)
        d = (struct fake_array3d_desc){.width = desc->width,
                                       .height = desc->height,
                                       .format = desc->format,
                                       .channels = desc->channels};
    return create_array(__func__, out, desc ? &d : NULL, 1);
}

CUresult cuArray3DCreate_v2(CUarray *out, const struct fake_array3d_desc *desc)
{
    return create_array(__func__, out, desc, 1);
}

CUresult cuMipmappedArrayCreate(CUarray *out, const struct fake_array3d_desc *desc, unsigned levels)
{
    return create_array(__func__, out, desc, levels);
}

static CUresult destroy_array(const char *symbol, CUarray array)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && fake_free_address((uint64_t)array, 1u << FAKE_ARRAY))
        rc = FAKE_INVALID_HANDLE;
    return FAKE_END("%p", array);
}

CUresult cuArrayDestroy(CUarray array)
{
    return destroy_array(__func__, array);
}

CUresult cuMipmappedArrayDestroy(CUarray array)
{
    return destroy_array(__func__, array);
}

/* ---- another process's memory; its bytes are not shared ---- */

struct ipc {
    int pid;
    uint64_t address, bytes;
};

CUresult cuIpcGetMemHandle(struct fake_ipc_handle *out, CUdeviceptr address)
{
    FAKE_BEGIN(QUERY, CONTEXT);
    struct fake_block *b = rc ? NULL : fake_block_at(address);
    if (!rc && (!out || !b || b->kind != FAKE_DEVICE))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        struct ipc ipc = {getpid(), b->address, b->bytes};
        memset(out, 0, sizeof *out);
        memcpy(out, &ipc, sizeof ipc);
    }
    return FAKE_END("0x%llx", address);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *out, struct fake_ipc_handle handle, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    struct ipc ipc;
    memcpy(&ipc, &handle, sizeof ipc);
    if (!rc && ipc.pid == getpid())
        rc = FAKE_INVALID_CONTEXT; /* one's own memory */
    rc = allocate(rc, FAKE_IPC, ipc.bytes, (uint64_t *)out);
    return FAKE_END("0x%llx %zu %u", GIVEN(rc, out), (size_t)ipc.bytes, flags);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc)
        rc = fake_free_address(address, 1u << FAKE_IPC);
    return FAKE_END("0x%llx", address);
}

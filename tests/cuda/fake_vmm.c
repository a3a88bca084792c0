/* SPDX-License-Identifier: MIT
 * Virtual memory: address ranges, physical memory by handle, mappings of one in the other. Physical
 * memory lives while it has a reference or a mapping.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>

#define GRANULARITY (2u << 20)

struct range {
    struct range *next;
    uint64_t address;
    size_t bytes;
    struct fake_block *memory; /* NULL: a reservation */
    bool access;
};

static struct range *reservations, *mappings;

static bool add(struct range **list, struct range what)
{
    struct range *r = malloc(sizeof *r);
    if (!r)
        return false;
    *r = what;
    r->next = *list;
    *list = r;
    return true;
}

static struct range *around(struct range *r, uint64_t address, size_t bytes)
{
    while (r && (address < r->address || address + bytes > r->address + r->bytes))
        r = r->next;
    return r;
}

static bool overlaps(const struct range *r, uint64_t address, size_t bytes)
{
    while (r && (address >= r->address + r->bytes || address + bytes <= r->address))
        r = r->next;
    return r;
}

bool fake_mapped(uint64_t address, size_t bytes)
{
    struct range *r = around(mappings, address, bytes);
    return r && r->access;
}

static void drop_if_unused(struct fake_block *memory)
{
    if (!memory->refs && !memory->maps)
        fake_block_remove(memory);
}

static struct fake_block *memory_of(CUmemHandle handle)
{
    struct fake_block *b = handle ? fake_block_at(handle) : NULL;
    return b && b->kind == FAKE_VMM && b->refs ? b : NULL;
}

CUresult cuMemAddressReserve(CUdeviceptr *out, size_t bytes, size_t alignment, CUdeviceptr wanted,
                             uint64_t flags)
{
    FAKE_BEGIN(EFFECT, INIT);
    (void)alignment; /* ranges lie at multiples of their size */
    (void)wanted;
    if (!rc && (!out || !bytes || bytes % GRANULARITY || flags))
        rc = FAKE_INVALID_VALUE;
    uint64_t address = rc ? 0 : fake_space_take(bytes);
    if (!rc &&
        (!address || !add(&reservations, (struct range){.address = address, .bytes = bytes})))
        rc = FAKE_OUT_OF_MEMORY;
    if (!rc)
        *out = address;
    return FAKE_END("0x%llx %zu", (unsigned long long)address, bytes);
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes)
{
    FAKE_BEGIN(EFFECT, INIT);
    struct range **at = &reservations;
    while (*at && (*at)->address != address)
        at = &(*at)->next;
    if (!rc && (!*at || (*at)->bytes != bytes || overlaps(mappings, address, bytes)))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        struct range *r = *at;
        *at = r->next;
        free(r);
        fake_space_give(address, bytes);
    }
    return FAKE_END("0x%llx %zu", address, bytes);
}

CUresult cuMemCreate(CUmemHandle *out, size_t bytes, const struct fake_vmm_props *props,
                     uint64_t flags)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!out || !props || !bytes || bytes % GRANULARITY || flags))
        rc = FAKE_INVALID_VALUE;
    if (!rc && !fake_device_ok(props->where.id))
        rc = FAKE_INVALID_DEVICE;
    if (!rc && fake_fault_of_allocation(bytes))
        rc = FAKE_OUT_OF_MEMORY;
    struct fake_block *b = NULL;
    if (!rc) {
        b = fake_block_add((struct fake_block){
            .kind = FAKE_VMM, .bytes = bytes, .device = props->where.id, .refs = 1});
        rc = b ? FAKE_OK : FAKE_OUT_OF_MEMORY;
    }
    if (!rc)
        *out = b->address;
    return FAKE_END("0x%llx %zu", (unsigned long long)(b ? b->address : 0), bytes);
}

CUresult cuMemRelease(CUmemHandle handle)
{
    FAKE_BEGIN(EFFECT, INIT);
    struct fake_block *b = memory_of(handle);
    if (!rc && !b)
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        b->refs--;
        drop_if_unused(b);
    }
    return FAKE_END("0x%llx", handle);
}

CUresult cuMemRetainAllocationHandle(CUmemHandle *out, void *address)
{
    FAKE_BEGIN(EFFECT, INIT);
    struct range *r = around(mappings, (uint64_t)address, 1);
    if (!rc && (!out || !r))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        r->memory->refs++;
        *out = r->memory->address;
    }
    return FAKE_END("0x%llx %p", (unsigned long long)(rc ? 0 : *out), address);
}

CUresult cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemHandle handle,
                  uint64_t flags)
{
    FAKE_BEGIN(EFFECT, INIT);
    struct fake_block *b = memory_of(handle);
    if (!rc && (!b || !bytes || bytes % GRANULARITY || offset + bytes > b->bytes || flags ||
                !around(reservations, address, bytes) || overlaps(mappings, address, bytes)))
        rc = FAKE_INVALID_VALUE;
    if (!rc && !add(&mappings, (struct range){.address = address, .bytes = bytes, .memory = b}))
        rc = FAKE_OUT_OF_MEMORY;
    if (!rc)
        b->maps++;
    return FAKE_END("0x%llx %zu %zu 0x%llx", address, bytes, offset, handle);
}

/* One call may end several whole mappings, and no part of one. */
static bool whole_mappings(uint64_t address, size_t bytes)
{
    size_t covered = 0;
    for (struct range *r = mappings; r; r = r->next)
        if (r->address >= address && r->address + r->bytes <= address + bytes)
            covered += r->bytes;
    return bytes && covered == bytes;
}

CUresult cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && !whole_mappings(address, bytes))
        rc = FAKE_INVALID_VALUE;
    struct range **at = &mappings;
    while (!rc && *at) {
        struct range *r = *at;
        if (r->address < address || r->address >= address + bytes) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->memory->maps--;
        drop_if_unused(r->memory);
        free(r);
    }
    return FAKE_END("0x%llx %zu", address, bytes);
}

CUresult cuMemSetAccess(CUdeviceptr address, size_t bytes, const void *access, size_t n_access)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!access || !n_access || !whole_mappings(address, bytes)))
        rc = FAKE_INVALID_VALUE;
    for (struct range *r = rc ? NULL : mappings; r; r = r->next)
        if (r->address >= address && r->address < address + bytes)
            r->access = true;
    return FAKE_END("0x%llx %zu", address, bytes);
}

CUresult cuMemGetAllocationGranularity(size_t *out, const struct fake_vmm_props *props, int option)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && (!out || !props))
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        *out = GRANULARITY;
    return FAKE_END("%d", option);
}

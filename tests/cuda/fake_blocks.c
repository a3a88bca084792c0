/* SPDX-License-Identifier: MIT
 * What lives: blocks by address, sums by kind, and the address space they come from. Addresses are
 * handed out again at once, last in first out, as a driver does.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BUCKETS    (1u << 16)
#define MIN_LOG2   9 /* 512 bytes: every allocation's alignment */
#define MAX_LOG2   40
#define SPACE_LOG2 42
#define GIVE_BACK  (1u << 20) /* such blocks' pages go back to the system */
#define DEVICE_KINDS                                                                               \
    (1u << FAKE_DEVICE | 1u << FAKE_MANAGED | 1u << FAKE_VMM | 1u << FAKE_POOL | 1u << FAKE_ARRAY)

static struct fake_block *buckets[BUCKETS];
static uint64_t live_bytes[FAKE_N_KINDS], live_blocks[FAKE_N_KINDS], device_bytes, device_peak;

/* ---- address space ---- */

struct free_range {
    struct free_range *next;
    uint64_t address;
};

static uint64_t space_next, space_end;
static struct free_range *free_ranges[MAX_LOG2 + 1];

static unsigned log2_of(size_t bytes)
{
    unsigned log2 = MIN_LOG2;
    while (log2 < 63 && (UINT64_C(1) << log2) < bytes)
        log2++;
    return log2;
}

static void open_space(void)
{
    for (unsigned log2 = SPACE_LOG2; log2 >= 32 && !space_end; log2--) {
        void *p = mmap(NULL, UINT64_C(1) << log2, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            continue;
        space_next = (uint64_t)p;
        space_end = space_next + (UINT64_C(1) << log2);
    }
}

uint64_t fake_space_take(size_t bytes)
{
    unsigned log2 = log2_of(bytes);
    if (!space_end)
        open_space();
    if (log2 > MAX_LOG2)
        return 0;
    struct free_range *r = free_ranges[log2];
    if (r) {
        uint64_t address = r->address;
        free_ranges[log2] = r->next;
        free(r);
        return address;
    }
    uint64_t size = UINT64_C(1) << log2, at = (space_next + size - 1) & ~(size - 1);
    if (at + size > space_end)
        return 0;
    space_next = at + size;
    return at;
}

void fake_space_give(uint64_t address, size_t bytes)
{
    unsigned log2 = log2_of(bytes);
    struct free_range *r = malloc(sizeof *r);
    if (bytes >= GIVE_BACK)
        madvise((void *)address, bytes, MADV_DONTNEED); /* NOLINT: best effort */
    if (!r)
        return;
    *r = (struct free_range){free_ranges[log2], address};
    free_ranges[log2] = r;
}

/* ---- blocks ---- */

static struct fake_block **bucket_of(uint64_t address)
{
    return &buckets[address * UINT64_C(0x9e3779b97f4a7c15) >> 48];
}

struct fake_block *fake_block_at(uint64_t address)
{
    struct fake_block *b = *bucket_of(address);
    while (b && b->address != address)
        b = b->next;
    return b;
}

/* Blocks from our space lie at multiples of their rounded size. */
struct fake_block *fake_block_around(uint64_t address)
{
    for (unsigned log2 = MIN_LOG2; log2 <= MAX_LOG2; log2++) {
        struct fake_block *b = fake_block_at(address & ~((UINT64_C(1) << log2) - 1));
        if (b && address - b->address < b->bytes)
            return b;
    }
    return NULL;
}

static void count(enum fake_kind kind, int64_t blocks, int64_t bytes)
{
    live_blocks[kind] += (uint64_t)blocks;
    live_bytes[kind] += (uint64_t)bytes;
    if (DEVICE_KINDS >> kind & 1)
        device_bytes += (uint64_t)bytes;
    if (device_bytes > device_peak)
        device_peak = device_bytes;
}

/* Where the memory of a kind is charged. */
static bool charge(struct fake_block *b)
{
    switch (b->kind) {
    case FAKE_POOL:
        return fake_pool_take(b->pool, b->bytes);
    case FAKE_GRAPH:
        return fake_graph_take(b->device, b->bytes);
    case FAKE_HOST:
    case FAKE_REGISTERED:
    case FAKE_IPC:
        return true;
    default:
        b->charged = (b->bytes + 511) & ~(size_t)511;
        return fake_charge(b->device, b->charged);
    }
}

#define HANDLE_KINDS (1u << FAKE_VMM | 1u << FAKE_ARRAY | 1u << FAKE_MODULE)
#define SPACE_KINDS                                                                                \
    (1u << FAKE_DEVICE | 1u << FAKE_MANAGED | 1u << FAKE_POOL | 1u << FAKE_HOST | 1u << FAKE_IPC)

static void give_name_back(enum fake_kind kind, uint64_t address, size_t bytes)
{
    if (HANDLE_KINDS >> kind & 1)
        free((void *)address);
    else if (SPACE_KINDS >> kind & 1)
        fake_space_give(address, bytes);
}

/* Handles are of the C library's heap: they come again, like addresses. */
static uint64_t take_name(enum fake_kind kind, size_t bytes)
{
    return HANDLE_KINDS >> kind & 1 ? (uint64_t)malloc(48) : fake_space_take(bytes);
}

struct fake_block *fake_block_add(struct fake_block what)
{
    struct fake_block *b = malloc(sizeof *b);
    bool named = what.address != 0;
    if (b && !named)
        what.address = take_name(what.kind, what.bytes);
    if (!b || !what.address || !charge(&what)) {
        if (b && what.address && !named)
            give_name_back(what.kind, what.address, what.bytes);
        free(b);
        return NULL;
    }
    struct fake_block **bucket = bucket_of(what.address);
    *b = what;
    b->next = *bucket;
    *bucket = b;
    count(b->kind, 1, (int64_t)b->bytes);
    return b;
}

void fake_block_remove(struct fake_block *b)
{
    struct fake_block **at = bucket_of(b->address);
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    count(b->kind, -1, -(int64_t)b->bytes);
    if (b->kind == FAKE_POOL)
        fake_pool_give(b->pool, b->bytes);
    else if (b->kind == FAKE_GRAPH)
        fake_graph_give(b->device, b->bytes);
    else
        fake_uncharge(b->device, b->charged);
    give_name_back(b->kind, b->address, b->bytes);
    free(b);
}

void fake_free_all_of(CUcontext context)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct fake_block *next;
        for (struct fake_block *b = buckets[i]; b; b = next) {
            next = b->next;
            if (b->context == context && b->kind != FAKE_IPC)
                fake_block_remove(b);
        }
    }
}

CUresult fake_free_address(uint64_t address, unsigned kinds)
{
    struct fake_block *b = fake_block_at(address);
    if (!b || !(kinds >> b->kind & 1))
        return FAKE_INVALID_VALUE;
    fake_block_remove(b);
    return FAKE_OK;
}

/* ---- for tests ---- */

uint64_t fake_live_bytes(int kind)
{
    return kind > 0 && kind < FAKE_N_KINDS ? live_bytes[kind] : 0;
}

uint64_t fake_live_blocks(int kind)
{
    return kind > 0 && kind < FAKE_N_KINDS ? live_blocks[kind] : 0;
}

uint64_t fake_device_bytes(void)
{
    return device_bytes;
}

uint64_t fake_device_peak_bytes(void)
{
    return device_peak;
}

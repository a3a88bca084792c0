/* SPDX-License-Identifier: MIT */
#include "preload/cuda_live.h"

#include <stddef.h>

#include "preload/own_maps.h"

#define BUSY       UINT64_C(1)
#define SPACE_STEP (UINT64_C(1) << 56) /* no address is greater */

/* A key is name and space, 0 where the slot is free, BUSY while somebody fills or empties it. All
 * GS_CUDA_PROBES slots are looked at whatever lies in them, so a slot is given back by one store
 * and nothing moves under a reader. */
static struct live {
    uint64_t keys[GS_CUDA_SLOTS];
    struct gs_cuda_block blocks[GS_CUDA_SLOTS];
    struct gs_cuda_sums sums[GS_CUDA_CONTEXTS][GS_CUDA_KINDS];
    struct gs_cuda_sums devices;
    uint64_t untracked;
} * l;

bool gs_cuda_live_init(void)
{
    struct live *none = NULL, *mine = l ? NULL : gs_map(sizeof(*mine));
    if (mine &&
        !__atomic_compare_exchange_n(&l, &none, mine, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        gs_unmap(mine, sizeof(*mine));
    return l != NULL;
}

/* The parent's threads may have been in the midst of it: another is mapped. */
void gs_cuda_live_forget(void)
{
    l = NULL;
}

/* ---- the table ---- */

static uint64_t key_of(enum gs_cuda_space space, uint64_t name)
{
    return name + ((uint64_t)space + 1) * SPACE_STEP;
}

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)((key ^ key >> 32) * 0x9e3779b97f4a7c15u >> 40) % GS_CUDA_PLACES;
}

static bool claim(uint32_t slot, uint64_t key)
{
    return __atomic_compare_exchange_n(&l->keys[slot], &key, BUSY, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static void release(uint32_t slot, uint64_t key)
{
    __atomic_store_n(&l->keys[slot], key, __ATOMIC_RELEASE);
}

bool gs_cuda_live_put(enum gs_cuda_space space, uint64_t name, const struct gs_cuda_block *b)
{
    uint64_t key = key_of(space, name);
    uint32_t first = place_of(key);
    for (uint32_t i = first; i < first + GS_CUDA_PROBES; i++) {
        if (!claim(i, 0))
            continue;
        l->blocks[i] = *b;
        release(i, key);
        return true;
    }
    __atomic_fetch_add(&l->untracked, 1, __ATOMIC_RELAXED);
    return false;
}

static bool is_newer(const struct gs_cuda_block *a, const struct gs_cuda_block *b)
{
    return a->seq != b->seq ? a->seq > b->seq : a->t > b->t;
}

/* The newest of that name, or GS_CUDA_SLOTS: memory that went with its context may still be in the
 * table when another thread gets the same address. */
static uint32_t newest(uint64_t key)
{
    uint32_t first = place_of(key), found = GS_CUDA_SLOTS;
    for (uint32_t i = first; i < first + GS_CUDA_PROBES; i++)
        if (__atomic_load_n(&l->keys[i], __ATOMIC_ACQUIRE) == key &&
            (found == GS_CUDA_SLOTS || is_newer(&l->blocks[i], &l->blocks[found])))
            found = i;
    return found;
}

bool gs_cuda_live_take(enum gs_cuda_space space, uint64_t name, struct gs_cuda_block *out)
{
    uint64_t key = key_of(space, name);
    uint32_t slot;
    while ((slot = newest(key)) != GS_CUDA_SLOTS && !claim(slot, key))
        ;
    if (slot == GS_CUDA_SLOTS)
        return false;
    *out = l->blocks[slot];
    release(slot, 0);
    return true;
}

struct gs_cuda_block *gs_cuda_live_find(enum gs_cuda_space space, uint64_t name)
{
    uint32_t slot = newest(key_of(space, name));
    return slot == GS_CUDA_SLOTS ? NULL : &l->blocks[slot];
}

bool gs_cuda_live_read(uint32_t slot, struct gs_cuda_block *out)
{
    /* The same name may come again in its place meanwhile; a seq does not. */
    uint64_t seq = __atomic_load_n(&l->blocks[slot].seq, __ATOMIC_ACQUIRE);
    uint64_t key = __atomic_load_n(&l->keys[slot], __ATOMIC_ACQUIRE);
    if (key <= BUSY)
        return false;
    *out = l->blocks[slot];
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return key == __atomic_load_n(&l->keys[slot], __ATOMIC_ACQUIRE) && seq == out->seq &&
           seq == __atomic_load_n(&l->blocks[slot].seq, __ATOMIC_RELAXED);
}

/* ---- blocks that more than one name keeps ---- */

uint32_t gs_cuda_live_slot(const struct gs_cuda_block *b)
{
    return (uint32_t)(b - l->blocks);
}

bool gs_cuda_live_hold(uint32_t slot)
{
    uint32_t *refs = &l->blocks[slot].refs, seen = __atomic_load_n(refs, __ATOMIC_RELAXED);
    while (seen && !__atomic_compare_exchange_n(refs, &seen, seen + 1, false, __ATOMIC_RELAXED,
                                                __ATOMIC_RELAXED))
        ;
    return seen != 0;
}

bool gs_cuda_live_drop(uint32_t slot, struct gs_cuda_block *out)
{
    struct gs_cuda_block *b = &l->blocks[slot];
    uint32_t seen = __atomic_load_n(&b->refs, __ATOMIC_RELAXED);
    while (seen && !__atomic_compare_exchange_n(&b->refs, &seen, seen - 1, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_RELAXED))
        ;
    if (seen != 1)
        return false;
    *out = *b;
    release(slot, 0);
    return true;
}

void gs_cuda_live_unname(uint32_t slot)
{
    if (__atomic_sub_fetch(&l->blocks[slot].names, 1, __ATOMIC_ACQ_REL) == 0)
        release(slot, key_of(GS_SPACE_NAMELESS, slot));
}

void gs_cuda_live_name_again(uint32_t slot, uint64_t handle)
{
    if (__atomic_fetch_add(&l->blocks[slot].names, 1, __ATOMIC_ACQ_REL) == 0)
        release(slot, key_of(GS_SPACE_VMM, handle));
}

static bool goes_with_context(const struct gs_cuda_block *b, uint32_t context)
{
    return b->context == context && b->kind != GS_CUDA_KIND_NONE && b->kind != GS_CUDA_KIND_VMM &&
           b->kind != GS_CUDA_KIND_IPC;
}

uint64_t gs_cuda_live_end_context(uint32_t context)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < GS_CUDA_SLOTS; i++) {
        uint64_t key = __atomic_load_n(&l->keys[i], __ATOMIC_ACQUIRE);
        if (key <= BUSY || !goes_with_context(&l->blocks[i], context) || !claim(i, key))
            continue;
        struct gs_cuda_block b = l->blocks[i];
        bool still = goes_with_context(&b, context); /* the name may have come again meanwhile */
        release(i, still ? 0 : key);
        if (!still)
            continue;
        gs_cuda_sum_free(context, b.kind, b.bytes);
        bytes += gs_cuda_is_device_kind(b.kind) ? b.bytes : 0;
    }
    return bytes;
}

/* ---- the sums ---- */

static void add(uint64_t *to, uint64_t n)
{
    __atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static void grow(struct gs_cuda_sums *s, uint64_t bytes)
{
    uint64_t now = __atomic_add_fetch(&s->live_bytes, bytes, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&s->peak_bytes, __ATOMIC_RELAXED);
    while (now > peak && !__atomic_compare_exchange_n(&s->peak_bytes, &peak, now, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void gs_cuda_sum_alloc(uint32_t context, unsigned kind, uint64_t bytes)
{
    struct gs_cuda_sums *s = &l->sums[context][kind];
    add(&s->allocs, 1);
    grow(s, bytes);
    if (gs_cuda_is_device_kind(kind))
        grow(&l->devices, bytes);
}

void gs_cuda_sum_free(uint32_t context, unsigned kind, uint64_t bytes)
{
    struct gs_cuda_sums *s = &l->sums[context][kind];
    add(&s->frees, 1);
    add(&s->live_bytes, -bytes);
    if (gs_cuda_is_device_kind(kind))
        add(&l->devices.live_bytes, -bytes);
}

void gs_cuda_sum_failed(uint32_t context, unsigned kind)
{
    add(&l->sums[context][kind].failed, 1);
}

const struct gs_cuda_sums *gs_cuda_sums_of(uint32_t context, unsigned kind)
{
    return &l->sums[context][kind];
}

const struct gs_cuda_sums *gs_cuda_sums_of_devices(void)
{
    return &l->devices;
}

uint64_t gs_cuda_untracked(void)
{
    return __atomic_load_n(&l->untracked, __ATOMIC_RELAXED);
}

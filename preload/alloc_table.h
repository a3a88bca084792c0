/* SPDX-License-Identifier: MIT
 * The sampled blocks that live: address -> sample, and the filter that spares most frees the look
 * into it. Fixed size, lock-free; mapped in the constructor, touched only as used, and wiped by the
 * kernel in a forked child, whose samples they are not.
 */
#ifndef GS_ALLOC_TABLE_H
#define GS_ALLOC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_ALLOC_PLACES       (1u << 21)
#define GS_ALLOC_PROBES       32u /* slots from its place on in which an address may lie */
#define GS_ALLOC_SLOTS        (GS_ALLOC_PLACES + GS_ALLOC_PROBES)
#define GS_ALLOC_FILTER_WORDS (1u << 15)

struct gs_alloc_sample {
    uint64_t id; /* never 0, never given twice */
    uint64_t t, bytes;
    uint32_t points, thread, stack;
    uint8_t domain;
};

/* A bit for each 16 bytes of address space, modulo 16 MiB: the frees of 8 KiB of blocks look at one
 * cache line of it, however large the heap is. 128 KiB. */
struct gs_alloc_filter {
    uint32_t words[GS_ALLOC_FILTER_WORDS];
} __attribute__((aligned(4096)));
extern struct gs_alloc_filter gs_alloc_filter __attribute__((visibility("hidden")));

/* May a sample live at this address? CTX: any allocator hook. */
static inline bool gs_alloc_may_live(const void *block)
{
    uintptr_t at = (uintptr_t)block;
    uint32_t word = gs_alloc_filter.words[(at >> 9) % GS_ALLOC_FILTER_WORDS];
    return word >> ((at >> 4) & 31) & 1;
}

/* Once; false when memory or MADV_WIPEONFORK is refused. `mean_bytes` between samples decides where
 * addresses have their slots. */
bool gs_alloc_table_init(uint64_t mean_bytes);

/* `block` lives; it is not in the table. False when there is no room near its place. CTX: hooks. */
bool gs_alloc_table_put(const void *block, const struct gs_alloc_sample *s);
/* Takes the sample of a block out, if it has one. CTX: hooks, before the block is freed. */
bool gs_alloc_table_take(const void *block, struct gs_alloc_sample *out);
/* The sample in a slot, if one lives there now. CTX: drain. */
bool gs_alloc_table_read(uint32_t slot, uintptr_t *address, struct gs_alloc_sample *out);

#endif

/* SPDX-License-Identifier: MIT
 * Sparse 64-bit keys -> dense indexes 0, 1, 2 … in order of first appearance. Ids in a capture are
 * untrusted and may be huge; nothing is ever sized by an id. The hash is seeded at random, so that
 * keys cannot be chosen to collide; nothing depends on its order.
 */
#ifndef GS_IDMAP_H
#define GS_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#define GS_IDMAP_NONE UINT32_MAX

struct gs_idmap {
    uint64_t *keys; /* keys[index] */
    size_t n, cap;
    uint32_t *slots; /* index, GS_IDMAP_NONE when empty */
    size_t n_slots;  /* power of two; 0 as long as each key is the one before + 1: most ids are */
};
uint32_t gs_idmap_add(struct gs_idmap *m, uint64_t key);        /* existing or new index */
uint32_t gs_idmap_find(const struct gs_idmap *m, uint64_t key); /* GS_IDMAP_NONE if absent */
void gs_idmap_free(struct gs_idmap *m);
uint64_t gs_hash64(uint64_t v);
uint64_t gs_hash_bytes(const void *p, size_t len);

static inline uint64_t gs_pack32(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}

/* Exact sums by key. */
struct gs_sum {
    uint64_t ns, count;
};
struct gs_summap {
    struct gs_idmap map;
    struct gs_sum *sums; /* sums[index of map] */
    size_t cap;
};
void gs_summap_add(struct gs_summap *m, uint64_t key, uint64_t ns, uint64_t count);
void gs_summap_add_all(struct gs_summap *into, const struct gs_summap *from);
void gs_summap_free(struct gs_summap *m);

#endif

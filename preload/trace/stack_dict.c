/* SPDX-License-Identifier: MIT
 * A chunk names few distinct stacks many times: an open-addressing table at most half full,
 * multiplicative hash, linear probing. It lives in the caller's scratch.
 */
#include "preload/trace/trace_internal.h"

#define SLOT_EMPTY 0xffffu

_Static_assert(2 * GS_CHUNK_MAX_ROWS < SLOT_EMPTY, "an index never looks like an empty slot");

void gs__stack_dict_init(struct gs__stack_dict *d, struct gs_encode_scratch *s, size_t n_rows)
{
    uint32_t slots = 64;

    while (slots < 4 * n_rows)
        slots *= 2;
    d->scratch = s;
    d->n = 0;
    d->cap = (uint32_t)(2 * n_rows);
    d->mask = slots - 1;
    memset(s->hash_idx, 0xff, slots * sizeof(s->hash_idx[0]));
}

/* The index of id, or SLOT_EMPTY when the dictionary is full. */
static uint32_t find_or_add(struct gs__stack_dict *d, uint32_t id)
{
    struct gs_encode_scratch *s = d->scratch;
    uint32_t slot = (id * 0x9e3779b1u >> 15) & d->mask;

    for (; s->hash_idx[slot] != SLOT_EMPTY; slot = (slot + 1) & d->mask)
        if (s->hash_key[slot] == id)
            return s->hash_idx[slot];
    if (d->n == d->cap)
        return SLOT_EMPTY;
    s->hash_key[slot] = id;
    s->hash_idx[slot] = (uint16_t)d->n;
    s->dict[d->n] = id;
    return d->n++;
}

bool gs__stack_dict_map(struct gs__stack_dict *d, const uint64_t *ids, size_t n, uint64_t *idx)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t at;

        if (ids[i] > UINT32_MAX)
            return false;
        at = find_or_add(d, (uint32_t)ids[i]);
        if (at == SLOT_EMPTY)
            return false;
        idx[i] = at;
    }
    return true;
}

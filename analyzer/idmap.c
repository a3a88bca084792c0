/* SPDX-License-Identifier: MIT */
#include "analyzer/idmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "analyzer/xalloc.h"

#define NEIGHBOURS 8u
#define QUICK_KEYS (1u << 18) /* so many, and slots become four times as many, not twice */

/* One for all threads, whoever asks first. */
static _Atomic uint64_t seed_value;

static uint64_t make_seed(void)
{
    uint64_t v = 0, made;
    if (getrandom(&made, sizeof(made), GRND_NONBLOCK) != sizeof(made))
        made = (uint64_t)(uintptr_t)&made;
    made |= 1;
    return atomic_compare_exchange_strong(&seed_value, &v, made) ? made : v;
}

static inline uint64_t seed(void)
{
    uint64_t v = atomic_load_explicit(&seed_value, memory_order_relaxed);
    return v ? v : make_seed();
}

static inline uint64_t mix(uint64_t v)
{
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    return v ^ v >> 32;
}

static inline uint64_t hash(uint64_t v)
{
    return mix(v ^ seed());
}

uint64_t gs_hash64(uint64_t v)
{
    return hash(v);
}

uint64_t gs_hash_bytes(const void *p, size_t len)
{
    const unsigned char *b = p;
    uint64_t h = seed() ^ len;
    for (; len >= 8; b += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, b, 8);
        h = mix(h ^ word);
    }
    uint64_t word = 0;
    memcpy(&word, b, len);
    return mix(h ^ word ^ seed());
}

/* Ids that follow each other are looked up one after another: they have slots side by side. */
static inline uint64_t home(uint64_t key)
{
    return hash(key / NEIGHBOURS) + key % NEIGHBOURS;
}

/* The first empty slot, or the key's. */
static inline size_t slot_of(const struct gs_idmap *m, uint64_t key)
{
    size_t mask = m->n_slots - 1, at = home(key) & mask;
    while (m->slots[at] != GS_IDMAP_NONE && m->keys[m->slots[at]] != key)
        at = (at + 1) & mask;
    return at;
}

/* Room for n keys. */
static void make_slots(struct gs_idmap *m, size_t n)
{
    while (m->n_slots < 2 * n)
        m->n_slots = m->n_slots ? 2 * m->n_slots : 32;
    free(m->slots);
    m->slots = gs_xmalloc(m->n_slots, sizeof(*m->slots));
    memset(m->slots, 0xff, m->n_slots * sizeof(*m->slots));
    size_t mask = m->n_slots - 1;
    for (size_t i = 0; i < m->n; i++) {
        size_t at = home(m->keys[i]) & mask;
        while (m->slots[at] != GS_IDMAP_NONE)
            at = (at + 1) & mask;
        m->slots[at] = (uint32_t)i;
    }
}

static inline bool is_run(const struct gs_idmap *m)
{
    return m->n_slots == 0;
}

uint32_t gs_idmap_find(const struct gs_idmap *m, uint64_t key)
{
    if (!is_run(m))
        return m->slots[slot_of(m, key)];
    return m->n && key - m->keys[0] < m->n ? (uint32_t)(key - m->keys[0]) : GS_IDMAP_NONE;
}

uint32_t gs_idmap_add(struct gs_idmap *m, uint64_t key)
{
    if (is_run(m)) {
        uint32_t index = gs_idmap_find(m, key);
        if (index != GS_IDMAP_NONE)
            return index;
        if (m->n == 0 || key - m->keys[0] == m->n) {
            GS_PUSH(m->keys, m->n, m->cap, key);
            return (uint32_t)(m->n - 1);
        }
    }
    if (2 * (m->n + 1) > m->n_slots)
        make_slots(m, m->n < QUICK_KEYS ? 2 * (m->n + 1) : m->n + 1);
    uint32_t *slot = &m->slots[slot_of(m, key)];
    if (*slot != GS_IDMAP_NONE)
        return *slot;
    *slot = (uint32_t)m->n;
    GS_PUSH(m->keys, m->n, m->cap, key);
    return *slot;
}

void gs_idmap_free(struct gs_idmap *m)
{
    free(m->keys);
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

void gs_summap_add(struct gs_summap *m, uint64_t key, uint64_t ns, uint64_t count)
{
    uint32_t index = gs_idmap_add(&m->map, key);
    if (index >= m->cap) {
        size_t old = m->cap;
        m->sums = gs_xgrow(m->sums, index, &m->cap, sizeof(*m->sums));
        memset(m->sums + old, 0, (m->cap - old) * sizeof(*m->sums));
    }
    m->sums[index].ns += ns;
    m->sums[index].count += count;
}

void gs_summap_add_all(struct gs_summap *into, const struct gs_summap *from)
{
    for (size_t i = 0; i < from->map.n; i++)
        gs_summap_add(into, from->map.keys[i], from->sums[i].ns, from->sums[i].count);
}

void gs_summap_free(struct gs_summap *m)
{
    gs_idmap_free(&m->map);
    free(m->sums);
    memset(m, 0, sizeof(*m));
}

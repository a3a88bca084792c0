/* SPDX-License-Identifier: MIT */
#include "preload/stack_intern.h"

#include <string.h>

#include "preload/raw_sys.h"

#define STACK_SLOTS   (1u << 17) /* 1 MiB */
#define CODE_SLOTS    (1u << 16) /* 512 KiB */
#define MAX_PROBES    64u
#define ID_BITS       24u
#define ID_MASK       ((1u << ID_BITS) - 1)
#define DEF_BYTES     (1u << 20)
#define MAX_LINETABLE (32u << 10)

/* One word an entry: the hash above, the id below. An id is drawn before its definition is written
 * and published after; two threads that meet may define the same thing twice, which is harmless. */
struct table {
    uint64_t *slots;
    uint32_t n_slots, next_id;
};
static struct table stacks, codes;

/* Many producers, one consumer. Entries never wrap; the rest before the end becomes a SKIP. */
static uint8_t *defs;
static uint64_t defs_head, defs_tail; /* bytes, ever growing */
static struct gs_intern_losses losses;
static const struct gs_pyabi *intern_abi;

bool gs_stack_intern_init(const struct gs_pyabi *abi)
{
    intern_abi = abi;
    stacks = (struct table){gs_map(STACK_SLOTS * sizeof(uint64_t)), STACK_SLOTS, 1};
    codes = (struct table){gs_map(CODE_SLOTS * sizeof(uint64_t)), CODE_SLOTS, 1};
    defs = gs_map(DEF_BYTES);
    defs_head = defs_tail = 0;
    losses = (struct gs_intern_losses){0};
    return stacks.slots && codes.slots && defs;
}

struct gs_intern_losses gs_intern_losses(void)
{
    return losses;
}

/* ---- tables ---- */

static uint32_t table_find(const struct table *t, uint64_t hash)
{
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        uint64_t e = __atomic_load_n(&t->slots[(hash + i) & (t->n_slots - 1)], __ATOMIC_ACQUIRE);
        if (!e)
            return 0;
        if ((e ^ hash) <= ID_MASK)
            return (uint32_t)e & ID_MASK;
    }
    return 0;
}

static uint32_t table_new_id(struct table *t)
{
    uint32_t limit = t->n_slots / 4 * 3; /* fuller, probes get long */
    if (__atomic_load_n(&t->next_id, __ATOMIC_RELAXED) >= limit)
        return 0; /* the count must not go on: in weeks it would wrap and give ids anew */
    uint32_t id = __atomic_fetch_add(&t->next_id, 1, __ATOMIC_RELAXED);
    return id < limit ? id : 0;
}

static void table_publish(struct table *t, uint64_t hash, uint32_t id)
{
    uint64_t entry = (hash & ~(uint64_t)ID_MASK) | id;
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        uint64_t empty = 0;
        if (__atomic_compare_exchange_n(&t->slots[(hash + i) & (t->n_slots - 1)], &empty, entry,
                                        false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9fb21c651e98df25u;
    return h ^ (h >> 32);
}

/* ---- definitions ---- */

static bool defs_reserve(uint32_t len, uint64_t *at)
{
    uint64_t head = __atomic_load_n(&defs_head, __ATOMIC_RELAXED), start, end;
    do {
        uint32_t left = DEF_BYTES - (uint32_t)(head % DEF_BYTES);
        start = left < len ? head + left : head;
        end = start + len;
        if (end - __atomic_load_n(&defs_tail, __ATOMIC_ACQUIRE) > DEF_BYTES) {
            __atomic_fetch_add(&losses.definitions, 1, __ATOMIC_RELAXED);
            return false;
        }
    } while (!__atomic_compare_exchange_n(&defs_head, &head, end, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    if (start != head) { /* we own the rest up to the end, too */
        struct gs_def *skip = (struct gs_def *)(defs + head % DEF_BYTES);
        skip->kind = GS_DEF_SKIP;
        __atomic_store_n(&skip->len, (uint32_t)(start - head), __ATOMIC_RELEASE);
    }
    *at = start;
    return true;
}

static void defs_commit(struct gs_def *d, uint32_t len)
{
    __atomic_store_n(&d->len, len, __ATOMIC_RELEASE);
}

const struct gs_def *gs_defs_peek(void)
{
    while (defs_tail != __atomic_load_n(&defs_head, __ATOMIC_ACQUIRE)) {
        const struct gs_def *d = (const struct gs_def *)(defs + defs_tail % DEF_BYTES);
        uint32_t len = __atomic_load_n(&d->len, __ATOMIC_ACQUIRE);
        if (!len)
            return NULL;
        if (d->kind != GS_DEF_SKIP)
            return d;
        gs_defs_pop(d);
    }
    return NULL;
}

/* Zeroed before it is given back: a producer's unwritten entry must read as length 0. */
void gs_defs_pop(const struct gs_def *def)
{
    uint32_t len = def->len;
    memset(defs + defs_tail % DEF_BYTES, 0, len);
    __atomic_store_n(&defs_tail, defs_tail + len, __ATOMIC_RELEASE);
}

static uint32_t round8(size_t n)
{
    return (uint32_t)((n + 7) & ~(size_t)7);
}

/* Room for one definition and an id for it. The id is drawn only once there is room, so that
 * failures use none up. NULL: counted by the caller. */
static struct gs_def *define(struct table *t, enum gs_def_kind kind, uint32_t len)
{
    uint64_t at;
    if (!defs_reserve(len, &at))
        return NULL;
    struct gs_def *d = (struct gs_def *)(defs + at % DEF_BYTES);
    d->id = table_new_id(t);
    d->kind = d->id ? kind : GS_DEF_SKIP;
    if (d->id)
        return d;
    defs_commit(d, len);
    return NULL;
}

static uint32_t define_code(const struct gs_py_frame *f, void *scratch, size_t scratch_len)
{
    struct gs_py_code_info c;
    if (gs_pyabi_read_code(intern_abi, f, &c, scratch, scratch_len) != GS_OK)
        return 0;
    size_t table_len = c.linetable_len <= MAX_LINETABLE ? c.linetable_len : 0;
    size_t bytes = c.filename_len + c.qualname_len + table_len;
    uint32_t len = round8(sizeof(struct gs_def_code) + bytes);
    struct gs_def_code *d = (struct gs_def_code *)define(&codes, GS_DEF_CODE, len);
    if (!d)
        return 0;
    uint32_t id = d->def.id;
    d->first_line = c.first_line;
    d->linetable_kind = table_len ? c.linetable_kind : GS_LINETABLE_NONE;
    d->filename_len = (uint32_t)c.filename_len;
    d->qualname_len = (uint32_t)c.qualname_len;
    d->linetable_len = (uint32_t)table_len;
    memcpy(d->bytes, c.filename, c.filename_len);
    memcpy(d->bytes + c.filename_len, c.qualname, c.qualname_len);
    memcpy(d->bytes + c.filename_len + c.qualname_len, c.linetable, table_len);
    defs_commit(&d->def, len);
    return id;
}

static uint32_t code_id(const struct gs_py_frame *f, void *scratch, size_t scratch_len)
{
    uint64_t hash = mix(f->key, f->code);
    uint32_t id = table_find(&codes, hash);
    if (!id && (id = define_code(f, scratch, scratch_len)))
        table_publish(&codes, hash, id);
    return id;
}

static uint64_t hash_stack(const struct gs_py_frame *frames, size_t n, bool truncated)
{
    uint64_t h = 0x243f6a8885a308d3u + n * 2 + truncated;
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, frames[i].key ^ frames[i].code), frames[i].instr_off);
    return h;
}

static uint32_t define_stack(const struct gs_py_frame *frames, size_t n, bool truncated,
                             void *scratch, size_t scratch_len)
{
    uint32_t ids[GS_PY_MAX_DEPTH];
    for (size_t i = 0; i < n; i++)
        if (!(ids[i] = code_id(&frames[i], scratch, scratch_len)))
            return 0;
    uint32_t len = round8(sizeof(struct gs_def_stack) + n * 2 * sizeof(uint32_t));
    struct gs_def_stack *d = (struct gs_def_stack *)define(&stacks, GS_DEF_STACK, len);
    if (!d)
        return 0;
    uint32_t id = d->def.id;
    d->def.n = (uint32_t)n;
    d->truncated = truncated;
    for (size_t i = 0; i < n; i++) {
        d->frames[i].code = ids[i];
        d->frames[i].instr_off = frames[i].instr_off;
    }
    defs_commit(&d->def, len);
    return id;
}

uint32_t gs_stack_intern(const struct gs_py_frame *frames, size_t n, bool truncated, void *scratch,
                         size_t scratch_len)
{
    if (!n)
        return 0;
    if (n > GS_PY_MAX_DEPTH)
        n = GS_PY_MAX_DEPTH;
    uint64_t hash = hash_stack(frames, n, truncated);
    uint32_t id = table_find(&stacks, hash);
    if (id)
        return id;
    if (!(id = define_stack(frames, n, truncated, scratch, scratch_len))) {
        __atomic_fetch_add(&losses.stacks, 1, __ATOMIC_RELAXED);
        return 0;
    }
    table_publish(&stacks, hash, id);
    return id;
}

/* SPDX-License-Identifier: MIT */
#include "preload/stack_intern.h"

#include <string.h>

#include "preload/drain.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"

#define STACK_SLOTS   (1u << 17) /* 1 MiB */
#define CODE_SLOTS    (1u << 16) /* 512 KiB */
#define MAX_PROBES    64u
#define ID_BITS       24u
#define ID_MASK       ((1u << ID_BITS) - 1)
#define MAX_ID        UINT32_MAX /* the wire has 32 bits; then no more is defined */
#define DEF_BYTES     (1u << 20)
#define MAX_LINETABLE (32u << 10)

/* One word an entry: the hash above, the low bits of the id below. An id is drawn before its
 * definition is written and published after; two threads that meet may define the same thing twice,
 * which is harmless.
 *
 * Ids only ever grow. A table holds those of its generation, [base, base + limit); an entry of an
 * older one reads as empty and may be written over, so the drain thread empties a table by one
 * store. It then sweeps the old entries out, long before ids have grown by 2^24 and theirs could be
 * taken for new ones. */
struct table {
    uint64_t *slots;
    uint32_t n_slots;
    uint64_t next_id;
};
static struct table stacks, codes;
static union generation {
    struct {
        uint32_t stacks, codes; /* the base of each */
    };
    uint64_t both;
} current;

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
    current = (union generation){{1, 1}};
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

static union generation generation_now(void)
{
    return (union generation){.both = __atomic_load_n(&current.both, __ATOMIC_ACQUIRE)};
}

/* Fuller, probes get long. */
static uint32_t limit_of(const struct table *t)
{
    return t->n_slots / 4 * 3;
}

/* The id of an entry, or 0 where it is empty or of an older generation. */
static uint32_t id_of(const struct table *t, uint32_t base, uint64_t entry)
{
    uint32_t offset = ((uint32_t)entry - base) & ID_MASK;
    return entry && offset < limit_of(t) ? base + offset : 0;
}

static uint32_t table_find(const struct table *t, uint32_t base, uint64_t hash)
{
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        uint64_t e = __atomic_load_n(&t->slots[(hash + i) & (t->n_slots - 1)], __ATOMIC_ACQUIRE);
        uint32_t id = id_of(t, base, e);
        if (!id || (e ^ hash) <= ID_MASK)
            return id;
    }
    return 0;
}

static uint32_t table_new_id(struct table *t, uint32_t base)
{
    uint64_t end = (uint64_t)base + limit_of(t);
    if (end > MAX_ID)
        end = MAX_ID;
    if (__atomic_load_n(&t->next_id, __ATOMIC_RELAXED) >= end)
        return 0; /* the count must not go on: ids that were drawn in vain are ids less */
    uint64_t id = __atomic_fetch_add(&t->next_id, 1, __ATOMIC_RELAXED);
    return id < end ? (uint32_t)id : 0;
}

static void table_publish(struct table *t, uint32_t base, uint64_t hash, uint32_t id)
{
    uint64_t entry = (hash & ~(uint64_t)ID_MASK) | (id & ID_MASK);
    for (uint32_t i = 0; i < MAX_PROBES; i++) {
        uint64_t *slot = &t->slots[(hash + i) & (t->n_slots - 1)];
        uint64_t seen = __atomic_load_n(slot, __ATOMIC_RELAXED);
        if (!id_of(t, base, seen) &&
            __atomic_compare_exchange_n(slot, &seen, entry, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return;
    }
}

static void table_sweep(struct table *t, uint32_t base)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        uint64_t seen = __atomic_load_n(&t->slots[i], __ATOMIC_RELAXED);
        if (seen && !id_of(t, base, seen))
            __atomic_compare_exchange_n(&t->slots[i], &seen, 0, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
    }
}

static uint64_t used(const struct table *t, uint32_t base)
{
    return __atomic_load_n(&t->next_id, __ATOMIC_RELAXED) - base;
}

/* Two thirds of the limit leave room for what comes until the next look. */
bool gs_intern_is_filling(void)
{
    union generation g = generation_now();
    return used(&stacks, g.stacks) > limit_of(&stacks) / 3 * 2 ||
           used(&codes, g.codes) > limit_of(&codes) / 3 * 2;
}

void gs_intern_new_generation(void)
{
    union generation next = {{(uint32_t)__atomic_load_n(&stacks.next_id, __ATOMIC_RELAXED),
                              (uint32_t)__atomic_load_n(&codes.next_id, __ATOMIC_RELAXED)}};
    __atomic_store_n(&current.both, next.both, __ATOMIC_RELEASE);
    table_sweep(&stacks, next.stacks);
    table_sweep(&codes, next.codes);
}

/* ---- hashes ---- */

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
    if (end / (DEF_BYTES / 2) != head / (DEF_BYTES / 2))
        gs_drain_kick(); /* once a half */
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
static struct gs_def *define(struct table *t, uint32_t base, enum gs_def_kind kind, uint32_t len)
{
    uint64_t at;
    if (!defs_reserve(len, &at))
        return NULL;
    struct gs_def *d = (struct gs_def *)(defs + at % DEF_BYTES);
    d->id = table_new_id(t, base);
    d->kind = d->id ? kind : GS_DEF_SKIP;
    if (d->id)
        return d;
    defs_commit(d, len);
    return NULL;
}

static uint32_t define_code(union generation g, const struct gs_py_frame *f, void *scratch,
                            size_t scratch_len)
{
    struct gs_py_code_info c;
    if (gs_pyabi_read_code(intern_abi, f, &c, scratch, scratch_len) != GS_OK)
        return 0;
    size_t table_len = c.linetable_len <= MAX_LINETABLE ? c.linetable_len : 0;
    size_t bytes = c.filename_len + c.qualname_len + table_len;
    uint32_t len = round8(sizeof(struct gs_def_code) + bytes);
    struct gs_def_code *d = (struct gs_def_code *)define(&codes, g.codes, GS_DEF_CODE, len);
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

/* Not where the generation has changed meanwhile: what was defined may rest on older ids, and is
 * for this one use. A change behind this look makes the entry an old one, which nobody reads. */
static void publish(struct table *t, union generation g, uint32_t base, uint64_t hash, uint32_t id)
{
    if (generation_now().both == g.both)
        table_publish(t, base, hash, id);
}

static uint32_t code_id(union generation g, const struct gs_py_frame *f, void *scratch,
                        size_t scratch_len)
{
    uint64_t hash = mix(f->key, f->code);
    uint32_t id = table_find(&codes, g.codes, hash);
    if (!id && (id = define_code(g, f, scratch, scratch_len)))
        publish(&codes, g, g.codes, hash, id);
    return id;
}

static uint64_t hash_stack(const struct gs_py_frame *frames, size_t n, bool truncated)
{
    uint64_t h = 0x243f6a8885a308d3u + n * 2 + truncated;
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, frames[i].key ^ frames[i].code), frames[i].instr_off);
    return h;
}

static uint32_t define_stack(union generation g, const struct gs_py_frame *frames, size_t n,
                             bool truncated, void *scratch, size_t scratch_len)
{
    uint32_t ids[GS_PY_MAX_DEPTH];
    for (size_t i = 0; i < n; i++)
        if (!(ids[i] = code_id(g, &frames[i], scratch, scratch_len)))
            return 0;
    uint32_t len = round8(sizeof(struct gs_def_stack) + n * 2 * sizeof(uint32_t));
    struct gs_def_stack *d = (struct gs_def_stack *)define(&stacks, g.stacks, GS_DEF_STACK, len);
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
    union generation g = generation_now();
    uint32_t id = table_find(&stacks, g.stacks, hash);
    if (id)
        return id;
    if (!(id = define_stack(g, frames, n, truncated, scratch, scratch_len))) {
        __atomic_fetch_add(&losses.stacks, 1, __ATOMIC_RELAXED);
        return 0;
    }
    publish(&stacks, g, g.stacks, hash, id);
    return id;
}

/* ---- native stacks ---- */

static uint64_t hash_native(uint32_t python, const uint8_t *runs, size_t n_runs,
                            const struct gs_native_frame *frames, size_t n, bool truncated)
{
    uint64_t h = mix(0x13198a2e03707344u + n * 2 + truncated, python);
    for (size_t i = 0; i < n_runs; i++)
        h = mix(h, runs[i]);
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, frames[i].module), frames[i].offset);
    return h;
}

static uint32_t define_native(union generation g, uint32_t python, const uint8_t *runs,
                              size_t n_runs, const struct gs_native_frame *frames, size_t n,
                              bool truncated)
{
    uint32_t len = round8(sizeof(struct gs_def_native) + n * sizeof(*frames) + n_runs);
    struct gs_def_native *d = (struct gs_def_native *)define(&stacks, g.stacks, GS_DEF_NATIVE, len);
    if (!d)
        return 0;
    uint32_t id = d->def.id;
    d->def.n = (uint32_t)n;
    d->python = python;
    d->truncated = truncated;
    d->n_runs = (uint32_t)n_runs;
    memcpy(d->frames, frames, n * sizeof(*frames));
    memcpy(d->frames + n, runs, n_runs);
    defs_commit(&d->def, len);
    return id;
}

uint32_t gs_stack_intern_native(uint32_t python, const uint8_t *runs, size_t n_runs,
                                const struct gs_native_frame *frames, size_t n, bool truncated)
{
    uint64_t hash = hash_native(python, runs, n_runs, frames, n, truncated);
    union generation g = generation_now();
    uint32_t id = table_find(&stacks, g.stacks, hash);
    if (id)
        return id;
    if (!(id = define_native(g, python, runs, n_runs, frames, n, truncated))) {
        __atomic_fetch_add(&losses.stacks, 1, __ATOMIC_RELAXED);
        return 0;
    }
    publish(&stacks, g, g.stacks, hash, id);
    return id;
}

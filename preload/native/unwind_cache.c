/* SPDX-License-Identifier: MIT */
#include "preload/native/unwind_cache.h"

#include "preload/own_maps.h"

#define SLOTS  (1u << 15) /* 512 KiB, touched as used; torture programs have 10^4 places */
#define PROBES 8u

/* Both words are written without a lock: `mixed` is key ^ value, so that halves of two entries are
 * no entry. */
static struct slot {
    uint64_t mixed, value;
} * slots;

bool gs_unwind_cache_init(void)
{
    slots = gs_map(SLOTS * sizeof(*slots));
    return slots != NULL;
}

static uint64_t key_of(uint32_t module, uint64_t pc)
{
    return (uint64_t)module << 47 ^ pc;
}

static uint64_t packed(struct gs_unwind_rule r)
{
    return (uint64_t)(r.cfa_rule + 1) << 52 | (uint64_t)r.bp_rule << 48 |
           (uint64_t)(r.cfa & 0xffffff) << 24 | (uint64_t)(r.bp & 0xffffff);
}

static int32_t signed_24(uint64_t bits)
{
    return (int32_t)((uint32_t)bits << 8) >> 8;
}

static struct gs_unwind_rule unpacked(uint64_t v)
{
    return (struct gs_unwind_rule){(enum gs_cfa_rule)((v >> 52) - 1),
                                   (enum gs_bp_rule)(v >> 48 & 0xf), signed_24(v >> 24),
                                   signed_24(v)};
}

static struct slot *slot_at(uint64_t key, uint32_t probe)
{
    return &slots[((key * 0x9fb21c651e98df25u >> 40) + probe) % SLOTS];
}

bool gs_unwind_remembered(uint32_t module, uint64_t pc, struct gs_unwind_rule *out)
{
    uint64_t key = key_of(module, pc);
    for (uint32_t i = 0; i < PROBES; i++) {
        const struct slot *s = slot_at(key, i);
        uint64_t value = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
        if (!value)
            return false;
        if ((__atomic_load_n(&s->mixed, __ATOMIC_RELAXED) ^ value) == key) {
            *out = unpacked(value);
            return true;
        }
    }
    return false;
}

/* Where there is no room the first one makes way. */
void gs_unwind_remember(uint32_t module, uint64_t pc, struct gs_unwind_rule rule)
{
    uint64_t key = key_of(module, pc);
    struct slot *s = slot_at(key, 0);
    for (uint32_t i = 0; i < PROBES; i++)
        if (!__atomic_load_n(&slot_at(key, i)->value, __ATOMIC_RELAXED)) {
            s = slot_at(key, i);
            break;
        }
    uint64_t value = packed(rule);
    __atomic_store_n(&s->mixed, key ^ value, __ATOMIC_RELAXED);
    __atomic_store_n(&s->value, value, __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: MIT */
#include "preload/ring_spill.h"

#include <stddef.h>

#include "preload/drain.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/thread_state.h"

#define KICK_SLOTS (GS_SPILL_SLOTS / 8)

static struct gs_spilled *table;
static uint32_t spill_head, spill_tail; /* ever growing */

void gs_spill_init(void)
{
    table = gs_map(GS_SPILL_SLOTS * sizeof(*table));
    spill_head = spill_tail = 0;
}

static bool fits(uint32_t head, uint32_t n)
{
    return head - __atomic_load_n(&spill_tail, __ATOMIC_ACQUIRE) + n <= GS_SPILL_SLOTS;
}

bool gs_row_has_room(struct gs_thread *t)
{
    return gs_ring_has_room(&t->ring, 2) ||
           (table && fits(__atomic_load_n(&spill_head, __ATOMIC_RELAXED), 2));
}

static bool spill(const struct gs_slot *s, uint32_t n, struct gs_thread *thread)
{
    uint32_t head = __atomic_load_n(&spill_head, __ATOMIC_RELAXED);
    do {
        if (!table || !fits(head, n))
            return false;
    } while (!__atomic_compare_exchange_n(&spill_head, &head, head + n, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    while (n--) { /* the last slot first: where the first is complete, the row is */
        struct gs_spilled *to = &table[(head + n) % GS_SPILL_SLOTS];
        to->slot = s[n];
        __atomic_store_n(&to->thread, thread, __ATOMIC_RELEASE);
    }
    return true;
}

bool gs_row_put(struct gs_thread *t, const struct gs_slot *s, uint32_t n)
{
    bool kick = false;
    if (__builtin_expect(!gs_ring_has_room(&t->ring, 2), 0))
        return spill(s, n, t);
    for (uint32_t i = 0; i < n; i++) {
        gs_ring_put(&t->ring, &s[i]);
        kick |= gs_ring_wants_drain(&t->ring);
    }
    if (kick)
        gs_drain_kick();
    return true;
}

bool gs_row_put_stranger(const struct gs_slot *s, uint32_t n)
{
    uint32_t before = __atomic_load_n(&spill_head, __ATOMIC_RELAXED);
    if (!spill(s, n, GS_STRANGER))
        return false;
    if (before / KICK_SLOTS != (before + n) / KICK_SLOTS)
        gs_drain_kick();
    return true;
}

const struct gs_spilled *gs_spill_peek(uint32_t i)
{
    if (!table || spill_tail + i == __atomic_load_n(&spill_head, __ATOMIC_ACQUIRE))
        return NULL;
    const struct gs_spilled *s = &table[(spill_tail + i) % GS_SPILL_SLOTS];
    return __atomic_load_n(&s->thread, __ATOMIC_ACQUIRE) ? s : NULL;
}

void gs_spill_pop(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        table[(spill_tail + i) % GS_SPILL_SLOTS].thread = NULL;
    __atomic_store_n(&spill_tail, spill_tail + n, __ATOMIC_RELEASE);
}

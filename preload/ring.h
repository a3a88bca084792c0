/* SPDX-License-Identifier: MIT
 * One single-producer single-consumer ring of 32-byte slots per thread. The producer is a Python
 * thread inside a hook; the consumer is whoever drains. Never blocks; full means: count and drop.
 */
#ifndef GS_RING_H
#define GS_RING_H

#include <stdbool.h>
#include <stdint.h>

#define GS_RING_SLOTS 4096u /* 128 KiB a thread */

enum gs_slot_kind {
    GS_SLOT_WAIT = 1,      /* t = acquire, dur = wait, seq, stack, a = acquires seen */
    GS_SLOT_TURN,          /* t = acquire, dur = hold, seq, stack, flags = GS_SLICE_* */
    GS_SLOT_HOLD_SAMPLE,   /* t = release, dur = hold, a = points, stack */
    GS_SLOT_HOLDER_SAMPLE, /* t, seq, stack, a = holder's thread index, flags = kind */
    GS_SLOT_EDGE,          /* t = wake, dur = blocked, stack = wakee's, a = waker, seq = waker's
                              stack; flags = result; the slot after it is GS_SLOT_EDGE_POST */
    GS_SLOT_EDGE_POST,     /* dur = wake - post */
    GS_SLOT_ALLOC,         /* t, dur = address, a = points, stack; flags = domain; the slot after it
                              is GS_SLOT_ALLOC_MORE */
    GS_SLOT_ALLOC_MORE,    /* t = id, dur = bytes */
    GS_SLOT_FREE,          /* t, dur = id */
    GS_SLOT_CUDA,          /* t, dur = duration, seq = result, stack, a = context, flags; the slot
                              after it is GS_SLOT_CUDA_MORE */
    GS_SLOT_CUDA_MORE,     /* t = address, dur = bytes, seq and stack = the row's seq, a = op and
                              kind, flags = call */
    GS_SLOT_SYNC,    /* t, dur = value, stack, flags = op, a and seq = low and high half of the
                        object's address */
    GS_SLOT_COUNTED, /* t, dur = count, stack, a = what */
};

struct gs_slot {
    uint64_t t, dur;
    uint32_t seq, stack, a;
    uint16_t flags;
    uint8_t gil, kind;
};
_Static_assert(sizeof(struct gs_slot) == 32, "a slot is half a cache line");

/* Is a row's second half the slot after it? */
static inline bool gs_slot_is_first_half(const struct gs_slot *s)
{
    return s->kind == GS_SLOT_EDGE || s->kind == GS_SLOT_ALLOC || s->kind == GS_SLOT_CUDA;
}

struct gs_ring {
    uint32_t head;                              /* written by the producer */
    uint32_t tail_seen;                         /* producer's copy of tail */
    uint32_t tail __attribute__((aligned(64))); /* written by the consumer */
    struct gs_slot slots[GS_RING_SLOTS] __attribute__((aligned(64)));
};

/* Room for n slots? CTX: producer. */
static inline bool gs_ring_has_room(struct gs_ring *r, uint32_t n)
{
    if (__builtin_expect(r->head - r->tail_seen + n <= GS_RING_SLOTS, 1))
        return true;
    r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
    return r->head - r->tail_seen + n <= GS_RING_SLOTS;
}

/* CTX: producer, after gs_ring_has_room(). */
static inline void gs_ring_put(struct gs_ring *r, const struct gs_slot *s)
{
    r->slots[r->head % GS_RING_SLOTS] = *s;
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
}

/* True once per half ring: time to wake the consumer. CTX: producer. */
static inline bool gs_ring_wants_drain(const struct gs_ring *r)
{
    return r->head % (GS_RING_SLOTS / 2) == 0 &&
           r->head - __atomic_load_n(&r->tail, __ATOMIC_RELAXED) >= GS_RING_SLOTS / 2;
}

#endif

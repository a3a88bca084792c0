/* SPDX-License-Identifier: MIT
 * Where a replay lies, and what of it is the same from its first moment to its last. Host code,
 * also for replays on a device: it only reckons with addresses. Private.
 */
#ifndef GS_WHATIF_REPLAY_MEMORY_H
#define GS_WHATIF_REPLAY_MEMORY_H

#include "analyzer/whatif/replay_state.h"

#define GS__SWITCHING_NUMERATOR   3000u /* 4 us lost in 3 ms and 4 us */
#define GS__SWITCHING_DENOMINATOR 3004u

/* Pools keep the names of their items; each has room for all that are ever put, once each. Writes
 * where each begins, for each of the program's objects; returns how many there are in all. */
static inline uint32_t gs__replay_rings(const struct gs_program *p, uint32_t *ring_at)
{
    uint32_t n = 0;
    for (size_t i = 0; i < p->n_objects; i++)
        ring_at[i] = 0;
    for (size_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].kind == GS_OP_PUT)
            ring_at[p->ops[i].object] += p->objects[p->ops[i].object].pool;
    for (size_t i = 0; i < p->n_objects; i++) {
        uint32_t puts = ring_at[i];
        ring_at[i] = n;
        n += puts;
    }
    return n;
}

static inline void *gs__replay_take(char *base, size_t *used, size_t n, size_t size)
{
    size_t at = *used;
    *used += ((n + 1) * size + 15) / 16 * 16;
    return base ? base + at : NULL;
}

/* Its arrays, one behind another from `base` on, which is aligned to 16 bytes. Returns their bytes,
 * also without a base. What the rest of the world writes or reads is not among them: rate, inverse,
 * totals, ring_at. */
static inline size_t gs__replay_lay_out(struct gs_replay *r, uint32_t n_puts, char *base)
{
    size_t n = r->p->n_threads, used = 0;
#define GS__TAKE(type, count) (type *)gs__replay_take(base, &used, count, sizeof(type))
    r->threads = GS__TAKE(struct gs__thread, n);
    r->objects = GS__TAKE(struct gs__object, r->p->n_objects);
    r->computing.at = GS__TAKE(struct gs__ending, n);
    r->sleeping.at = GS__TAKE(struct gs__ending, n);
    r->paused = GS__TAKE(struct gs__ending, n);
    r->ring = GS__TAKE(uint32_t, n_puts);
    r->taken = GS__TAKE(uint8_t, r->p->n_tasks);
#undef GS__TAKE
    return used;
}

/* cap(min(n, C)) / n, less what switching takes; for 1 to n_threads that compute. */
static inline void gs__replay_rates(const struct gs_machine *m, size_t n_threads, uint64_t *rate,
                                    uint64_t *inverse)
{
    for (uint32_t n = 1; n <= n_threads; n++) {
        bool switches = n > m->cores;
        u128 up = (u128)m->cap_q16[(switches ? m->cores : n) - 1] << 16, down = n;
        up *= switches ? GS__SWITCHING_NUMERATOR : 1;
        down *= switches ? GS__SWITCHING_DENOMINATOR : 1;
        rate[n] = (uint64_t)(up / down);
        inverse[n] = (uint64_t)(((u128)1 << 64) / rate[n]);
    }
}

#endif

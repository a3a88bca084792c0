/* SPDX-License-Identifier: MIT
 * Programs for the replay, and machines to run them on, by a seed: all kinds of operation, in any
 * order, so that most come to a standstill sooner or later. Header only, C and C++.
 */
#ifndef GS_RANDOM_PROGRAMS_H
#define GS_RANDOM_PROGRAMS_H

#include <stdio.h>
#include <string.h>

#include "analyzer/whatif/replay.h"

#define RANDOM_CORES_MAX 8u

static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

/* As often a multiple of 20 us, so that things end at one time. */
static inline uint64_t random_ns(uint64_t *rng)
{
    return random_below(rng, 2) ? 20000 * random_below(rng, 5) : random_below(rng, 100000);
}

/* Objects of one kind: how many, and the first one's index. */
struct random_objects {
    uint32_t n, first;
};

static inline struct random_objects random_objects_of(struct gs_program *p, uint64_t *rng,
                                                      enum gs_object_kind kind)
{
    struct random_objects all = {1 + (uint32_t)random_below(rng, 3), (uint32_t)p->n_objects};
    for (uint32_t i = 0; i < all.n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d-%u", (int)kind, i);
        uint32_t at = gs_program_object(p, kind, name);
        struct gs_object *o = &p->objects[at];
        o->parties = 1 + (uint32_t)random_below(rng, 3);
        if (kind != GS_OBJECT_CHANNEL)
            continue;
        o->pool = random_below(rng, 3) == 0;
        o->lifo = random_below(rng, 3) == 0;
        o->capacity = random_below(rng, 3) ? 0 : 1 + (uint32_t)random_below(rng, 3);
        o->initial = random_below(rng, 3) ? 0 : (uint32_t)random_below(rng, 3);
    }
    return all;
}

/* What waits for others comes once for some that do not. */
static inline enum gs_op_kind random_kind(uint64_t *rng)
{
    static const enum gs_op_kind often[] = {GS_OP_PY,      GS_OP_PY,      GS_OP_NATIVE,
                                            GS_OP_LATENCY, GS_OP_RELEASE, GS_OP_PUT,
                                            GS_OP_SET,     GS_OP_SUBMIT,  GS_OP_START};
    if (random_below(rng, 3))
        return often[random_below(rng, sizeof(often) / sizeof(*often))];
    return (enum gs_op_kind)(1 + random_below(rng, GS_N_OPS - 1));
}

/* Fills *p, which is zeroed, and finishes it. */
static inline void random_program(struct gs_program *p, uint64_t seed, uint32_t ops_most)
{
    uint64_t rng = seed;
    uint32_t n_threads = (uint32_t)random_below(&rng, 9), n_tasks = 20;
    struct random_objects of[GS_OBJECT_DEVICE + 1] = {{0, 0}};
    for (int kind = GS_OBJECT_LOCK; kind <= GS_OBJECT_DEVICE; kind++)
        if (kind != GS_OBJECT_THREAD)
            of[kind] = random_objects_of(p, &rng, (enum gs_object_kind)kind);
    of[GS_OBJECT_THREAD].first = (uint32_t)p->n_objects;
    of[GS_OBJECT_THREAD].n = n_threads;
    for (uint32_t t = 0; t < n_threads; t++)
        gs_program_thread(p, "t", random_below(&rng, 4) == 0);
    for (uint32_t i = 0; i < n_tasks; i++)
        gs_program_task(p);
    static const enum gs_object_kind object_of[] = {
#define RANDOM_OBJECT(name, object) GS_OBJECT_##object,
        GS_OPS(RANDOM_OBJECT)
#undef RANDOM_OBJECT
    };
    for (uint32_t t = 0; t < n_threads; t++) {
        gs_program_begin(p, t);
        for (uint64_t n = random_below(&rng, ops_most + 1); n > 0; n--) {
            enum gs_op_kind kind = random_kind(&rng);
            const struct random_objects *some = &of[object_of[kind]];
            uint32_t which = some->n ? some->first + (uint32_t)random_below(&rng, some->n) : 0;
            struct gs_op op = gs_op_on(kind, which);
            op.ns = object_of[kind] == GS_OBJECT_NONE || kind == GS_OP_SUBMIT ||
                            random_below(&rng, 3) == 0
                        ? random_ns(&rng)
                        : 0;
            if (object_of[kind] == GS_OBJECT_CHANNEL && random_below(&rng, 4))
                op.item = (uint32_t)random_below(&rng, n_tasks);
            gs_program_op(p, op);
        }
    }
    gs_program_finish(p);
}

/* cap_q16: room for RANDOM_CORES_MAX, kept as long as the parameters. */
static inline void random_params(struct gs_replay_params *out, uint32_t *cap_q16, uint64_t seed)
{
    uint64_t rng = seed;
    memset(out, 0, sizeof(*out));
    out->machine.cores = 1 + (uint32_t)random_below(&rng, RANDOM_CORES_MAX);
    out->machine.cap_q16 = cap_q16;
    cap_q16[0] = GS_Q16(1);
    for (uint32_t k = 1; k < out->machine.cores; k++)
        cap_q16[k] = cap_q16[k - 1] + (uint32_t)random_below(&rng, GS_Q16(1) + 1);
    out->s_q16 = (uint32_t)(GS_Q16(0.8) + random_below(&rng, GS_Q16(0.8)));
    out->latency_q16 = (uint32_t)(GS_Q16(0.95) + random_below(&rng, GS_Q16(0.2)));
    out->lock_policy = (enum gs_lock_policy)random_below(&rng, 3);
    out->free_lock = random_below(&rng, 4) == 0;
    out->wake_ns = random_below(&rng, 2) ? 0 : random_below(&rng, 30000);
    if (random_below(&rng, 3))
        return;
    out->gc_every_ns = 1 + random_below(&rng, 200000);
    out->gc_pause_ns = random_below(&rng, 50000);
}

#endif

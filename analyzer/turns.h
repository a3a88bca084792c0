/* SPDX-License-Identifier: MIT
 * Inside one turn: which stack held when. Shared by the engines; pure functions.
 *
 * A turn has points in time: samples of the holder's stack, and the stack at its release. Time goes
 * to the nearest point (split at the midpoint, the half nanosecond to the later one), with three
 * exceptions:
 * - After an AT_EXPIRY sample a drop request is pending, so the holder cannot have run Python code
 *   past an eval-breaker check; everything up to the next point is the sample's. Behind an
 * AT_EXPIRY sample that is the last one, even the release is only the place where the request was
 * seen: the rest of the turn and the hand-off are the sample's.
 * - A release that nobody asked for stands in the call that blocks (sleep, read, acquire), which
 *   took no time of the turn: where there is a sample, such a release is no point.
 * - A turn without a sample that ended by such a release is split like the sampled turns of the
 * same thread that ended at the same stack, if there are any: see struct gs_typicals.
 */
#ifndef GS_TURNS_H
#define GS_TURNS_H

#include "analyzer/slices.h"

struct gs_segment {
    uint64_t end_ns; /* UINT64_MAX in the last one: it takes the hand-off too */
    uint32_t actor;
};

/* How the sampled turns that end unasked at one stack spend their time: the heaviest stacks, the
 * lightest of them first, so that the heaviest takes the hand-off. */
#define GS_TYPICAL_MAX 4u
struct gs_typical {
    uint32_t n;                     /* 0: no such turn was sampled */
    uint32_t actor[GS_TYPICAL_MAX]; /* of the decoder that asked */
    uint64_t until[GS_TYPICAL_MAX]; /* its part ends at hold * until / 2^64; not of the last */
};
struct gs_typical_of {
    uint64_t hold; /* the actor: thread id, node */
    uint64_t actor[GS_TYPICAL_MAX], until[GS_TYPICAL_MAX];
    uint32_t n;
};
struct gs_typicals {
    struct gs_idmap map; /* hold -> at[] */
    struct gs_typical_of *at;
    size_t cap;
};
/* Of the decoder's actor. May add actors to the decoder. */
struct gs_typical gs_typical_find(const struct gs_typicals *all, struct gs_decoder *d,
                                  uint32_t actor);
/* What n decoders have seen: the time of sampled turns that ended unasked, by (actor at the
 * release, actor that held). */
void gs_typicals_learn(struct gs_typicals *all, const struct gs_decoder *const *decoders,
                       const struct gs_summap *sums, size_t n);
void gs_typicals_free(struct gs_typicals *all);

/* Segments of a turn, in order of time; samples are those of its seq, sorted by time; typical: of
 * its hold_actor, or NULL. Room for n_samples + GS_TYPICAL_MAX. Returns the number, at least 1.
 * Ends are not cut to the turn. Samples of another thread than the turn's are left out: the walk
 * came too late. */
size_t gs_turn_segments(const struct gs_slice *turn, const struct gs_holder_sample *samples,
                        size_t n_samples, const struct gs_typical *typical, struct gs_segment *out);
/* Whether typical turns say anything of such a turn. */
static inline bool gs_turn_ended_unasked(const struct gs_slice *turn)
{
    return (turn->flags & (GS_SLICE_TURN | GS_SLICE_FORCED)) == GS_SLICE_TURN;
}

/* End of a known turn's period. next: seq and a_ns of the next known row; next_seq 0: none. */
static inline uint64_t gs_period_end(const struct gs_slice *t, uint64_t next_seq,
                                     uint64_t next_a_ns)
{
    if (next_seq && next_seq - 1 == t->seq)
        return next_a_ns;
    uint64_t end = t->rel_ns > t->a_ns ? t->rel_ns : t->a_ns;
    return next_seq && end > next_a_ns ? next_a_ns : end;
}

#endif

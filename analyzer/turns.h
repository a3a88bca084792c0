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
 * same thread that ended at the same stack, if there are any: see gs_learn_typical().
 */
#ifndef GS_TURNS_H
#define GS_TURNS_H

#include "analyzer/columns.h"

struct gs_segment {
    uint64_t end_ns; /* UINT64_MAX in the last one: it takes the hand-off too */
    uint32_t actor;
};

/* How the sampled turns that end unasked at one stack spend their time: the heaviest stacks, the
 * lightest of them first, so that the heaviest takes the hand-off. */
#define GS_TYPICAL_MAX 4u
struct gs_typical {
    uint64_t total_ns; /* 0: no such turn was sampled */
    uint64_t ns[GS_TYPICAL_MAX];
    uint32_t actor[GS_TYPICAL_MAX];
    uint32_t n;
};
/* Fills g->typical. Rows and samples in their final order. */
void gs_learn_typical(struct gs_gil_columns *g);

/* Segments of a turn, in order of time; samples are those of its seq, sorted by time. Room for
 * n_samples + GS_TYPICAL_MAX. Returns the number, at least 1. Ends are not cut to the turn. Samples
 * of another thread than the turn's are left out: the walk came too late. */
size_t gs_turn_segments(const struct gs_gil_columns *g, const struct gs_slice *turn,
                        const struct gs_holder_sample *samples, size_t n_samples,
                        struct gs_segment *out);

/* End of a known turn's period. next: the next known row, or NULL. */
static inline uint64_t gs_period_end(const struct gs_slice *t, const struct gs_slice *next)
{
    if (next && next->seq - 1 == t->seq)
        return next->a_ns;
    uint64_t end = t->rel_ns > t->a_ns ? t->rel_ns : t->a_ns;
    return next && end > next->a_ns ? next->a_ns : end;
}

/* Two rows of one seq: `into` keeps its own halves and takes those it lacks. Returns the number of
 * halves of `from` that were there already. */
unsigned gs_merge_halves(struct gs_slice *into, const struct gs_slice *from);

/* By seq, time, kind, actor: any order of the input gives one order. */
void gs_sort_samples(struct gs_gil_columns *g);

/* a_ns from acq_ns, begin_ns cut to a_ns; rows in order of seq, each once. */
void gs_make_monotone(struct gs_slice *rows, size_t n);

#endif

/* SPDX-License-Identifier: MIT
 * Which stack held when inside one turn: analyzer/turns.c on the device.
 */
#ifndef GS_SEGMENTS_CUH
#define GS_SEGMENTS_CUH

#include "cuda/blame.cuh"

struct gs_turn {
    gs_u64 seq, acq_ns, rel_ns;
    uint32_t hold_actor, flags, thread;
    uint32_t from, to; /* its samples */
};

/* Joins neighbours of one actor and gives what is sure to take(actor, end_ns). */
template <class Take> struct gs_joiner {
    Take *take;
    gs_u64 end_ns;
    uint32_t actor;
    bool has;

    __device__ void put(uint32_t next_actor, gs_u64 next_end_ns)
    {
        if (has && actor != next_actor)
            (*take)(actor, end_ns);
        actor = next_actor;
        end_ns = next_end_ns;
        has = true;
    }
    __device__ void close()
    {
        (*take)(actor, end_ns);
    }
};

__device__ inline uint32_t gs_first_sample_of(const gs_samples &s, gs_u64 seq)
{
    uint32_t lo = 0, hi = s.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s.seq[mid] < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

__device__ inline gs_turn gs_turn_at(const gs_blame &b, uint32_t i)
{
    gs_turn t = {b.rows.seq[i],
                 b.rows.acq_ns[i],
                 b.rows.rel_ns[i],
                 b.rows.hold_actor[i],
                 b.rows.flags[i],
                 b.rows.thread[i],
                 0,
                 0};
    t.from = t.to = gs_first_sample_of(b.samples, t.seq);
    while (t.to < b.samples.n && b.samples.seq[t.to] == t.seq)
        t.to++;
    return t;
}

__device__ inline bool gs_is_expired(const gs_samples &s, const gs_turn &t)
{
    bool expired = false;
    for (uint32_t k = t.from; k < t.to; k++)
        expired |= s.kind[k] == GS_HOLDER_AT_EXPIRY;
    return expired;
}

/* When the time of a sample at x_ns ends, and the next point's at y_ns begins. */
__device__ inline gs_u64 gs_boundary(uint32_t kind, gs_u64 x_ns, gs_u64 y_ns)
{
    return kind == GS_HOLDER_AT_EXPIRY ? y_ns : x_ns + (y_ns - x_ns) / 2;
}

template <class Take>
__device__ void gs_put_shares(const gs_turn &t, const gs_shares &y, gs_joiner<Take> *joined)
{
    gs_u64 hold_ns = t.rel_ns - t.acq_ns;
    for (uint32_t k = 0; k + 1 < y.n; k++)
        joined->put(y.actor[k], t.acq_ns + __umul64hi(hold_ns, y.until[k]));
    joined->put(y.actor[y.n - 1], UINT64_MAX);
}

/* Samples of another thread came too late and say nothing. Returns the last one that counts, or
 * s.n; *last_ns is its time, cut to the turn. */
template <class Take>
__device__ uint32_t gs_put_samples(const gs_samples &s, const gs_turn &t, gs_joiner<Take> *joined,
                                   gs_u64 *last_ns)
{
    uint32_t last = s.n;
    gs_u64 hi = t.flags & GS_SLICE_TURN ? t.rel_ns : UINT64_MAX;
    for (uint32_t k = t.from; k < t.to; k++) {
        if (s.thread[k] != t.thread)
            continue;
        gs_u64 at = min(max(s.t_ns[k], t.acq_ns), hi);
        if (last != s.n)
            joined->put(s.actor[last], gs_boundary(s.kind[last], *last_ns, at));
        last = k;
        *last_ns = at;
    }
    return last;
}

/* Segments in order of time; ends are not cut to the turn, the last one is UINT64_MAX. */
template <class Take>
__device__ void gs_each_segment(const gs_blame &b, const gs_turn &t, Take *take)
{
    const uint32_t asked = GS_SLICE_TURN | GS_SLICE_FORCED | GS_ROW_KNOWN_STACK;
    const gs_samples &s = b.samples;
    gs_joiner<Take> joined = {take, 0, 0, false};
    gs_u64 last_ns = 0;
    uint32_t last = gs_put_samples(s, t, &joined, &last_ns);
    bool is_sampled = last != s.n;
    bool is_unasked = (t.flags & (GS_SLICE_TURN | GS_SLICE_FORCED)) == GS_SLICE_TURN;
    if (!is_sampled && is_unasked && t.hold_actor < b.n_shares && b.shares[t.hold_actor].n) {
        gs_put_shares(t, b.shares[t.hold_actor], &joined);
    } else if (!is_sampled) {
        joined.put(t.hold_actor, UINT64_MAX);
    } else if ((t.flags & asked) == asked && s.kind[last] != GS_HOLDER_AT_EXPIRY) {
        joined.put(s.actor[last], gs_boundary(s.kind[last], last_ns, t.rel_ns));
        joined.put(t.hold_actor, UINT64_MAX);
    } else {
        joined.put(s.actor[last], UINT64_MAX);
    }
    joined.close();
}

#endif

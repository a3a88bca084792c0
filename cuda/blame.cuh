/* SPDX-License-Identifier: MIT
 * Blame over the rows of one window: analyzer/engine.h defines it, engine_cpu_window.c has the same
 * steps. The window's time is cut into sub-periods (segments of turns, and pieces whose holder is
 * unknown); a wait is a first, partial one and a run of whole ones, so one scan says how many
 * waited through each.
 */
#ifndef GS_BLAME_CUH
#define GS_BLAME_CUH

#include "cuda/rows.cuh"

/* Stretches of this and more count as long where a waiter's switch interval expired. */
#define GS_LONG_STRETCH_NS 10000000u
#define GS_TYPICAL_SHARES  4u

/* HOLDER_SAMPLE rows by seq, time, kind, actor. */
struct gs_samples {
    const gs_u64 *seq, *t_ns;
    const uint32_t *thread, *actor, *kind;
    uint32_t n;
};
/* How turns that end unasked at one stack spend their time, where nobody looked. */
struct gs_shares {
    uint32_t n; /* 0: not known */
    uint32_t actor[GS_TYPICAL_SHARES];
    gs_u64 until[GS_TYPICAL_SHARES]; /* its part ends at hold * until / 2^64; not of the last */
};

struct gs_blame {
    gs_rows rows; /* in order */
    uint32_t n;   /* at least 1 */
    gs_samples samples;
    const gs_shares *shares; /* of the first n_shares actors */
    uint32_t n_shares;
    bool is_first;                /* nothing is known of before the first row */
    uint64_t next_seq, next_a_ns; /* first row behind the window; next_seq 0: there is none */
    /* Waits of later windows that began in this one or before: seq, begin_ns, wait_actor, ds and
     * flags are read. */
    gs_rows reaching;
    uint32_t n_reaching;

    gs_actor_table actors;     /* added to: blame; holds of the turns that is_cut[] names */
    gs_u64 *unknown_holder_ns; /* added to */
    uint8_t *is_cut;           /* n; see group.cuh */
};

/* What is left for pairs.cuh, in the workspace: of each wait (rows, then reaching) where it lies.
 */
struct gs_wait_span {
    uint32_t first, end; /* sub-periods; first == end: none */
    gs_u64 from_ns;      /* in the first of them */
};
struct gs_blame_left {
    const gs_wait_span *spans; /* n + n_reaching */
    const gs_u64 *end_ns;      /* of sub-periods */
    const uint32_t *actor;     /* GS_NO_ACTOR: unknown holder */
};

/* Bytes of the device that gs_launch_blame() needs beside. */
size_t gs_blame_work_bytes(const struct gs_blame *blame);
cudaError_t gs_launch_blame(const struct gs_blame *blame, void *work, size_t work_bytes,
                            struct gs_blame_left *left, cudaStream_t stream);

#endif

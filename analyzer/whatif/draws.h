/* SPDX-License-Identifier: MIT
 * What is not known about the machine and the interpreter to come, as ranges; and points spread
 * evenly over all of them (Sobol's sequence), for as many replays.
 */
#ifndef GS_WHATIF_DRAWS_H
#define GS_WHATIF_DRAWS_H

#include <stddef.h>
#include <stdint.h>

/* 1 in 10 is below p10, 1 in 2 below p50, 9 in 10 below p90; log-normal on either side. */
struct gs_range_of {
    double p10, p50, p90;
};

/* id, what it is */
#define GS_UNKNOWNS(X)                                                                             \
    X(S, "s: time of free-threaded Python for the same work")                                      \
    X(THREADS, "s of several threads, when one was measured")                                      \
    X(CAP, "cap: what several busy cores do together")                                             \
    X(WAKE, "time to wake a thread")                                                               \
    X(SLICE, "how long a thread keeps a core that others wait for")                                \
    X(POLICY, "who gets a lock that is let go")                                                    \
    X(LATENCY, "latency of what is outside of the process")                                        \
    X(GC, "g: time of a garbage collection for each container that lives")
enum gs_unknown {
#define GS_UNKNOWN_ENUM(id, text) GS_UNKNOWN_##id,
    GS_UNKNOWNS(GS_UNKNOWN_ENUM)
#undef GS_UNKNOWN_ENUM
        GS_N_UNKNOWNS
};
extern const char *const gs_unknown_texts[GS_N_UNKNOWNS];

/* Point i of the sequence, each coordinate inside (0, 1). */
void gs_sobol_point(uint32_t i, double u[GS_N_UNKNOWNS]);
/* The value that a share u of all draws is below. */
double gs_range_at(const struct gs_range_of *range, double u);

/* Of a free-threaded build against the one with the GIL; NULL: no such version. */
const struct gs_target *gs_target_find(const char *name);
struct gs_target {
    const char *name;
    struct gs_range_of s;
    struct gs_range_of gc_ns; /* that a collection takes for each container */
    double gc_most; /* new containers that a collection waits for, where few live, at most */
};
#define GS_GC_THRESHOLD   2000.0 /* and at least */
#define GS_GC_GIL_NS      52.0 /* gc_ns of a build with the GIL, where those of `targets` are of */
#define GS_TARGET_DEFAULT "3.14t"
#define GS_S_LOWEST       0.75 /* of any program seen: what the ceiling is said for */

#endif

/* SPDX-License-Identifier: MIT
 * A prediction: bounds first, then as many replays as there are draws of what is not known, then
 * how far to believe them.
 */
#ifndef GS_WHATIF_ESTIMATE_H
#define GS_WHATIF_ESTIMATE_H

#include "analyzer/whatif/bounds.h"
#include "analyzer/whatif/calibration.h"
#include "analyzer/whatif/draws.h"
#include "analyzer/whatif/from_capture.h"
#include "analyzer/whatif/migration.h"
#include "analyzer/whatif/sweep.h"

#define GS_DRAWS       200u
#define GS_CURVE_DRAWS 32u /* of each other number of cores */
#define GS_CORES_MOST  1024u

enum gs_grade { GS_GRADE_A, GS_GRADE_B, GS_GRADE_C };
enum gs_verdict {
    GS_VERDICT_GAIN,
    GS_VERDICT_NEUTRAL,
    GS_VERDICT_LOSS,
    GS_VERDICT_INSUFFICIENT,
    GS_VERDICT_BLOCKED, /* by an extension module: job.c */
};

struct gs_whatif_options {
    const struct gs_target *target;
    const struct gs_calibration *calibration; /* NULL: what is usual is taken */
    struct gs_kind_options kind;
    uint32_t cores;     /* 0: as many as the recorded machine had */
    unsigned jobs;      /* threads to compute with; 0: all cores */
    const char *engine; /* that replays: sweep.h; NULL: auto */
};

/* s was measured, of this target. */
static inline bool gs_whatif_is_calibrated(const struct gs_whatif_options *o)
{
    return o->calibration && o->calibration->has_s;
}

struct gs_speedup { /* of one number of cores; NAN where nothing may be said */
    uint32_t cores;
    double s_max, s_cond_min, p10, p50, p90;
};

/* A replay with one thing changed. */
struct gs_change {
    char *what;                  /* owned */
    double s;                    /* NAN: nobody could go on */
    double now;                  /* S of the same replay without the change */
    uint32_t node;               /* of what is changed; 0: no one place */
    struct gs_stack_text *stack; /* the same, from job.c on; owned */
};
#define GS_CHANGES_MOST 13u

/* From when something came to when it was done, ns; NAN: of too few it is known. */
struct gs_latency {
    double p50, p90, p99;
};

struct gs_whatif {
    struct gs_speedup at;              /* the cores asked for */
    struct gs_range_of if_gil_is_back; /* of s_app, where an extension brings it back: 1 / s */
    double s_max_if_not_faster;        /* per thread: with s = 1 */
    struct gs_speedup *curve;          /* 1, 2, 4 ... and those asked for */
    size_t n_curve;
    uint32_t break_even_cores; /* the first of the curve with p10 > 1; 0: none */
    enum gs_grade grade;
    enum gs_verdict verdict;
    double verdict_share;                      /* of the draws that say so */
    const char *why_not;                       /* grade C: what is against a number; else NULL */
    char *limited_by;                          /* the ceiling */
    double driven_by[GS_N_UNKNOWNS];           /* shares of what the draws differ by */
    double driven_by_none;                     /* the rest: 1 less all of them */
    struct gs_change changes[GS_CHANGES_MOST]; /* those that bring most first */
    size_t n_changes;
    double s_median;  /* without any */
    double core_time; /* CPU time, of what the recording took */
    double per_s;     /* marks, in the middle of the recording; NAN: none */
    double
        gil_per_s; /* with the GIL, when all is there that comes from outside; NAN: other kinds */
    struct gs_latency recorded, with_gil, without; /* open arrivals, at the recorded load */
    double replayed; /* what the replay with a GIL takes, of what the recording took; NAN */
    uint64_t gc_ns;  /* collections, in the median replay, while all threads stand still */
    struct gs_migration migration; /* the median replay's */
};

/* Of open arrivals *c is another program afterwards. */
void gs_whatif_estimate(struct gs_capture_program *c, const char *why_not,
                        const struct gs_whatif_options *options, struct gs_sweeper *sweeper,
                        struct gs_whatif *out);
void gs_whatif_free(struct gs_whatif *w);

extern const char *const gs_verdict_names[];

#endif

/* SPDX-License-Identifier: MIT
 * What is assumed of the machine and the interpreter, and draws of it; the median of all. Private
 * to estimate.c, model.c and changes.c.
 */
#ifndef GS_WHATIF_MODEL_H
#define GS_WHATIF_MODEL_H

#include "analyzer/whatif/estimate.h"

struct gs__model {
    const struct gs_calibration *calibration;
    const struct gs_target *target;
    const struct gs_range_of *s, *threads, *wake_ns;
    double s_lowest;
    bool s_is_of_one; /* thread */
};
struct gs__model gs__model_of(const struct gs_whatif_options *o);

/* What nine of ten draws are below. */
double gs__s_worst(const struct gs__model *m, uint32_t cores);

struct gs__draw {
    struct gs_replay_params params;
    uint32_t *cap_q16; /* the caller's: room for the cores */
    double gc_u;       /* share of draws whose collections cost less */
};
/* cap_u: the share of the draws below; 1: the best that can be. */
void gs__draw_machine(struct gs__draw *d, const struct gs__model *m, uint32_t cores, double cap_u);
/* Point i of all draws. */
void gs__draw_make(struct gs__draw *d, const struct gs__model *m, uint32_t cores, uint32_t i);
/* All at their medians. */
void gs__draw_median(struct gs__draw *d, const struct gs__model *m, uint32_t cores);
/* What of a replay counts for S; 0: it did not get there. */
uint64_t gs__span_ns(const struct gs_capture_program *c, const struct gs_replay_result *r);
/* collections.c: those of this program; u as cap_u. After gs__draw_make() or _median(). */
void gs__draw_collections(struct gs__draw *d, const struct gs__model *m,
                          const struct gs_capture_program *c, double u);
/* NAN: nobody could go on. */
double gs__log_speedup(const struct gs_capture_program *c, const struct gs_replay_result *r);

/* Replays to be done, each on a machine of its own. */
struct gs__scenarios {
    struct gs_replay_params *params; /* what their machines can do is owned, too */
    size_t n, cap;
};
void gs__scenarios_add(struct gs__scenarios *all, const struct gs__draw *d);
void gs__scenarios_free(struct gs__scenarios *all);

/* changes.c: the median replay. Returns how far to doubt it, less than 0: nobody could go on. */
struct gs__median {
    struct gs_replay *replay;
    struct gs__draw draw;
    struct gs_replay_result result;
    uint64_t took_ns;
};
double gs__median_open(struct gs__median *d, const struct gs_capture_program *c,
                       const struct gs__model *m, struct gs_whatif *out);
void gs__median_close(struct gs__median *d);
/* And with one thing changed each: what, into out, and how, to the scenarios. */
void gs__plan_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      const struct gs__median *d, struct gs_whatif *out,
                      struct gs__scenarios *scenarios);
/* What came of them, in the same order; results NULL: nothing that is to be said. */
void gs__take_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      const struct gs_replay_result *results, struct gs_whatif *out);

/* with_gil.c: how near a replay with a GIL comes to the recording. */
void gs__replay_recorded(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out);
/* And what it brings who keeps the GIL if a function computed without it. */
void gs__add_gil_changes(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out);
/* Of open arrivals: how long things take at the recorded load, then what can be done at most. From
 * here on the program is one to which everything has come already. NULL, or why not. */
const char *gs__saturate(struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out);

#endif

/* SPDX-License-Identifier: MIT
 * What is assumed of the machine and the interpreter, and draws of it; the median of all. Private
 * to estimate.c, model.c and changes.c.
 */
#ifndef GS_WHATIF_MODEL_H
#define GS_WHATIF_MODEL_H

#include "analyzer/whatif/estimate.h"

struct gs__model {
    const struct gs_calibration *calibration;
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
};
/* cap_u: the share of the draws below; 1: the best that can be. */
void gs__draw_machine(struct gs__draw *d, const struct gs__model *m, uint32_t cores, double cap_u);
/* Point i of all draws. */
void gs__draw_make(struct gs__draw *d, const struct gs__model *m, uint32_t cores, uint32_t i);
/* All at their medians. */
void gs__draw_median(struct gs__draw *d, const struct gs__model *m, uint32_t cores);
/* NAN: nobody could go on. */
double gs__log_speedup(const struct gs_capture_program *c, const struct gs_replay_result *r);

/* changes.c: the median replay; returns how far to doubt it, less than 0: nobody could go on. */
double gs__replay_median(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out);
/* And with one thing changed. */
void gs__find_changes(const struct gs_capture_program *c, const struct gs__model *m,
                      struct gs_whatif *out);

#endif

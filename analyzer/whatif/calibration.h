/* SPDX-License-Identifier: MIT
 * What was measured of a machine and a free-threaded Python: a text file, as gilscope calibrate
 * writes it.
 *
 *   gilscope calibration 1
 *   python 3.13.5                the one with the GIL
 *   cap 1.0000 1.9120 ...        what 1, 2 ... busy cores do together
 *   target 3.13t                 both or neither: of which
 *   s 1.0500 1.1700 1.3200       the time for the same work is so many times as long: p10, p50, p90
 *   gc 24.00 31.00 38.00         with them, or not: ns of a collection for each container
 *   gc_gil 47.00                 or not: the same of the Python with the GIL
 */
#ifndef GS_WHATIF_CALIBRATION_H
#define GS_WHATIF_CALIBRATION_H

#include <stdbool.h>

#include "analyzer/error.h"
#include "analyzer/whatif/draws.h"

#define GS_CAP_MOST 1024u

struct gs_calibration {
    unsigned n_cap; /* 0: not measured */
    double cap[GS_CAP_MOST];
    bool has_s;
    char target[16]; /* of s */
    struct gs_range_of s;
    bool has_gc; /* of the target, too */
    struct gs_range_of gc_ns;
    double gc_gil_ns; /* 0: not measured */
};

/* From text; why: what is wrong with it, where it is GS_ERR_CORRUPT. */
enum gs_status gs_calibration_parse(struct gs_calibration *c, const char *text, const char **why);
enum gs_status gs_calibration_load(struct gs_calibration *c, const char *path,
                                   struct gs_error *err);

/* The text of calibrate.py, embedded by the build. */
extern const char gs_calibrate_py[];

#endif

/* SPDX-License-Identifier: MIT
 * What was measured of a machine and a free-threaded Python: a text file, as gilscope calibrate
 * writes it.
 *
 *   gilscope calibration 1
 *   python 3.13.5                the one with the GIL
 *   cap 1.0000 1.9120 ...        what 1, 2 ... busy cores do together
 *   wake 4100 5900 14000         ns to wake a parked thread: p10, p50, p90; may lack
 *   target 3.13t                 both or neither, of this and s: of which
 *   threads 0.9800 1.0300 1.1900 s of several threads, by s of one; may lack, only where there is s
 *   s 1.0500 1.1700 1.3200       the time for the same work is so many times as long: p10, p50, p90
 *   gc 24.00 31.00 38.00         with them, or not: ns of a collection for each container
 *   gc_gil 47.00                 or not: the same of the Python with the GIL
 */
#ifndef GS_WHATIF_CALIBRATION_H
#define GS_WHATIF_CALIBRATION_H

#include <stdbool.h>
#include <stdio.h>

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
    bool has_threads, has_wake;
    struct gs_range_of threads, wake_ns;
};

/* From text; why: what is wrong with it, where it is GS_ERR_CORRUPT. */
enum gs_status gs_calibration_parse(struct gs_calibration *c, const char *text, const char **why);
enum gs_status gs_calibration_load(struct gs_calibration *c, const char *path,
                                   struct gs_error *err);

/* The lines that hold for any program on the same machine. */
void gs_calibration_put_base(const struct gs_calibration *c, FILE *out);

/* The text of calibrate.py, embedded by the build. */
extern const char gs_calibrate_py[];

#endif

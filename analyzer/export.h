/* SPDX-License-Identifier: MIT
 * Exporters: a profile in the format of another tool. The weights are the profile's own integers,
 * so their sum is the sum that `stats` prints. Each returns false when writing failed.
 */
#ifndef GS_EXPORT_H
#define GS_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "analyzer/profile.h"

enum gs_metric { GS_METRIC_HOLD, GS_METRIC_WAIT, GS_METRIC_BLAME, GS_N_METRICS };
extern const char *const gs_metric_names[GS_N_METRICS]; /* "hold", "wait", "blame" */

static inline uint64_t gs_row_weight(const struct gs_prof_row *row, enum gs_metric metric)
{
    return metric == GS_METRIC_HOLD   ? row->hold_ns
           : metric == GS_METRIC_WAIT ? row->wait_ns
                                      : row->blamed_ns;
}

/* "worker-3 (4243)", with the pid in front when the job has several processes. Untrusted text,
 * as it was recorded. The caller frees. */
char *gs_export_thread_label(const struct gs_profile *p, const struct gs_prof_row *row);
/* Fills path[] with the stack's frame numbers, outermost first; returns how many there are, which
 * may be more than cap (then the innermost cap are filled in). */
size_t gs_export_stack(const struct gs_profile *p, uint32_t node, uint32_t *path, size_t cap);

/* One line a stack: "thread;outer;inner 1234". */
bool gs_export_collapsed(const struct gs_profile *p, enum gs_metric metric, FILE *out);
/* One sampled profile per thread and metric; only_metric < 0: all three. */
bool gs_export_speedscope(const struct gs_profile *p, int only_metric, FILE *out);
/* The report page. False also if this build has no page in it: see gs_export_html_available(). */
bool gs_export_html(const struct gs_profile *p, FILE *out);
bool gs_export_html_available(void);

#endif

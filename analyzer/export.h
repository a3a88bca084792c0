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

/* name, unit of its weights, what a profile of it is called */
#define GS_METRIC_LIST(X)                                                                          \
    X(HOLD, "hold", "nanoseconds", "gil hold")                                                     \
    X(WAIT, "wait", "nanoseconds", "gil wait")                                                     \
    X(BLAME, "blame", "nanoseconds", "gil blame")                                                  \
    X(ALLOC, "alloc", "bytes", "live bytes")  /* of sampled allocations, at the end */             \
    X(CUDA, "cuda", "bytes", "device memory") /* live at the end */                                \
    X(COUNTED, "counted", "none", "counted")  /* by a counter, in all states */

enum gs_metric {
#define X(NAME, name, unit, title) GS_METRIC_##NAME,
    GS_METRIC_LIST(X)
#undef X
        GS_N_METRICS
};
extern const char *const gs_metric_names[GS_N_METRICS]; /* "hold", "wait" … */

#define GS_EXPORT_NO_THREAD UINT32_MAX /* the weight is of the process */
struct gs_export_row {
    uint32_t process, thread, node;
    uint64_t weight; /* > 0 */
};
/* What has weight, by process, thread and node. The caller frees. COUNTED: of all count_rows, which
 * should be those of one event. */
struct gs_export_row *gs_export_rows(const struct gs_profile *p, enum gs_metric metric, size_t *n);

/* "worker-3 (4243)", with the pid in front when the job has several processes; "pid 4242" without a
 * thread. Untrusted text, as it was recorded. The caller frees. */
char *gs_export_label(const struct gs_profile *p, const struct gs_export_row *row);
/* Fills path[] with the stack's frame numbers, outermost first; returns how many there are, which
 * may be more than cap (then the innermost cap are filled in). */
size_t gs_export_stack(const struct gs_profile *p, uint32_t node, uint32_t *path, size_t cap);

/* One line a stack: "thread;outer;inner 1234". */
bool gs_export_collapsed(const struct gs_profile *p, enum gs_metric metric, FILE *out);
/* One sampled profile per thread and metric, or process; only_metric < 0: all that have weight. */
bool gs_export_speedscope(const struct gs_profile *p, int only_metric, FILE *out);
/* The report page. False also if this build has no page in it: see gs_export_html_available(). */
bool gs_export_html(const struct gs_profile *p, FILE *out);
bool gs_export_html_available(void);

#endif

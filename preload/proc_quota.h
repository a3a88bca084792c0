/* SPDX-License-Identifier: MIT
 * How much CPU time the control groups allow this process.
 */
#ifndef GS_PROC_QUOTA_H
#define GS_PROC_QUOTA_H

#include <stdint.h>

/* quota_us in each period_us, of the group around this process that allows least; zeros: none
 * limits it. */
struct gs_cpu_quota {
    uint64_t quota_us, period_us;
};
/* root: what stands in front of /proc and /sys, "" but in tests. CTX: drain. */
struct gs_cpu_quota gs_proc_cpu_quota(const char *root);

#endif

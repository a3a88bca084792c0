/* SPDX-License-Identifier: MIT */
#include "preload/drain_own.h"

#include <stdint.h>

#include "preload/raw_sys.h"

#define SLICE_NS                 100000u
#define CLOSE_RANGE_UNSHARE_FLAG 2u

bool gs_drain_own_fds(void)
{
    return gs_sys3(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE_FLAG) == 0;
}

void gs_drain_own_slices(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {0};
    if (gs_sys4(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0 || attr.policy != 0)
        return;
    attr.runtime = SLICE_NS;
    gs_sys3(SYS_sched_setattr, 0, &attr, 0);
}

/* SPDX-License-Identifier: MIT
 * Time held and waited by bins of the process's timeline, as gs_bins_add() has it.
 */
#ifndef GS_TIMELINE_CUH
#define GS_TIMELINE_CUH

#include "cuda/rows.cuh"

struct gs_device_bins {         /* added to; what lies outside is cut off */
    uint64_t origin_ns, bin_ns; /* bin_ns at least 1 where there are bins */
    uint64_t n;
    gs_u64 *hold_ns, *wait_ns;
};

cudaError_t gs_launch_timeline(const struct gs_rows *rows, size_t n,
                               const struct gs_device_bins *bins, cudaStream_t stream);

#endif

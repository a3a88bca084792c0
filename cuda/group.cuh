/* SPDX-License-Identifier: MIT
 * One pass over ordered rows: sums by actor and histograms of holds and waits.
 */
#ifndef GS_GROUP_CUH
#define GS_GROUP_CUH

#include "cuda/rows.cuh"

/* As analyzer/hist.h: 16 buckets an octave, exact below 16 ns. */
#define GS_DEVICE_HIST_BUCKETS 976u

__device__ inline unsigned gs_device_hist_bucket_of(gs_u64 ns)
{
    if (ns < 16)
        return (unsigned)ns;
    unsigned e = 63 - (unsigned)__clzll((long long)ns);
    return (e - 3) * 16 + (unsigned)(ns >> (e - 4) & 15);
}

struct gs_group_out { /* added to */
    gs_actor_table actors;
    gs_u64 *hold_hist, *wait_hist; /* GS_DEVICE_HIST_BUCKETS each */
    gs_u64 *wait_ns;               /* of all waits */
    /* Histograms of the waits of threads: class * GS_DEVICE_HIST_BUCKETS + bucket; of actors of no
     * class there is none. */
    const uint32_t *thread_class; /* by actor */
    gs_u64 *thread_hists;
};

/* is_cut, or NULL: 1 for turns whose hold is shared by several stacks and counted elsewhere
 * (blame.cuh); they are in the histogram all the same. */
cudaError_t gs_launch_group(const struct gs_rows *rows, size_t n, const uint8_t *is_cut,
                            const struct gs_group_out *out, cudaStream_t stream);

#endif

/* SPDX-License-Identifier: MIT
 * What the files that build the CUDA part of one process share.
 */
#ifndef GS_PROFILE_CUDA_BUILD_H
#define GS_PROFILE_CUDA_BUILD_H

#include "analyzer/cuda_replay.h"
#include "analyzer/profile_process.h"

struct gs_cuda_builder {
    struct gs_recording *r;
    const struct gs_stacks *stacks;
    struct gs_profile *profile;
    uint32_t process;
    struct gs_prof_cuda *out;
};

static inline uint64_t gs_cuda_since_start(const struct gs_recording *r, uint64_t ns)
{
    return ns > r->start_ns ? ns - r->start_ns : 0;
}

/* What rows alone say, for where no record says it. */
struct gs_cuda_from_rows {
    uint64_t live_bytes, peak_bytes;
    uint64_t kind_bytes[GS_N_CUDA_KIND], kind_peaks[GS_N_CUDA_KIND];
    struct gs_cuda_counts counts[GS_N_CUDA_KIND];
};
/* profile_cuda_live.c: samples, stacks, curves, OOMs, when the peak was; then what the devices and
 * contexts are made of. */
void gs_cuda_put_live(struct gs_cuda_builder *b, struct gs_cuda_from_rows *sums);
/* profile_cuda_contexts.c. The replay has come to the end; used: for each CUDA_USED record what was
 * allocated on its device then. */
void gs_cuda_put_contexts(struct gs_cuda_builder *b, const struct gs_cuda_replay *end,
                          const uint64_t *allocated_at_used);
/* profile_cuda_held.c: calls, and who waited for them. */
void gs_cuda_put_calls(struct gs_cuda_builder *b);

#endif

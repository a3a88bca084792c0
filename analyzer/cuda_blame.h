/* SPDX-License-Identifier: MIT
 * How long other threads waited for the GIL while a call of the driver held it.
 *
 * Definition. The time of a row with HELD is [t, t + duration) on its thread's GIL. On one GIL such
 * times do not overlap; where clocks say they do, each begins where the ones that began before it
 * end (of two that began together the lower seq is first). A wait is the time of a SLICE row with
 * WAIT, [t_acq - wait, t_acq). What a row is blamed for is the sum, over all waits of other threads
 * on that GIL, of the part that lies in the row's time.
 */
#ifndef GS_CUDA_BLAME_H
#define GS_CUDA_BLAME_H

#include "analyzer/columns.h"

/* Told of each row of r->cuda.rows, in order; blamed_ns is 0 for those without HELD. */
typedef void gs_cuda_blamed_fn(void *ctx, const struct gs_cuda_row *row, uint64_t blamed_ns);
void gs_cuda_blame(const struct gs_recording *r, const struct gs_stacks *stacks,
                   gs_cuda_blamed_fn *fn, void *ctx);
/* Dense index of the GIL that a thread (an id) takes; GS_IDMAP_NONE: not known. A thread of several
 * has the one it took most often. A process's only GIL is everybody's. The caller frees. */
uint32_t *gs_cuda_gils(const struct gs_recording *r); /* by dense thread */

#endif

/* SPDX-License-Identifier: MIT
 * Windows as the CUDA engine wants them: as many neighbours together as the device has room for.
 * The survey's windows stay as small as caches are, so that it can be made by all cores, and the
 * CPU engine can count the same windows if the device cannot.
 */
#ifndef GS_ENGINE_CUDA_PLAN_H
#define GS_ENGINE_CUDA_PLAN_H

#include "analyzer/engine_cuda.h"
#include "analyzer/windows.h"

struct gs_cuda_planner {
    const struct gs_windows *w;
    struct gs_cuda_room room;
    struct gs_decoder *d; /* of samples */
    size_t next;          /* window */
    bool any_before;      /* there were rows */
    uint32_t *chunks;     /* the parts' numbers, or those of samples */
    size_t n_chunks, cap_chunks;
    struct gs_cuda_part *parts;
    size_t n_parts, cap_parts;
    struct gs_chunk_hdr *headers; /* of the parts */
    size_t cap_headers;
    uint64_t *wide;   /* samples: seq, t_ns, actor */
    uint32_t *narrow; /* thread, kind */
    size_t cap_wide, cap_narrow;
};
/* From the first window on. d: of the caller, who closes it. */
void gs_cuda_planner_open(struct gs_cuda_planner *p, const struct gs_windows *w,
                          struct gs_decoder *d, struct gs_cuda_room room);
/* The next windows that have rows, as one, valid until the next call; false: there are none left.
 */
bool gs_cuda_planner_next(struct gs_cuda_planner *p, struct gs_cuda_window *out);
void gs_cuda_planner_close(struct gs_cuda_planner *p);

#endif

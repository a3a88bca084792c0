/* SPDX-License-Identifier: MIT
 * The devices of this machine, and GILs dealt out among them: each device counts whole GILs, in a
 * thread of its own, the largest first. What a device could not count is left to the caller, and
 * that device is not tried again.
 */
#ifndef GS_ENGINE_CUDA_DEVICES_H
#define GS_ENGINE_CUDA_DEVICES_H

#include "analyzer/engine_cuda_run.h"

struct gs_cuda_device {
    unsigned number;
    struct gs_cuda_library library; /* at: NULL where it cannot be used (any more) */
    struct gs_error why_not;        /* GS_OK: nothing speaks against it */
    char name[128];
    unsigned gils; /* counted on it */
    uint64_t rows;
    double open_ns, row_ns; /* wall clock: of opening it; a row of its last large GIL, 0: none */
};
struct gs_cuda_devices {
    struct gs_cuda_device *at; /* those that were tried, in their order */
    unsigned n, n_there;       /* n_there: of the machine, 1 until one was tried */
};
enum gs_cuda_task_state { GS_CUDA_TASK_OF_CPU, GS_CUDA_TASK_OF_DEVICE, GS_CUDA_TASK_COUNTED };

/* Side by side, until n can be used or all were tried. */
void gs_cuda_devices_open(struct gs_cuda_devices *d, unsigned n);
unsigned gs_cuda_devices_usable(const struct gs_cuda_devices *d);
/* GS_OK: none has failed; else why the first of them did. */
const struct gs_error *gs_cuda_devices_why_not(const struct gs_cuda_devices *d);
/* Tasks that are OF_DEVICE, as many as go, become COUNTED, by devices that are open. */
void gs_cuda_devices_count(struct gs_cuda_devices *d, const struct gs_engine_task *tasks,
                           enum gs_cuda_task_state *state, size_t n);
/* A line for each that was tried, without a newline at the end; to be freed. */
char *gs_cuda_devices_text(const struct gs_cuda_devices *d);
void gs_cuda_devices_close(struct gs_cuda_devices *d);

#endif

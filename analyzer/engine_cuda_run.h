/* SPDX-License-Identifier: MIT
 * Counting one GIL with libgilscope_cuda.so.
 */
#ifndef GS_ENGINE_CUDA_RUN_H
#define GS_ENGINE_CUDA_RUN_H

#include "analyzer/engine.h"
#include "analyzer/engine_cuda.h"

struct gs_cuda_library {
    const struct gs_cuda_engine *at; /* NULL: not there */
    struct gs_cuda *device;
    unsigned n_devices; /* of the machine; 0: not known */
};
/* Whether there is a library: $GILSCOPE_CUDA_ENGINE, else where it is installed. */
enum gs_status gs_cuda_library_find(struct gs_error *err);
/* Opens it and one of its devices, numbered from 0; n_devices stays when that fails. Not for
 * nothing: the driver takes some tenths of a second. Errors say what, why, and what to do. */
enum gs_status gs_cuda_library_open(struct gs_cuda_library *l, unsigned device,
                                    struct gs_error *err);
void gs_cuda_library_close(struct gs_cuda_library *l);
/* An error of the library's, in words. */
enum gs_status gs_cuda_library_error(const struct gs_cuda_library *l, enum gs_cuda_status status,
                                     struct gs_error *err);

/* As gs_engine_ops.run; but when it fails, nothing has been added to bins, *out is empty and the
 * library is to be closed. *sums: as it came from the device. */
enum gs_status gs_cuda_run(struct gs_cuda_library *l, const struct gs_engine_job *job,
                           const struct gs_bins *bins, struct gs_gil_result *out,
                           struct gs_cuda_sums *sums, struct gs_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * Names, sums and rankings over a profile's CUDA part that the JSON, the terminal and the findings
 * share.
 */
#ifndef GS_CUDA_TOTALS_H
#define GS_CUDA_TOTALS_H

#include "analyzer/profile.h"

extern const char *const gs_cuda_kind_keys[GS_N_CUDA_SHOWN]; /* "device" … */
const char *gs_cuda_source_text(enum gs_cuda_source source); /* "nvml", "meminfo", "unknown" */
const char *gs_cuda_loading_text(uint32_t loading);          /* "lazy", "eager", "unknown" */
/* "sync", or "op 77"; the caller frees, as for all that follow. */
char *gs_cuda_op_text(uint32_t op);
char *gs_cuda_kind_text(uint32_t kind);
/* As the record names it, or "call 77". */
char *gs_cuda_name_of(const struct gs_prof_cuda_call *call);
char *gs_cuda_call_text(const struct gs_prof_cuda *c, uint32_t call);

/* Of a device; 0: not known. */
uint64_t gs_cuda_total_of(const struct gs_prof_cuda *c, int64_t device);

struct gs_cuda_totals {         /* of the job */
    uint64_t processes;         /* that ever had a context */
    uint64_t contexts, devices; /* devices: distinct ones, that ever had a context */
    uint64_t context_bytes, live_bytes, peak_bytes;
    uint64_t sync_under_gil_ns, blamed_ns;
};
struct gs_cuda_totals gs_cuda_totals(const struct gs_profile *p);

/* A process's contexts on one device of a machine, whatever number it gives that device. */
struct gs_cuda_use {
    const char *hostname;
    const struct gs_prof_cuda_device *device;
    uint32_t process;
};
/* Those with contexts, by machine and device, then process; *n of them. */
struct gs_cuda_use *gs_cuda_uses(const struct gs_profile *p, size_t *n);
bool gs_cuda_is_same_device(const struct gs_cuda_use *a, const struct gs_cuda_use *b);

/* One process's rows in p->cuda_rows, by bytes at the peak, then live bytes; *n of them. */
struct gs_prof_cuda_row *gs_cuda_top_stacks(const struct gs_profile *p, size_t process, size_t *n);

#endif

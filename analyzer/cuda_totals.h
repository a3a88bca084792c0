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

struct gs_cuda_totals {         /* of the job */
    uint64_t processes;         /* that ever had a context */
    uint64_t contexts, devices; /* devices: distinct ones, that ever had a context */
    uint64_t context_bytes, live_bytes, peak_bytes;
    uint64_t sync_under_gil_ns, blamed_ns;
};
struct gs_cuda_totals gs_cuda_totals(const struct gs_profile *p);

/* A device of a machine, whatever number its processes give it. */
struct gs_cuda_machine_device {
    const char *hostname, *bus_id, *name;
    uint64_t processes, contexts, context_bytes, most_bytes; /* most: of one process */
};
/* Those that have contexts, by hostname and bus id; *n of them. */
struct gs_cuda_machine_device *gs_cuda_machine_devices(const struct gs_profile *p, size_t *n);

/* One process's rows in p->cuda_rows, by bytes at the peak, then live bytes; *n of them. */
struct gs_prof_cuda_row *gs_cuda_top_stacks(const struct gs_profile *p, size_t process, size_t *n);

#endif

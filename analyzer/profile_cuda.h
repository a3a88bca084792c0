/* SPDX-License-Identifier: MIT
 * What a profile says of one process's use of CUDA: the part of profile.h that is about the driver.
 * Sizes in bytes, times in ns since the process's start. Freed with the profile.
 */
#ifndef GS_PROFILE_CUDA_H
#define GS_PROFILE_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_CUDA_OOM_TOP 5

/* Kinds of memory, in the order they are shown: X(NAME, "key"). NAME as in GS_CUDA_KIND_LIST. */
#define GS_CUDA_SHOWN_LIST(X)                                                                      \
    X(DEVICE, "device")                                                                            \
    X(MANAGED, "managed")                                                                          \
    X(VMM, "vmm")                                                                                  \
    X(POOL, "pool")                                                                                \
    X(ARRAY, "array")                                                                              \
    X(HOST, "host")                                                                                \
    X(REGISTERED, "registered")                                                                    \
    X(GRAPH, "graph")                                                                              \
    X(IPC, "ipc")

enum gs_cuda_shown {
#define X(NAME, key) GS_CUDA_SHOWN_##NAME,
    GS_CUDA_SHOWN_LIST(X)
#undef X
        GS_N_CUDA_SHOWN
};
#define GS_N_CUDA_SAMPLED (GS_CUDA_SHOWN_HOST + 1) /* kinds in samples: the first ones */

/* Where the bytes of a context come from. */
enum gs_cuda_source { GS_CUDA_SOURCE_UNKNOWN, GS_CUDA_SOURCE_MEMINFO, GS_CUDA_SOURCE_NVML };

struct gs_prof_cuda_device {
    uint32_t device;
    char *name, *bus_id;
    uint64_t total_bytes;
    uint64_t n_contexts; /* that ever were; there was one from first_ns to last_ns */
    uint64_t first_ns, last_ns;
    uint64_t used_bytes;      /* at the last look at the machine; 0: there was none */
    uint64_t allocated_bytes; /* then, or at the end; without managed memory */
    uint64_t context_bytes;
    enum gs_cuda_source source;
    bool at_most; /* others may be in context_bytes */
};
struct gs_prof_cuda_context {
    uint32_t context, device, node;
    bool primary;
    uint64_t created_ns, create_ns; /* when; how long it took */
    int64_t ended_ns;               /* -1: it lived at the end */
    uint64_t context_bytes;
    enum gs_cuda_source source;
    bool at_most; /* others may be in context_bytes */
    uint64_t live_bytes, peak_bytes;
};
struct gs_prof_cuda_call { /* one function of the driver */
    uint32_t call, op;
    char *name; /* NULL: no record names it */
    uint64_t calls, failed, ns, held_calls, held_ns;
};
struct gs_prof_cuda_held { /* calls of one function by one stack that had the GIL */
    uint32_t node, call, op;
    bool not_sampled; /* short calls, which have no rows: of one op, call is nothing */
    uint64_t count, ns, held_ns, blamed_ns;
};
struct gs_prof_cuda_sample {
    uint64_t t_ns;
    uint64_t bytes[GS_N_CUDA_SAMPLED];
};
struct gs_prof_cuda_top {
    uint32_t node;
    uint64_t live_bytes;
};
struct gs_prof_cuda_oom {
    uint64_t t_ns, asked_bytes, live_bytes;
    uint32_t call, result, context, node, kind;
    int64_t device; /* -1: not known; then live_bytes is of all */
    struct gs_prof_cuda_top top[GS_CUDA_OOM_TOP];
    size_t n_top;
};
struct gs_prof_cuda_curve {
    uint32_t node;   /* 0: all others */
    uint64_t *bytes; /* one for each of curve_t_ns[] */
};

struct gs_prof_cuda {
    uint64_t driver_version;
    char *driver_path;
    uint32_t loading; /* enum gs_cuda_loading */
    char *no_cuda, *no_nvml;
    struct gs_prof_cuda_device *devices; /* by ordinal */
    size_t n_devices;
    struct gs_prof_cuda_context *contexts; /* by index */
    size_t n_contexts;
    uint64_t live_bytes, peak_bytes, peak_t_ns; /* of devices */
    uint64_t allocations, frees, failed;
    uint64_t by_kind[GS_N_CUDA_SHOWN], peak_by_kind[GS_N_CUDA_SHOWN];
    uint64_t modules_loaded, modules_unloaded, image_bytes;
    struct gs_prof_cuda_call *calls; /* longest first */
    size_t n_calls;
    uint64_t sync_ns, sync_under_gil_ns, sync_blamed_ns;
    uint64_t under_gil_ns, blamed_ns;
    uint64_t launches, launch_ns;
    struct gs_prof_cuda_held *held; /* most blamed first; those not sampled last */
    size_t n_held;
    struct gs_prof_cuda_oom *ooms; /* the first ones */
    size_t n_ooms;
    uint64_t oom_count;
    struct gs_prof_cuda_sample *samples;
    size_t n_samples;
    uint64_t *curve_t_ns;
    size_t n_curve;
    struct gs_prof_cuda_curve *curves; /* most at the peak first; all others last */
    size_t n_curves;
    uint64_t lost_rows, unknown_frees, untracked;
};

/* Memory of devices by the stack that allocated it. */
struct gs_prof_cuda_row {
    uint32_t process, node;
    uint64_t live_bytes, peak_bytes; /* peak: of it live at the process's peak */
    uint64_t allocations;
};
/* Calls that had the GIL, by stack; those that have no rows are "(not sampled)". */
struct gs_prof_cuda_held_row {
    uint32_t process, node;
    uint64_t held_ns, blamed_ns, count;
};

#endif

/* SPDX-License-Identifier: MIT
 * The driver's contexts and devices, as they come and go: filled by hooks, told by the drain
 * thread. A context's index counts from 1 and is never given twice.
 */
#ifndef GS_CUDA_CONTEXT_H
#define GS_CUDA_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/cuda_api.h"

#define GS_CUDA_DEVICES 64u
#define GS_CUDA_TEXT    96u

struct gs_cuda_driver {
    uint64_t t;
    uint32_t version, loading; /* 13000 is 13.0; enum gs_cuda_loading */
    char path[256];
};

struct gs_cuda_device {
    uint32_t state; /* 0 unknown, 1 being asked, 2 known */
    char name[GS_CUDA_TEXT], bus_id[GS_CUDA_TEXT];
    uint64_t total_bytes;
};

struct gs_cuda_context {
    void *handle;
    uint32_t device, flags;
    bool ended;
    bool asked; /* for free_after_bytes */
    uint32_t thread, stack;
    uint64_t born_t, died_t, duration;
    uint64_t free_before_bytes, free_after_bytes, total_bytes;
    uint32_t version;      /* +1 at each change, from 1 */
    uint32_t told_version; /* drain */
};

/* The calling thread's current context; 0: none. One never seen is taken note of. CTX: hooks. */
uint32_t gs_cuda_context_current(void);
/* The newest one with this handle that lives, or 0. */
uint32_t gs_cuda_context_of(const void *handle);
/* Who made it and how long that took: 0 where nobody knows. `free_before_bytes` 0: not asked. */
struct gs_cuda_birth {
    uint64_t t, duration, free_before_bytes;
    uint32_t thread, stack, flags;
};
/* `or_known`: if another thread is just adding this handle, that one is it, and no new one. */
uint32_t gs_cuda_context_add(void *handle, CUdevice device, const struct gs_cuda_birth *birth,
                             bool or_known);
/* Once, when it is current to the calling thread: asks what is free on its device now. */
void gs_cuda_context_measure(uint32_t context);
/* What is free on `device`, if a context of it is current; else 0. */
uint64_t gs_cuda_free_bytes_of(CUdevice device);
void gs_cuda_context_end(uint32_t context, uint64_t t);
/* The primary context of a device that we think alive, or 0; is_active asks the driver. */
uint32_t gs_cuda_primary_of(CUdevice device);
bool gs_cuda_primary_is_active(CUdevice device);
void gs_cuda_contexts_forget(void); /* forked child */

/* For the drain thread. */
uint32_t gs_cuda_n_contexts(void);    /* greatest index */
bool gs_cuda_has_more_contexts(void); /* than are told apart */
struct gs_cuda_context *gs_cuda_context_at(uint32_t context);
const struct gs_cuda_device *gs_cuda_device_at(uint32_t device); /* NULL: not known */
const struct gs_cuda_driver *gs_cuda_driver(void);               /* NULL: no context yet */

#endif

/* SPDX-License-Identifier: MIT
 * What lives of the driver's memory: address -> who and how much, and exact sums by context and
 * kind. Fixed size, lock-free, mapped when the driver is first met, touched only as used.
 */
#ifndef GS_CUDA_LIVE_H
#define GS_CUDA_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/trace/trace_format.h"

#define GS_CUDA_PLACES   (1u << 17)
#define GS_CUDA_PROBES   64u
#define GS_CUDA_SLOTS    (GS_CUDA_PLACES + GS_CUDA_PROBES)
#define GS_CUDA_CONTEXTS 4096u /* index 0: none, or one too many */
#define GS_CUDA_KINDS    11u

/* Names of different kinds may be equal numbers. */
enum gs_cuda_space {
    GS_SPACE_DEVICE,  /* addresses that cuMemFree() or cuMemFreeAsync() takes */
    GS_SPACE_HOST,    /* cuMemFreeHost() */
    GS_SPACE_PINNED,  /* cuMemHostUnregister() */
    GS_SPACE_ARRAY,   /* arrays' handles */
    GS_SPACE_MODULE,  /* modules' and libraries' */
    GS_SPACE_VMM,     /* handles of cuMemCreate() */
    GS_SPACE_MAPPING, /* addresses where one is mapped */
    GS_SPACE_NAMELESS /* slots of those whose handle is gone */
};

struct gs_cuda_block {
    uint64_t t, seq, bytes;
    uint64_t address; /* as in its row */
    uint32_t thread, stack;
    uint16_t context;
    uint8_t kind; /* enum gs_cuda_kind; NONE: a mapping */
    uint8_t call;
    uint32_t refs;  /* VMM: names and mappings */
    uint32_t names; /* VMM: how often the program has to release it */
    uint32_t slot;  /* of the VMM block that a mapping shows */
};

struct gs_cuda_sums {
    uint64_t allocs, frees, failed, live_bytes, peak_bytes;
};

/* False when memory is refused. CTX: any; once is enough. */
bool gs_cuda_live_init(void);
void gs_cuda_live_forget(void); /* forked child */

/* False when there is no room: counted, and its free will be unknown. */
bool gs_cuda_live_put(enum gs_cuda_space space, uint64_t name, const struct gs_cuda_block *b);
/* Takes it out, before it is freed. */
bool gs_cuda_live_take(enum gs_cuda_space space, uint64_t name, struct gs_cuda_block *out);
/* In place; NULL: not there. Stays valid while the program keeps the name. */
struct gs_cuda_block *gs_cuda_live_find(enum gs_cuda_space space, uint64_t name);
uint32_t gs_cuda_live_slot(const struct gs_cuda_block *b);
/* One mapping more or less of a VMM block. hold(): false when it is gone. drop(): the last
 * reference went, and `out` is what lived. */
bool gs_cuda_live_hold(uint32_t slot);
bool gs_cuda_live_drop(uint32_t slot, struct gs_cuda_block *out);
/* The program releases a handle, which it holds once more or less often than before. With the last
 * time the handle may come again as another's, while mappings keep the memory: the block goes on
 * without it. The reference itself is for drop(), when the driver has agreed. */
void gs_cuda_live_unname(uint32_t slot);
void gs_cuda_live_name_again(uint32_t slot, uint64_t handle);
/* Everything of a context that goes with it; its bytes on devices. */
uint64_t gs_cuda_live_end_context(uint32_t context);
/* The block in a slot, if one lives there now. CTX: drain. */
bool gs_cuda_live_read(uint32_t slot, struct gs_cuda_block *out);

/* The sums: of context and kind, and of all memory of devices. */
void gs_cuda_sum_alloc(uint32_t context, unsigned kind, uint64_t bytes);
void gs_cuda_sum_free(uint32_t context, unsigned kind, uint64_t bytes);
void gs_cuda_sum_failed(uint32_t context, unsigned kind);
const struct gs_cuda_sums *gs_cuda_sums_of(uint32_t context, unsigned kind);
const struct gs_cuda_sums *gs_cuda_sums_of_devices(void); /* live_bytes and peak_bytes only */
uint64_t gs_cuda_untracked(void);                         /* blocks that found no room */

static inline bool gs_cuda_is_device_kind(unsigned kind)
{
    return kind >= GS_CUDA_KIND_DEVICE && kind <= GS_CUDA_KIND_ARRAY;
}

#endif

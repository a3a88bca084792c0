/* SPDX-License-Identifier: MIT
 * What calls of the driver do to memory: the frame of every wrapper that allocates or frees.
 */
#ifndef GS_CUDA_EFFECTS_H
#define GS_CUDA_EFFECTS_H

#include <errno.h>

#include "preload/cuda_live.h"
#include "preload/cuda_span.h"

/* Ends a call that was to make `bytes` live under `name`. */
void gs_cuda_end_alloc(struct gs_cuda_span *s, CUresult rc, enum gs_cuda_space space,
                       enum gs_cuda_kind kind, uint64_t name, uint64_t bytes);

struct gs_cuda_freeing {
    struct gs_cuda_span span;
    struct gs_cuda_block block;
    enum gs_cuda_space space;
    enum gs_cuda_kind kind; /* as far as the function tells */
    uint64_t name;
    bool known; /* block is what lived there */
};
/* Before the call: another thread may get the same memory before we are back. */
bool gs_cuda_begin_free(struct gs_cuda_freeing *f, enum gs_cuda_call call, enum gs_cuda_space space,
                        enum gs_cuda_kind kind, uint64_t name);
void gs_cuda_end_free(struct gs_cuda_freeing *f, CUresult rc);

/* What a call wrote there. That it has succeeded is the driver's word only. */
#define GS_CUDA_AT(p) ((p) ? (uint64_t) * (p) : 0)

/* The bodies of wrappers; errno is the driver's business. What `name` and `bytes` say of results is
 * evaluated where the call has succeeded. */
#define GS_CUDA_ALLOCATES(symbol, args, space, kind, name, bytes)                                  \
    do {                                                                                           \
        struct gs_cuda_span s;                                                                     \
        bool on = gs_cuda_begin(&s, GS_CUDA_##symbol);                                             \
        CUresult rc = GS_CUDA_REAL(symbol) args;                                                   \
        int saved = errno;                                                                         \
        if (on)                                                                                    \
            gs_cuda_end_alloc(&s, rc, space, GS_CUDA_KIND_##kind, rc ? 0 : (uint64_t)(name),       \
                              bytes);                                                              \
        errno = saved;                                                                             \
        return rc;                                                                                 \
    } while (0)

#define GS_CUDA_FREES(symbol, args, space, kind, name)                                             \
    do {                                                                                           \
        struct gs_cuda_freeing f;                                                                  \
        bool on = gs_cuda_begin_free(&f, GS_CUDA_##symbol, space, GS_CUDA_KIND_##kind,             \
                                     (uint64_t)(name));                                            \
        CUresult rc = GS_CUDA_REAL(symbol) args;                                                   \
        int saved = errno;                                                                         \
        if (on)                                                                                    \
            gs_cuda_end_free(&f, rc);                                                              \
        errno = saved;                                                                             \
        return rc;                                                                                 \
    } while (0)

#endif

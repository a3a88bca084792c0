/* SPDX-License-Identifier: MIT
 * Which of the driver's functions are wrapped, what stands behind each wrapper, and what a program
 * gets that asks for one: by dlsym(), by cuGetProcAddress(), or by linking against libcuda.
 */
#ifndef GS_CUDA_LOOKUP_H
#define GS_CUDA_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/cuda_api.h"

enum gs_cuda_call {
#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params) GS_CUDA_##symbol,
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL
    GS_CUDA_CALLS
};

/* The wrappers: exported, so that programs linked against libcuda come here first. */
#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params)                                  \
    __attribute__((visibility("default"))) CUresult symbol params;
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL

/* What the agent itself asks the driver, never what changes anything. */
#define GS_CUDA_QUESTIONS(X)                                                                       \
    X(cuCtxGetCurrent, (CUcontext * ctx))                                                          \
    X(cuCtxGetDevice, (CUdevice * dev))                                                            \
    X(cuDeviceGetName, (char *name, int len, CUdevice dev))                                        \
    X(cuDeviceGetPCIBusId, (char *id, int len, CUdevice dev))                                      \
    X(cuDevicePrimaryCtxGetState, (CUdevice dev, unsigned *flags, int *active))                    \
    X(cuDeviceTotalMem_v2, (size_t * bytes, CUdevice dev))                                         \
    X(cuDriverGetVersion, (int *version))                                                          \
    X(cuMemGetInfo_v2, (size_t * free_bytes, size_t * total_bytes))                                \
    X(cuModuleGetLoadingMode, (int *mode))

struct gs_cuda_questions {
    const char *path; /* of the library */
#define X(symbol, params) CUresult(*symbol) params;
    GS_CUDA_QUESTIONS(X)
#undef X
};

extern const char *const gs_cuda_symbols[GS_CUDA_CALLS]; /* what the driver exports */
extern const uint8_t gs_cuda_ops[GS_CUDA_CALLS];         /* enum gs_cuda_op */
extern void *gs_cuda_reals[GS_CUDA_CALLS] __attribute__((visibility("hidden")));

/* Looks for it behind us; without it, a function that answers CUDA_ERROR_STUB_LIBRARY. CTX: hooks
 * of CUDA. */
void *gs_cuda_find_real(enum gs_cuda_call call);

static inline void *gs_cuda_real(enum gs_cuda_call call)
{
    void *f = __atomic_load_n(&gs_cuda_reals[call], __ATOMIC_RELAXED);
    return __builtin_expect(f != NULL, 1) ? f : gs_cuda_find_real(call);
}
#define GS_CUDA_REAL(symbol) ((__typeof__(&symbol))gs_cuda_real(GS_CUDA_##symbol))

/* NULL members: the driver has no such function. CTX: as above. */
const struct gs_cuda_questions *gs_cuda_ask(void);

/* What dlsym() answers, if it is about the driver; else `answered` is 0, and dlsym() goes on as if
 * we were not there. `caller` is where it returns to. CTX: the program's own call of dlsym(). */
struct gs_dlsym_answer {
    void *symbol;
    uint64_t answered;
} gs_cuda_dlsym(void *handle, const char *name, const void *caller)
    __attribute__((visibility("hidden")));

/* What cuGetProcAddress(name, ..., version, flags), which gave `real`, is to give. `ask_again`
 * asks it the same for another version. CTX: hooks of CUDA. */
void *gs_cuda_wrapper_of(const char *name, int version, uint64_t flags, void *real,
                         void *(*ask_again)(const char *name, int version, uint64_t flags));

#endif

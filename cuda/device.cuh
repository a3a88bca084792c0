/* SPDX-License-Identifier: MIT
 * What every kernel file begins with. The same source is compiled by nvcc and, as plain C++17 with
 * tests/simt/simt.h included before it, for the emulator; the few words in which the two differ are
 * here: launches, shared arrays, the type of 64-bit atomics.
 */
#ifndef GS_DEVICE_CUH
#define GS_DEVICE_CUH

#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#define GS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                  \
    kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#define GS_SHARED(type, name, count) __shared__ type name[count]
#define GS_SHARED_DYNAMIC(type, name)                                                              \
    extern __shared__ __align__(16) unsigned char gs_dynamic_shared[];                             \
    type *const name = reinterpret_cast<type *>(gs_dynamic_shared)
template <class T> using gs_shared = T *; /* into a shared array */
#elif !defined(GS_SIMT)
#error "kernels are compiled by nvcc, or with -include tests/simt/simt.h"
#endif

/* The format's headers are C: a function may be named as a struct there. */
#define _Static_assert static_assert
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "preload/trace/trace_codec.h"
}
#pragma GCC diagnostic pop

/* uint64_t is unsigned long on Linux; CUDA's atomics know the other 64-bit type. */
typedef unsigned long long gs_u64;
static_assert(sizeof(gs_u64) == sizeof(uint64_t), "64 bits");

#define GS_FULL_WARP 0xffffffffu

/* The first error of the CUDA runtime goes up to the caller. */
#define GS_TRY(call)                                                                               \
    do {                                                                                           \
        cudaError_t status_ = (call);                                                              \
        if (status_ != cudaSuccess)                                                                \
            return status_;                                                                        \
    } while (0)

/* Blocks of `size` threads for n items; no launch may be empty. */
inline unsigned gs_blocks_for(size_t n, unsigned size)
{
    return n ? (unsigned)((n + size - 1) / size) : 1;
}

__device__ inline size_t gs_global_thread()
{
    return (size_t)blockIdx.x * blockDim.x + threadIdx.x;
}

#endif

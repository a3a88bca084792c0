/* SPDX-License-Identifier: MIT
 * The replay is written once: replay_host.c compiles it for the CPU, cuda/replay.cu for a GPU. So
 * it is C that C++ reads in the same way, without calls of any library but memset(). Private.
 */
#ifndef GS_WHATIF_HOST_DEVICE_H
#define GS_WHATIF_HOST_DEVICE_H

#if defined(__CUDACC__)
#define GS__HD       static inline __host__ __device__
#define GS__HD_INNER static __host__ __device__ __forceinline__ /* of the innermost loop */
#else
#define GS__HD       static inline
#define GS__HD_INNER static inline __attribute__((always_inline))
#endif

#endif

/* SPDX-License-Identifier: MIT
 * A SIMT machine for tests: a .cu file compiled as plain C++17 with this header included first
 * (-include) runs on the host. One block after another; the threads of a block are fibers, which go
 * on one at a time, in an order that a seed decides, from one barrier to the next.
 *
 * What hardware would answer with a wrong number is a fault here: races and bad indexes in shared
 * memory (simt_shared.h), barriers that not all threads reach, warp operations that name threads
 * which do not take part. The first fault ends the launch.
 */
#ifndef GS_SIMT_H
#define GS_SIMT_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

#define GS_SIMT 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};
struct uint3 {
    unsigned x, y, z;
};
extern uint3 threadIdx, blockIdx; /* of the thread that runs just now */
extern dim3 blockDim, gridDim;
static const int warpSize = 32;

#include "simt_runtime.h"

namespace gs
{
namespace simt
{
/* ---- for tests ---- */
void set_seed(uint64_t seed);
/* The first fault since the last call, "" where there was none. A fault that nobody takes before
 * the next launch ends the program. */
std::string take_fault();

/* ---- for the names below ---- */
struct site { /* where in the source a thread stands */
    const char *file;
    int line;
};
bool launch(const char *name, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            const std::function<void()> &body);
template <class K, class... A> /* arguments are copied, once for all and once per thread */
void launch_kernel(K kernel, const char *name, dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, A... args)
{
    launch(name, grid, block, shared_bytes, stream, [&]() { kernel(args...); });
}
[[noreturn]] void fault(const std::string &text); /* in a kernel */
void maybe_yield();                               /* others may go first, as the seed says */
void block_barrier(site at);

enum class warp_op { sync, shfl, shfl_up, shfl_down, shfl_xor, ballot, any, all, match_any };
struct warp_call {
    warp_op op;
    unsigned mask;
    uint64_t value;
    unsigned arg, width; /* of shuffles */
    site at;
};
uint64_t warp_exchange(const warp_call &call);

template <class T> uint64_t to_bits(T v)
{
    static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8),
                  "a type that CUDA's warp operations know");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof(v));
    return bits;
}
template <class T> T from_bits(uint64_t bits)
{
    T v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}
template <class T> T shuffle(warp_op op, unsigned mask, T v, unsigned arg, int width, site at)
{
    return from_bits<T>(warp_exchange({op, mask, to_bits(v), arg, (unsigned)width, at}));
}
} // namespace simt
} // namespace gs

#include "simt_shared.h"

#define GS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                  \
    gs::simt::launch_kernel(kernel, #kernel, grid, block, shared_bytes, stream, __VA_ARGS__)

#define GS_SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define GS_SIMT_HERE                                                                               \
    gs::simt::site                                                                                 \
    {                                                                                              \
        file, line                                                                                 \
    }

inline void __syncthreads(GS_SIMT_SITE)
{
    gs::simt::block_barrier(GS_SIMT_HERE);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, GS_SIMT_SITE)
{
    gs::simt::warp_exchange({gs::simt::warp_op::sync, mask, 0, 0, 32, GS_SIMT_HERE});
}
template <class T> T __shfl_sync(unsigned mask, T v, int lane, int width = warpSize, GS_SIMT_SITE)
{
    return gs::simt::shuffle(gs::simt::warp_op::shfl, mask, v, (unsigned)lane, width, GS_SIMT_HERE);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = warpSize, GS_SIMT_SITE)
{
    return gs::simt::shuffle(gs::simt::warp_op::shfl_up, mask, v, by, width, GS_SIMT_HERE);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = warpSize, GS_SIMT_SITE)
{
    return gs::simt::shuffle(gs::simt::warp_op::shfl_down, mask, v, by, width, GS_SIMT_HERE);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = warpSize, GS_SIMT_SITE)
{
    return gs::simt::shuffle(gs::simt::warp_op::shfl_xor, mask, v, (unsigned)bits, width,
                             GS_SIMT_HERE);
}
inline unsigned __ballot_sync(unsigned mask, int pred, GS_SIMT_SITE)
{
    return (unsigned)gs::simt::warp_exchange(
        {gs::simt::warp_op::ballot, mask, pred != 0, 0, 32, GS_SIMT_HERE});
}
inline int __any_sync(unsigned mask, int pred, GS_SIMT_SITE)
{
    return (int)gs::simt::warp_exchange(
        {gs::simt::warp_op::any, mask, pred != 0, 0, 32, GS_SIMT_HERE});
}
inline int __all_sync(unsigned mask, int pred, GS_SIMT_SITE)
{
    return (int)gs::simt::warp_exchange(
        {gs::simt::warp_op::all, mask, pred != 0, 0, 32, GS_SIMT_HERE});
}
template <class T> unsigned __match_any_sync(unsigned mask, T v, GS_SIMT_SITE)
{
    return (unsigned)gs::simt::warp_exchange(
        {gs::simt::warp_op::match_any, mask, gs::simt::to_bits(v), 0, 32, GS_SIMT_HERE});
}

/* ---- arithmetic ---- */
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline int __clzll(long long v)
{
    return v ? __builtin_clzll((unsigned long long)v) : 64;
}
inline int __popc(unsigned v)
{
    return __builtin_popcount(v);
}
inline int __ffs(int v)
{
    return __builtin_ffs(v);
}
#define GS_SIMT_MIN_MAX(T)                                                                         \
    inline T min(T a, T b)                                                                         \
    {                                                                                              \
        return b < a ? b : a;                                                                      \
    }                                                                                              \
    inline T max(T a, T b)                                                                         \
    {                                                                                              \
        return a < b ? b : a;                                                                      \
    }
GS_SIMT_MIN_MAX(int)
GS_SIMT_MIN_MAX(unsigned)
GS_SIMT_MIN_MAX(long long)
GS_SIMT_MIN_MAX(unsigned long long)

#endif

/* SPDX-License-Identifier: MIT
 * All that the kernels take from CUB. Temporary memory is carved from a workspace that the caller
 * gives: first asked for its size (no memory), then used.
 */
#ifndef GS_PRIMITIVES_CUH
#define GS_PRIMITIVES_CUH

#include <cub/cub.cuh>

#include "cuda/device.cuh"

/* Gives out pieces of a workspace, aligned to 256 bytes. Without memory it only counts. */
struct gs_carver {
    char *base;
    size_t used, size;

    void *take(size_t bytes)
    {
        void *p = base ? base + used : NULL;
        used += (bytes + 255) / 256 * 256;
        return p;
    }
    template <class T> T *array(size_t n)
    {
        return static_cast<T *>(take(n * sizeof(T)));
    }
    bool fits() const
    {
        return !base || used <= size;
    }
};

struct gs_greatest {
    __device__ __host__ gs_u64 operator()(gs_u64 a, gs_u64 b) const
    {
        return a < b ? b : a;
    }
};

/* Calls `call(temp, temp_bytes)` as CUB wants it: for its size, then with memory from the carver.
 */
template <class F> cudaError_t gs_with_temp(gs_carver *work, F call)
{
    size_t bytes = 0;
    cudaError_t status = call(static_cast<void *>(NULL), bytes);
    if (status != cudaSuccess)
        return status;
    void *temp = work->take(bytes);
    if (!work->base)
        return cudaSuccess;
    return work->fits() ? call(temp, bytes) : cudaErrorInvalidValue;
}

/* Stable, by bits [0, end_bit) of the key. */
inline cudaError_t gs_sort_pairs(gs_carver *work, const gs_u64 *keys_in, gs_u64 *keys_out,
                                 const uint32_t *values_in, uint32_t *values_out, size_t n,
                                 int end_bit, cudaStream_t stream)
{
    return gs_with_temp(work, [=](void *temp, size_t &bytes) {
        return cub::DeviceRadixSort::SortPairs(temp, bytes, keys_in, keys_out, values_in,
                                               values_out, n, 0, end_bit, stream);
    });
}

template <class T>
cudaError_t gs_inclusive_sum(gs_carver *work, const T *in, T *out, size_t n, cudaStream_t stream)
{
    return gs_with_temp(work, [=](void *temp, size_t &bytes) {
        return cub::DeviceScan::InclusiveSum(temp, bytes, in, out, n, stream);
    });
}

inline cudaError_t gs_inclusive_max(gs_carver *work, const gs_u64 *in, gs_u64 *out, size_t n,
                                    cudaStream_t stream)
{
    return gs_with_temp(work, [=](void *temp, size_t &bytes) {
        return cub::DeviceScan::InclusiveScan(temp, bytes, in, out, gs_greatest(), n, stream);
    });
}

/* Those of in[] whose flag is set, in their order; *n_out of them. */
inline cudaError_t gs_select_flagged(gs_carver *work, const uint32_t *in, const uint8_t *flags,
                                     uint32_t *out, uint32_t *n_out, size_t n, cudaStream_t stream)
{
    return gs_with_temp(work, [=](void *temp, size_t &bytes) {
        return cub::DeviceSelect::Flagged(temp, bytes, in, flags, out, n_out, n, stream);
    });
}

#endif

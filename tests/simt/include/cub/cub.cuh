/* SPDX-License-Identifier: MIT
 * Stands in for CUB where kernels run in the emulator: the contract of the calls that
 * cuda/primitives.cuh makes, on the host. A call without temporary memory only says how much it
 * wants; one with too little, or with input and output that overlap where CUB forbids it, fails.
 * Temporary memory is scribbled over, as nothing in it may be relied on.
 */
#ifndef GS_SIMT_CUB_CUH
#define GS_SIMT_CUB_CUH

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

namespace gs
{
namespace simt
{
/* true: it was only asked for the size, or fails; *status says which. */
template <class N> bool only_asked(void *temp, size_t &temp_bytes, N n, cudaError_t *status)
{
    const size_t wants = 64 + (size_t)n;
    *status = cudaSuccess;
    if (!temp) {
        temp_bytes = wants;
        return true;
    }
    if (temp_bytes < wants) {
        *status = cudaErrorInvalidValue;
        return true;
    }
    memset(temp, 0x5a, temp_bytes);
    return false;
}

template <class A, class B, class N> bool overlap(const A *a, const B *b, N n)
{
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return n > 0 && x < y + (size_t)n * sizeof(B) && y < x + (size_t)n * sizeof(A);
}
} // namespace simt
} // namespace gs

namespace cub
{
struct DeviceRadixSort {
    /* Stable, by bits [begin_bit, end_bit) of unsigned keys. */
    template <class K, class V, class N>
    static cudaError_t SortPairs(void *temp, size_t &temp_bytes, const K *keys_in, K *keys_out,
                                 const V *values_in, V *values_out, N n, int begin_bit = 0,
                                 int end_bit = 8 * sizeof(K), cudaStream_t = nullptr)
    {
        static_assert(std::is_unsigned<K>::value, "keys");
        cudaError_t status;
        if (gs::simt::only_asked(temp, temp_bytes, n, &status))
            return status;
        if (gs::simt::overlap(keys_in, keys_out, n) || gs::simt::overlap(values_in, values_out, n))
            return cudaErrorInvalidValue;
        std::vector<size_t> order((size_t)n), next((size_t)n);
        std::iota(order.begin(), order.end(), 0);
        for (int bit = begin_bit; bit < end_bit; bit++) {
            size_t kept = 0;
            for (unsigned want = 0; want < 2; want++)
                for (size_t i : order)
                    if ((keys_in[i] >> bit & 1) == want)
                        next[kept++] = i;
            order.swap(next);
        }
        for (size_t i = 0; i < (size_t)n; i++) {
            keys_out[i] = keys_in[order[i]];
            values_out[i] = values_in[order[i]];
        }
        return cudaSuccess;
    }
};

struct DeviceScan { /* input and output may be the same */
    template <class I, class O, class F, class N>
    static cudaError_t InclusiveScan(void *temp, size_t &temp_bytes, const I *in, O *out, F f, N n,
                                     cudaStream_t = nullptr)
    {
        cudaError_t status;
        if (gs::simt::only_asked(temp, temp_bytes, n, &status))
            return status;
        for (N i = 0; i < n; i++)
            out[i] = i ? f(out[i - 1], in[i]) : (O)in[i];
        return cudaSuccess;
    }
    template <class I, class O, class N>
    static cudaError_t InclusiveSum(void *temp, size_t &temp_bytes, const I *in, O *out, N n,
                                    cudaStream_t stream = nullptr)
    {
        return InclusiveScan(
            temp, temp_bytes, in, out, [](O a, I b) { return (O)(a + b); }, n, stream);
    }
};

struct DeviceSelect { /* those with a flag, in their order */
    template <class I, class B, class O, class C, class N>
    static cudaError_t Flagged(void *temp, size_t &temp_bytes, const I *in, const B *flags, O *out,
                               C *n_out, N n, cudaStream_t = nullptr)
    {
        cudaError_t status;
        if (gs::simt::only_asked(temp, temp_bytes, n, &status))
            return status;
        if (gs::simt::overlap(in, out, n))
            return cudaErrorInvalidValue;
        C kept = 0;
        for (N i = 0; i < n; i++)
            if (flags[i])
                out[kept++] = in[i];
        *n_out = kept;
        return cudaSuccess;
    }
};
} // namespace cub

#endif

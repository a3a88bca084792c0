/* SPDX-License-Identifier: MIT
 * What the tests of the kernels share.
 */
#ifndef GS_SIMT_TEST_H
#define GS_SIMT_TEST_H

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "cuda/device.cuh"

/* Orders in which the threads of a block run: each test is run under all of them. */
static const uint64_t SEEDS[] = {1, 2, 20260704};

struct test_random {
    uint64_t state;

    explicit test_random(uint64_t seed) : state(seed)
    {
    }
    uint64_t next()
    {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    uint64_t below(uint64_t n)
    {
        return next() % n;
    }
    uint64_t of_width(unsigned bits) /* 0 to 2^bits - 1 */
    {
        return bits ? next() >> (64 - bits) : 0;
    }
};

inline void assert_ran(cudaError_t status)
{
    std::string fault = gs::simt::take_fault();
    if (!fault.empty())
        fail_msg("%s", fault.c_str());
    assert_int_equal(status, cudaSuccess);
}

inline void assert_fault(const char *part_of_text)
{
    std::string fault = gs::simt::take_fault();
    if (fault.find(part_of_text) == std::string::npos)
        fail_msg("a fault with '%s' was due, not '%s'", part_of_text, fault.c_str());
    assert_int_equal(cudaGetLastError(), cudaErrorLaunchFailure);
}

template <class T> void assert_same(const std::vector<T> &got, const std::vector<T> &want)
{
    assert_int_equal(got.size(), want.size());
    for (size_t i = 0; i < got.size(); i++)
        if (got[i] != want[i])
            fail_msg("[%zu] is %llu, not %llu", i, (unsigned long long)got[i],
                     (unsigned long long)want[i]);
}

#endif

/* SPDX-License-Identifier: MIT
 * The emulator's runtime where there are several devices: what is whose, and what it refuses.
 */
#include <cstdlib>

#include "tests/simt/simt_test.h"

static __global__ void k_set(unsigned *at, unsigned value)
{
    *at = value;
}

struct device {
    cudaStream_t stream;
    cudaEvent_t event;
    void *memory;
};

static device open_device(int number, size_t bytes)
{
    device d = {};
    assert_ran(cudaSetDevice(number));
    assert_ran(cudaStreamCreateWithFlags(&d.stream, cudaStreamNonBlocking));
    assert_ran(cudaEventCreateWithFlags(&d.event, cudaEventDisableTiming));
    assert_ran(cudaMalloc(&d.memory, bytes));
    return d;
}

static void close_device(const device &d)
{
    assert_ran(cudaFree(d.memory));
    assert_ran(cudaEventDestroy(d.event));
    assert_ran(cudaStreamDestroy(d.stream));
}

static void devices_are_told_apart(void **state)
{
    unsigned value = 0;
    (void)state;
    setenv("GILSCOPE_SIMT_DEVICES", "2", 1);
    device a = open_device(0, 64), b = open_device(1, 64); /* 1 is the current one */
    unsigned *at_a = static_cast<unsigned *>(a.memory), *at_b = static_cast<unsigned *>(b.memory);
    assert_int_equal(cudaSetDevice(2), cudaErrorInvalidDevice);
    GS_LAUNCH(k_set, 1, 1, 0, b.stream, at_b, 7u);
    assert_ran(cudaGetLastError());
    GS_LAUNCH(k_set, 1, 1, 0, a.stream, at_a, 7u);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaEventRecord(a.event, b.stream), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaMemsetAsync(at_a, 0, 4, b.stream), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpyAsync(&value, at_a, 4, cudaMemcpyDeviceToHost, b.stream),
                     cudaErrorInvalidValue);
    assert_ran(cudaMemcpyAsync(&value, at_b, 4, cudaMemcpyDeviceToHost, b.stream));
    assert_int_equal(value, 7);
    close_device(a);
    close_device(b);
}

static void each_has_its_memory(void **state)
{
    size_t available = 0, total = 0;
    (void)state;
    setenv("GILSCOPE_SIMT_DEVICES", "2", 1);
    setenv("GILSCOPE_SIMT_MEMORY", "1000", 1);
    device a = open_device(0, 900), b = open_device(1, 300);
    assert_ran(cudaMemGetInfo(&available, &total));
    assert_int_equal(available, 700);
    assert_ran(cudaSetDevice(0));
    assert_ran(cudaMemGetInfo(&available, &total));
    assert_int_equal(available, 100);
    close_device(a);
    close_device(b);
    unsetenv("GILSCOPE_SIMT_MEMORY");
}

static void a_call_fails_on_the_device_that_is_named(void **state)
{
    void *at = NULL;
    (void)state;
    setenv("GILSCOPE_SIMT_DEVICES", "2", 1);
    setenv("GILSCOPE_SIMT_FAIL", "cudaMalloc@1:2=2", 1);
    for (int device = 0; device < 2; device++)
        for (int call = 1; call <= 3; call++) {
            cudaError_t want = device && call > 1 ? cudaErrorMemoryAllocation : cudaSuccess;
            assert_ran(cudaSetDevice(device));
            assert_int_equal(cudaMalloc(&at, 8), want);
            if (want == cudaSuccess)
                assert_ran(cudaFree(at));
        }
    unsetenv("GILSCOPE_SIMT_FAIL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_told_apart),
        cmocka_unit_test(each_has_its_memory),
        cmocka_unit_test(a_call_fails_on_the_device_that_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

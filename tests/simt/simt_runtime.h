/* SPDX-License-Identifier: MIT
 * As much of the CUDA runtime as cuda/ calls, for the emulator. Device memory is the host's, filled
 * with a pattern. A copy to or from pinned memory happens as late as it may: when its stream is
 * waited for, or goes on with a kernel. So who does not wait reads old bytes here, as it may on a
 * device.
 *
 * Devices know which memory, streams and events are theirs, and a call that mixes two of them
 * fails; any thread may call, one at a time is served.
 *
 * Environment, looked at by each call: GILSCOPE_SIMT_MEMORY, bytes of a device (default 1 GiB);
 * GILSCOPE_SIMT_DEVICES, how many there are (default 1); GILSCOPE_SIMT_FAIL=NAME[@DEVICE][:N]=CODE,
 * the N-th call of NAME (for that device) since the variable was set, and all that follow, fail
 * with the number CODE; NAME launch is any kernel.
 */
#ifndef GS_SIMT_RUNTIME_H
#define GS_SIMT_RUNTIME_H

typedef struct gs_simt_stream *cudaStream_t;
typedef struct gs_simt_event *cudaEvent_t;
enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorNotReady = 600,
    cudaErrorLaunchFailure = 719
};
enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice
};
struct cudaDeviceProp {
    char name[256];
};
enum {
    cudaStreamNonBlocking = 1,
    cudaEventDefault = 0,
    cudaEventDisableTiming = 2,
    cudaHostAllocDefault = 0
};

cudaError_t cudaGetLastError(); /* of the last launch; reading it clears it, as in CUDA */
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *at);
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *at);
cudaError_t cudaMemsetAsync(void *at, int byte, size_t n, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaEventDestroy(cudaEvent_t event);

namespace gs
{
namespace simt
{
/* Before a kernel: what the stream has been asked for is done. How the launch is to fail. */
cudaError_t before_launch(cudaStream_t stream);
} // namespace simt
} // namespace gs

#endif

/* SPDX-License-Identifier: MIT */
#include "tests/simt/simt.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "tests/simt/simt_machine.h"

struct gs_simt_stream {
    int device;
    struct copy {
        char *to;
        const char *from;
        size_t bytes;
    };
    std::vector<copy> late;
};
struct gs_simt_event {
    int device;
    cudaStream_t stream; /* NULL: never recorded */
    size_t n_copies;     /* that were asked for before */
    size_t serial;       /* of the stream's first late copy then */
};

namespace
{
const size_t DEFAULT_MEMORY = 1u << 30;
const unsigned char PATTERN = 0xdb;

struct block {
    size_t bytes;
    int device;
};
typedef std::map<void *, block> blocks;

blocks device_memory, pinned_memory;
std::map<std::string, unsigned> calls;
std::map<cudaStream_t, size_t> done; /* copies of each stream that have happened */
std::map<int, size_t> used_bytes;
thread_local int current = 0; /* device */

size_t number_of(const char *variable, size_t otherwise)
{
    const char *text = getenv(variable);
    return text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

size_t memory_bytes()
{
    return number_of("GILSCOPE_SIMT_MEMORY", DEFAULT_MEMORY);
}

int n_devices()
{
    return (int)number_of("GILSCOPE_SIMT_DEVICES", 1);
}

/* cudaSuccess, or how the call is to fail. */
cudaError_t injected(const std::string &name)
{
    static std::string last;
    const char *text = getenv("GILSCOPE_SIMT_FAIL");
    char which[64];
    unsigned n = 1, code = 0;
    if (last != (text ? text : ""))
        calls.clear();
    last = text ? text : "";
    std::string here = name + "@" + std::to_string(current);
    unsigned call = ++calls[name], call_here = ++calls[here];
    if (sscanf(last.c_str(), "%63[^:=]:%u=%u", which, &n, &code) != 3 &&
        sscanf(last.c_str(), "%63[^:=]=%u", which, &code) != 2)
        return cudaSuccess;
    bool fails = (which == name && call >= n) || (which == here && call_here >= n);
    return fails ? (cudaError_t)code : cudaSuccess;
}

#define LOCKED std::lock_guard<std::recursive_mutex> locked(gs::simt::lock())
#define MAY_FAIL(name)                                                                             \
    LOCKED;                                                                                        \
    do {                                                                                           \
        cudaError_t e = injected(name);                                                            \
        if (e != cudaSuccess)                                                                      \
            return e;                                                                              \
    } while (0)

const block *find(const blocks &all, const void *at)
{
    auto next = all.upper_bound(const_cast<void *>(at));
    if (next == all.begin())
        return NULL;
    --next;
    return (const char *)at < (char *)next->first + next->second.bytes ? &next->second : NULL;
}

bool is_of(cudaStream_t stream, const void *at)
{
    const block *b = find(device_memory, at);
    return b && b->device == stream->device;
}

/* The first n of the late copies. */
void catch_up(cudaStream_t stream, size_t n)
{
    if (!stream)
        return;
    n = n < stream->late.size() ? n : stream->late.size();
    for (size_t i = 0; i < n; i++)
        memmove(stream->late[i].to, stream->late[i].from, stream->late[i].bytes);
    stream->late.erase(stream->late.begin(), stream->late.begin() + (ptrdiff_t)n);
    done[stream] += n;
}

void catch_up_to(cudaEvent_t event)
{
    if (!event->stream || !done.count(event->stream))
        return;
    size_t until = event->serial + event->n_copies, at = done[event->stream];
    catch_up(event->stream, until > at ? until - at : 0);
}

bool is_past(cudaEvent_t event)
{
    return event->stream && done.count(event->stream) &&
           done[event->stream] >= event->serial + event->n_copies;
}

cudaError_t allocate(blocks *all, void **out, size_t bytes)
{
    *out = malloc(bytes ? bytes : 1);
    if (!*out)
        return cudaErrorMemoryAllocation;
    (*all)[*out] = {bytes, current};
    return cudaSuccess;
}

void release(blocks *all, void *at)
{
    all->erase(at);
    free(at);
}
} // namespace

namespace gs
{
namespace simt
{
std::recursive_mutex &lock()
{
    static std::recursive_mutex one;
    return one;
}

cudaError_t before_launch(cudaStream_t stream)
{
    if (stream && stream->device != current)
        return cudaErrorInvalidResourceHandle;
    catch_up(stream, SIZE_MAX);
    return injected("launch");
}
} // namespace simt
} // namespace gs

const char *cudaGetErrorString(cudaError_t e)
{
    static thread_local std::string fault;
    LOCKED;
    switch (e) {
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
        fault = gs::simt::take_fault();
        return fault.empty() ? "unspecified launch failure" : fault.c_str();
    default:
        return "an error of the CUDA runtime";
    }
}

cudaError_t cudaGetDeviceCount(int *n)
{
    MAY_FAIL("cudaGetDeviceCount");
    *n = n_devices();
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= n_devices())
        return cudaErrorInvalidDevice;
    current = device;
    MAY_FAIL("cudaSetDevice");
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    MAY_FAIL("cudaGetDeviceProperties");
    if (device < 0 || device >= n_devices())
        return cudaErrorInvalidDevice;
    snprintf(out->name, sizeof(out->name), "emulator");
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    MAY_FAIL("cudaMemGetInfo");
    *total = memory_bytes();
    *available = *total > used_bytes[current] ? *total - used_bytes[current] : 0;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    MAY_FAIL("cudaMalloc");
    if (used_bytes[current] + bytes > memory_bytes())
        return cudaErrorMemoryAllocation;
    cudaError_t e = allocate(&device_memory, out, bytes);
    if (e != cudaSuccess)
        return e;
    memset(*out, PATTERN, bytes);
    used_bytes[current] += bytes;
    return cudaSuccess;
}

cudaError_t cudaFree(void *at)
{
    LOCKED;
    block freed = device_memory[at];
    for (auto &stream : done) /* it waits for the device */
        if (stream.first->device == freed.device)
            catch_up(stream.first, SIZE_MAX);
    used_bytes[freed.device] -= freed.bytes;
    release(&device_memory, at);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned)
{
    MAY_FAIL("cudaHostAlloc");
    return allocate(&pinned_memory, out, bytes);
}

cudaError_t cudaFreeHost(void *at)
{
    LOCKED;
    release(&pinned_memory, at);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *at, int byte, size_t n, cudaStream_t stream)
{
    MAY_FAIL("cudaMemsetAsync");
    if (!is_of(stream, at))
        return cudaErrorInvalidValue;
    catch_up(stream, SIZE_MAX);
    memset(at, byte, n);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    const void *host = kind == cudaMemcpyHostToDevice ? from : to;
    MAY_FAIL("cudaMemcpyAsync");
    if (kind != cudaMemcpyHostToDevice && !is_of(stream, from))
        return cudaErrorInvalidValue;
    if (kind != cudaMemcpyDeviceToHost && !is_of(stream, to))
        return cudaErrorInvalidValue;
    stream->late.push_back({(char *)to, (const char *)from, bytes});
    if (kind == cudaMemcpyDeviceToDevice || !find(pinned_memory, host))
        catch_up(stream, SIZE_MAX);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned)
{
    MAY_FAIL("cudaStreamCreateWithFlags");
    *out = new gs_simt_stream{current, {}};
    done[*out] = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    MAY_FAIL("cudaStreamSynchronize");
    catch_up(stream, SIZE_MAX);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned)
{
    MAY_FAIL("cudaStreamWaitEvent");
    catch_up_to(event);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    LOCKED;
    catch_up(stream, SIZE_MAX);
    done.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    MAY_FAIL("cudaEventCreateWithFlags");
    *out = new gs_simt_event{current, NULL, 0, 0};
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    MAY_FAIL("cudaEventRecord");
    if (event->device != stream->device)
        return cudaErrorInvalidResourceHandle;
    *event = {event->device, stream, stream->late.size(), done[stream]};
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    MAY_FAIL("cudaEventSynchronize");
    catch_up_to(event);
    return cudaSuccess;
}

/* No time passes here; but both must have happened. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    MAY_FAIL("cudaEventElapsedTime");
    *ms = 0;
    return is_past(from) && is_past(to) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}

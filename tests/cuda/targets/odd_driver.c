/* SPDX-License-Identifier: MIT
 * A driver that says what it was told to say, to everything, and does nothing: it has succeeded and
 * written no result, or has failed with a code that nobody knows. What only asks changes errno, and
 * finds another context current each time, of `odd_contexts`.
 */
#include <errno.h>
#include <string.h>

#include "preload/cuda_api.h"

#define ODD_API   __attribute__((visibility("default")))
#define ODD_ERRNO 99

ODD_API int odd_result;
ODD_API unsigned odd_contexts = 1;

#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params)                                  \
    ODD_API CUresult symbol params                                                                 \
    {                                                                                              \
        return odd_result;                                                                         \
    }
/* These two have more to them, below. */
#define cuGetProcAddress_v2 odd_get_proc_address
#define cuMemAllocManaged   odd_alloc_managed
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL
#undef cuGetProcAddress_v2
#undef cuMemAllocManaged

/* Asked for a version that no table knows it is as good as for any; the agent asks once more. */
ODD_API CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int version, uint64_t flags,
                                     CUdriverProcAddressQueryResult *status)
{
    (void)symbol;
    (void)flags;
    (void)status;
    if (version == 13000)
        errno = ODD_ERRNO;
    if (pfn && !odd_result)
        *pfn = (void *)&odd_result;
    return odd_result;
}

/* By the name that it exports: whoever is before it in the order of loading comes in between. */
ODD_API CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytes, unsigned flags)
{
    (void)flags;
    return cuMemAlloc_v2(dptr, bytes);
}

ODD_API CUresult cuInit(unsigned flags)
{
    (void)flags;
    return 0;
}

ODD_API CUresult cuCtxGetCurrent(CUcontext *ctx)
{
    static unsigned n;
    errno = ODD_ERRNO;
    *ctx =
        (void *)(uintptr_t)((1 + __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED) % odd_contexts) << 4);
    return 0;
}

ODD_API CUresult cuCtxGetDevice(CUdevice *dev)
{
    errno = ODD_ERRNO;
    *dev = -7;
    return 0;
}

/* Not ended. */
ODD_API CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
    (void)dev;
    errno = ODD_ERRNO;
    memset(name, 0xff, (size_t)len);
    return 0;
}

ODD_API CUresult cuDeviceGetPCIBusId(char *id, int len, CUdevice dev)
{
    return cuDeviceGetName(id, len, dev);
}

ODD_API CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    errno = ODD_ERRNO;
    *free_bytes = SIZE_MAX;
    *total_bytes = 1;
    return 0;
}

ODD_API CUresult cuDriverGetVersion(int *version)
{
    errno = ODD_ERRNO;
    *version = -1;
    return 0;
}

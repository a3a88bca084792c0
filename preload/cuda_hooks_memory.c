/* SPDX-License-Identifier: MIT
 * Wrappers of functions that allocate and free: of devices, of the host, arrays, stream-ordered,
 * of other processes, and modules.
 */
#include "preload/cuda_effects.h"
#include "preload/cuda_image.h"

/* ---- devices ---- */

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytes)
{
    GS_CUDA_ALLOCATES(cuMemAlloc_v2, (dptr, bytes), GS_SPACE_DEVICE, DEVICE, GS_CUDA_AT(dptr),
                      bytes);
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pitch, size_t width, size_t height,
                            unsigned element)
{
    GS_CUDA_ALLOCATES(cuMemAllocPitch_v2, (dptr, pitch, width, height, element), GS_SPACE_DEVICE,
                      DEVICE, GS_CUDA_AT(dptr), (rc ? width : GS_CUDA_AT(pitch)) * height);
}

CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytes, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuMemAllocManaged, (dptr, bytes, flags), GS_SPACE_DEVICE, MANAGED,
                      GS_CUDA_AT(dptr), bytes);
}

CUresult cuMemFree_v2(CUdeviceptr dptr)
{
    GS_CUDA_FREES(cuMemFree_v2, (dptr), GS_SPACE_DEVICE, DEVICE, dptr);
}

/* ---- stream-ordered ---- */

CUresult cuMemAllocAsync(CUdeviceptr *dptr, size_t bytes, CUstream stream)
{
    GS_CUDA_ALLOCATES(cuMemAllocAsync, (dptr, bytes, stream), GS_SPACE_DEVICE, POOL,
                      GS_CUDA_AT(dptr), bytes);
}

CUresult cuMemAllocAsync_ptsz(CUdeviceptr *dptr, size_t bytes, CUstream stream)
{
    GS_CUDA_ALLOCATES(cuMemAllocAsync_ptsz, (dptr, bytes, stream), GS_SPACE_DEVICE, POOL,
                      GS_CUDA_AT(dptr), bytes);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytes, CUmemoryPool pool,
                                 CUstream stream)
{
    GS_CUDA_ALLOCATES(cuMemAllocFromPoolAsync, (dptr, bytes, pool, stream), GS_SPACE_DEVICE, POOL,
                      GS_CUDA_AT(dptr), bytes);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *dptr, size_t bytes, CUmemoryPool pool,
                                      CUstream stream)
{
    GS_CUDA_ALLOCATES(cuMemAllocFromPoolAsync_ptsz, (dptr, bytes, pool, stream), GS_SPACE_DEVICE,
                      POOL, GS_CUDA_AT(dptr), bytes);
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream stream)
{
    GS_CUDA_FREES(cuMemFreeAsync, (dptr, stream), GS_SPACE_DEVICE, POOL, dptr);
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr dptr, CUstream stream)
{
    GS_CUDA_FREES(cuMemFreeAsync_ptsz, (dptr, stream), GS_SPACE_DEVICE, POOL, dptr);
}

/* ---- the host ---- */

CUresult cuMemAllocHost_v2(void **p, size_t bytes)
{
    GS_CUDA_ALLOCATES(cuMemAllocHost_v2, (p, bytes), GS_SPACE_HOST, HOST, GS_CUDA_AT(p), bytes);
}

CUresult cuMemHostAlloc(void **p, size_t bytes, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuMemHostAlloc, (p, bytes, flags), GS_SPACE_HOST, HOST, GS_CUDA_AT(p), bytes);
}

CUresult cuMemFreeHost(void *p)
{
    GS_CUDA_FREES(cuMemFreeHost, (p), GS_SPACE_HOST, HOST, p);
}

CUresult cuMemHostRegister(void *p, size_t bytes, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuMemHostRegister, (p, bytes, flags), GS_SPACE_PINNED, REGISTERED, p, bytes);
}

CUresult cuMemHostRegister_v2(void *p, size_t bytes, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuMemHostRegister_v2, (p, bytes, flags), GS_SPACE_PINNED, REGISTERED, p,
                      bytes);
}

CUresult cuMemHostUnregister(void *p)
{
    GS_CUDA_FREES(cuMemHostUnregister, (p), GS_SPACE_PINNED, REGISTERED, p);
}

/* ---- another process's: how much it is only that process knows ---- */

CUresult cuIpcOpenMemHandle(CUdeviceptr *dptr, CUipcMemHandle handle, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuIpcOpenMemHandle, (dptr, handle, flags), GS_SPACE_DEVICE, IPC,
                      GS_CUDA_AT(dptr), 0);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *dptr, CUipcMemHandle handle, unsigned flags)
{
    GS_CUDA_ALLOCATES(cuIpcOpenMemHandle_v2, (dptr, handle, flags), GS_SPACE_DEVICE, IPC,
                      GS_CUDA_AT(dptr), 0);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr dptr)
{
    GS_CUDA_FREES(cuIpcCloseMemHandle, (dptr), GS_SPACE_DEVICE, IPC, dptr);
}

/* ---- arrays ---- */

static uint64_t format_bytes(CUarray_format format)
{
    switch (format) {
    case 0x01: /* 8 bits, unsigned and signed */
    case 0x08:
        return 1;
    case 0x02: /* 16 bits, half */
    case 0x09:
    case 0x10:
        return 2;
    case 0x03: /* 32 bits, float */
    case 0x0a:
    case 0x20:
        return 4;
    default: /* compressed and planar ones */
        return 0;
    }
}

static uint64_t array_bytes(size_t width, size_t height, size_t depth, CUarray_format format,
                            unsigned channels)
{
    return (uint64_t)width * (height ? height : 1) * (depth ? depth : 1) * channels *
           format_bytes(format);
}

static uint64_t mipmap_bytes(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned levels)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < levels && i < 64; i++)
        bytes += array_bytes(d->Width >> i ? d->Width >> i : 1, d->Height >> i, d->Depth >> i,
                             d->Format, d->NumChannels);
    return bytes;
}

CUresult cuArrayCreate_v2(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *desc)
{
    GS_CUDA_ALLOCATES(
        cuArrayCreate_v2, (array, desc), GS_SPACE_ARRAY, ARRAY, GS_CUDA_AT(array),
        rc || !desc ? 0
                    : array_bytes(desc->Width, desc->Height, 1, desc->Format, desc->NumChannels));
}

CUresult cuArray3DCreate_v2(CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
    GS_CUDA_ALLOCATES(cuArray3DCreate_v2, (array, desc), GS_SPACE_ARRAY, ARRAY, GS_CUDA_AT(array),
                      rc || !desc ? 0
                                  : array_bytes(desc->Width, desc->Height, desc->Depth,
                                                desc->Format, desc->NumChannels));
}

CUresult cuArrayDestroy(CUarray array)
{
    GS_CUDA_FREES(cuArrayDestroy, (array), GS_SPACE_ARRAY, ARRAY, array);
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *array, const CUDA_ARRAY3D_DESCRIPTOR *desc,
                                unsigned levels)
{
    GS_CUDA_ALLOCATES(cuMipmappedArrayCreate, (array, desc, levels), GS_SPACE_ARRAY, ARRAY,
                      GS_CUDA_AT(array), rc || !desc ? 0 : mipmap_bytes(desc, levels));
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray array)
{
    GS_CUDA_FREES(cuMipmappedArrayDestroy, (array), GS_SPACE_ARRAY, ARRAY, array);
}

/* ---- modules and libraries ---- */

CUresult cuModuleLoad(CUmodule *module, const char *path)
{
    GS_CUDA_ALLOCATES(cuModuleLoad, (module, path), GS_SPACE_MODULE, MODULE, GS_CUDA_AT(module),
                      gs_cuda_file_bytes(path));
}

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    GS_CUDA_ALLOCATES(cuModuleLoadData, (module, image), GS_SPACE_MODULE, MODULE,
                      GS_CUDA_AT(module), gs_cuda_image_bytes(image));
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned n, CUjit_option *options,
                            void **values)
{
    GS_CUDA_ALLOCATES(cuModuleLoadDataEx, (module, image, n, options, values), GS_SPACE_MODULE,
                      MODULE, GS_CUDA_AT(module), gs_cuda_image_bytes(image));
}

CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image)
{
    GS_CUDA_ALLOCATES(cuModuleLoadFatBinary, (module, image), GS_SPACE_MODULE, MODULE,
                      GS_CUDA_AT(module), gs_cuda_image_bytes(image));
}

CUresult cuModuleUnload(CUmodule module)
{
    GS_CUDA_FREES(cuModuleUnload, (module), GS_SPACE_MODULE, MODULE, module);
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *image, CUjit_option *jit,
                           void **jit_values, unsigned n_jit, CUlibraryOption *options,
                           void **values, unsigned n)
{
    GS_CUDA_ALLOCATES(cuLibraryLoadData,
                      (library, image, jit, jit_values, n_jit, options, values, n), GS_SPACE_MODULE,
                      MODULE, GS_CUDA_AT(library), gs_cuda_image_bytes(image));
}

CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *path, CUjit_option *jit,
                               void **jit_values, unsigned n_jit, CUlibraryOption *options,
                               void **values, unsigned n)
{
    GS_CUDA_ALLOCATES(cuLibraryLoadFromFile,
                      (library, path, jit, jit_values, n_jit, options, values, n), GS_SPACE_MODULE,
                      MODULE, GS_CUDA_AT(library), gs_cuda_file_bytes(path));
}

CUresult cuLibraryUnload(CUlibrary library)
{
    GS_CUDA_FREES(cuLibraryUnload, (library), GS_SPACE_MODULE, MODULE, library);
}

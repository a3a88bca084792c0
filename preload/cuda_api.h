/* SPDX-License-Identifier: MIT
 * As much of the CUDA driver's interface as the agent passes on: names and layouts only. That they
 * are the driver's own is checked against NVIDIA's headers by tests/lint/check_cuda_abi.sh.
 */
#ifndef GS_CUDA_API_H
#define GS_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

typedef int CUresult;
#define GS_CUDA_SUCCESS          0
#define GS_CUDA_ERROR_STUB       34 /* CUDA_ERROR_STUB_LIBRARY: there is no driver behind us */
#define GS_CUDA_PER_THREAD       2  /* cuGetProcAddress(): per-thread default stream */
#define GS_CUDA_GRAPH_NODE_ALLOC 10 /* CU_GRAPH_NODE_TYPE_MEM_ALLOC */
#define GS_CUDA_GRAPH_NODE_FREE  11

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef unsigned long long CUmemGenericAllocationHandle;
typedef void *CUcontext, *CUmodule, *CUlibrary, *CUfunction, *CUstream, *CUevent, *CUarray,
    *CUmipmappedArray, *CUmemoryPool, *CUgraph, *CUgraphNode, *CUgraphExec, *CUgreenCtx;
/* Of these only a pointer passes through. */
typedef struct CUexecAffinityParam_st CUexecAffinityParam;
typedef struct CUctxCreateParams_st CUctxCreateParams;
typedef struct CUmemPoolProps_st CUmemPoolProps;
typedef struct CUmemAllocationProp_st CUmemAllocationProp;
typedef struct CUgraphEdgeData_st CUgraphEdgeData;
typedef struct CUDA_GRAPH_INSTANTIATE_PARAMS_st CUDA_GRAPH_INSTANTIATE_PARAMS;
typedef struct CUDA_MEMCPY2D_st CUDA_MEMCPY2D;
typedef struct CUDA_MEMCPY3D_st CUDA_MEMCPY3D;
typedef struct CUDA_MEMCPY3D_PEER_st CUDA_MEMCPY3D_PEER;
typedef struct CUlaunchConfig_st CUlaunchConfig;
/* Enumerations: as wide as int. */
typedef int CUmemPool_attribute, CUmemAllocationHandleType, CUjit_option, CUlibraryOption,
    CUdriverProcAddressQueryResult, CUarray_format;

typedef struct CUipcMemHandle_st {
    char reserved[64];
} CUipcMemHandle;

typedef struct CUDA_ARRAY_DESCRIPTOR_st {
    size_t Width, Height;
    CUarray_format Format;
    unsigned int NumChannels;
} CUDA_ARRAY_DESCRIPTOR;

typedef struct CUDA_ARRAY3D_DESCRIPTOR_st {
    size_t Width, Height, Depth;
    CUarray_format Format;
    unsigned int NumChannels;
    unsigned int Flags;
} CUDA_ARRAY3D_DESCRIPTOR;

typedef struct CUDA_MEM_ALLOC_NODE_PARAMS_st {
    char poolProps[88];
    const void *accessDescs;
    size_t accessDescCount;
    size_t bytesize;
    CUdeviceptr dptr;
} CUDA_MEM_ALLOC_NODE_PARAMS;

typedef struct CUgraphNodeParams_st {
    int type;
    int reserved0[3];
    union {
        long long reserved1[29];
        CUDA_MEM_ALLOC_NODE_PARAMS alloc;
        struct {
            CUdeviceptr dptr;
        } free;
    };
    long long reserved2;
} CUgraphNodeParams;

#endif

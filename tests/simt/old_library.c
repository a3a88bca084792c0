/* SPDX-License-Identifier: MIT
 * A libgilscope_cuda.so of another version, for tests.
 */
#include "analyzer/engine_cuda.h"

__attribute__((visibility("default"))) const struct gs_cuda_engine *gs_cuda_engine_table(void);

const struct gs_cuda_engine *gs_cuda_engine_table(void)
{
    static const struct gs_cuda_engine old = {.abi = GS_CUDA_ABI - 1, .size = sizeof(old)};
    return &old;
}

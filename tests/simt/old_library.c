/* SPDX-License-Identifier: MIT
 * A libgilscope_cuda.so of another version, for tests. With GS_OTHER_REPLAY: all but its replay's.
 */
#include "analyzer/engine_cuda.h"
#include "analyzer/whatif/replay.h"

#ifdef GS_OTHER_REPLAY
#define ABI GS_CUDA_ABI
#else
#define ABI (GS_CUDA_ABI - 1)
#endif

__attribute__((visibility("default"))) const struct gs_cuda_engine *gs_cuda_engine_table(void);

const struct gs_cuda_engine *gs_cuda_engine_table(void)
{
    static const struct gs_cuda_engine old = {.abi = ABI,
                                              .size = sizeof(old),
                                              .replay_version =
                                                  GS_REPLAY_VERSION + (ABI == GS_CUDA_ABI)};
    return &old;
}

/* SPDX-License-Identifier: MIT
 * Wrappers, made from the table, of functions that leave memory as it is: how long they take, and
 * whether the GIL is held meanwhile, is all there is to say.
 */
#include "preload/cuda_span.h"

#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params)
#define GS_CUDA_TIMED(symbol, base, since, per_thread, op, moved_bytes, params, args)              \
    CUresult symbol params                                                                         \
    {                                                                                              \
        struct gs_cuda_span s;                                                                     \
        if (!gs_cuda_begin(&s, GS_CUDA_##symbol))                                                  \
            return GS_CUDA_REAL(symbol) args;                                                      \
        CUresult rc = GS_CUDA_REAL(symbol) args;                                                   \
        gs_cuda_end_timed(&s, rc, moved_bytes);                                                    \
        return rc;                                                                                 \
    }
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL

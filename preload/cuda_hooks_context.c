/* SPDX-License-Identifier: MIT
 * Wrappers of functions that make contexts, end them or make them current, and of
 * cuGetProcAddress(), which hands out all the others.
 */
#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/cuda_context.h"
#include "preload/cuda_effects.h"

/* ---- made ---- */

static void end_create(struct gs_cuda_span *s, CUresult rc, CUcontext *ctx, CUdevice device,
                       uint64_t free_before, uint32_t flags)
{
    const struct gs_cuda_birth birth = {.t = s->t0,
                                        .duration = gs_now() - s->t0,
                                        .free_before_bytes = free_before,
                                        .thread = gs_cuda_thread_index(s),
                                        .stack = gs_cuda_stack(s),
                                        .flags = flags};
    bool primary = flags & GS_CUDA_PRIMARY, made_one = rc == GS_CUDA_SUCCESS && ctx;
    /* the handle of one that another thread is just ending may be a new one's */
    bool retained = made_one && primary && gs_cuda_context_of(*ctx);
    uint32_t made = made_one && !retained ? gs_cuda_context_add(*ctx, device, &birth, primary) : 0;
    if (retained) {
        gs_cuda_end_timed(s, rc, 0);
        return;
    }
    if (made && !primary)
        gs_cuda_context_measure(made);
    gs_cuda_end(s, rc, &(struct gs_cuda_facts){.op = GS_CUDA_OP_CONTEXT, .context = made});
}

#define CREATES(symbol, args, ctx, device, flags)                                                  \
    do {                                                                                           \
        struct gs_cuda_span s;                                                                     \
        int saved = errno;                                                                         \
        bool on = gs_cuda_begin(&s, GS_CUDA_##symbol);                                             \
        uint64_t free_before = on ? gs_cuda_free_bytes_of(device) : 0;                             \
        errno = saved;                                                                             \
        CUresult rc = GS_CUDA_REAL(symbol) args;                                                   \
        saved = errno;                                                                             \
        if (on)                                                                                    \
            end_create(&s, rc, ctx, device, free_before, flags);                                   \
        errno = saved;                                                                             \
        return rc;                                                                                 \
    } while (0)

CUresult cuCtxCreate_v2(CUcontext *ctx, unsigned flags, CUdevice dev)
{
    CREATES(cuCtxCreate_v2, (ctx, flags, dev), ctx, dev, 0);
}

CUresult cuCtxCreate_v3(CUcontext *ctx, CUexecAffinityParam *params, int n, unsigned flags,
                        CUdevice dev)
{
    CREATES(cuCtxCreate_v3, (ctx, params, n, flags, dev), ctx, dev, 0);
}

CUresult cuCtxCreate_v4(CUcontext *ctx, CUctxCreateParams *params, unsigned flags, CUdevice dev)
{
    CREATES(cuCtxCreate_v4, (ctx, params, flags, dev), ctx, dev, 0);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice dev)
{
    CREATES(cuDevicePrimaryCtxRetain, (ctx, dev), ctx, dev, GS_CUDA_PRIMARY);
}

/* ---- made current: what is free can be asked only then ---- */

static void end_current(struct gs_cuda_span *s, CUresult rc, CUcontext ctx)
{
    if (rc == GS_CUDA_SUCCESS && ctx)
        gs_cuda_context_measure(gs_cuda_context_current());
    gs_cuda_end_silent(s, rc);
}

#define MAKES_CURRENT(symbol, ctx)                                                                 \
    do {                                                                                           \
        struct gs_cuda_span s;                                                                     \
        bool on = gs_cuda_begin(&s, GS_CUDA_##symbol);                                             \
        CUresult rc = GS_CUDA_REAL(symbol)(ctx);                                                   \
        int saved = errno;                                                                         \
        if (on)                                                                                    \
            end_current(&s, rc, ctx);                                                              \
        errno = saved;                                                                             \
        return rc;                                                                                 \
    } while (0)

CUresult cuCtxSetCurrent(CUcontext ctx)
{
    MAKES_CURRENT(cuCtxSetCurrent, ctx);
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
    MAKES_CURRENT(cuCtxPushCurrent_v2, ctx);
}

/* ---- ended: what comes after it, in the order of effects, is another context's ---- */

static bool begin_end(struct gs_cuda_span *s, enum gs_cuda_call call)
{
    if (!gs_cuda_begin(s, call))
        return false;
    if (gs_agent.level > 0)
        s->seq = gs_cuda_next_seq();
    return true;
}

static void end_end(struct gs_cuda_span *s, CUresult rc, uint32_t context)
{
    uint64_t bytes = 0;
    if (rc == GS_CUDA_SUCCESS && context) {
        gs_cuda_context_end(context, gs_now());
        bytes = gs_cuda_live_end_context(context);
    }
    gs_cuda_end(
        s, rc,
        &(struct gs_cuda_facts){.op = GS_CUDA_OP_CONTEXT_END, .context = context, .bytes = bytes});
}

CUresult cuCtxDestroy_v2(CUcontext ctx)
{
    struct gs_cuda_span s;
    bool on = begin_end(&s, GS_CUDA_cuCtxDestroy_v2);
    uint32_t context = on ? gs_cuda_context_of(ctx) : 0;
    CUresult rc = GS_CUDA_REAL(cuCtxDestroy_v2)(ctx);
    if (on)
        end_end(&s, rc, context);
    return rc;
}

/* Of a primary context only the last release ends it. */
static void end_primary(struct gs_cuda_span *s, CUresult rc, CUdevice device)
{
    uint32_t context = gs_cuda_primary_of(device);
    if (rc == GS_CUDA_SUCCESS && context && gs_cuda_primary_is_active(device))
        gs_cuda_end(s, rc, &(struct gs_cuda_facts){.op = GS_CUDA_OP_CONTEXT, .context = context});
    else
        end_end(s, rc, context);
}

#define ENDS_PRIMARY(symbol, device)                                                               \
    do {                                                                                           \
        struct gs_cuda_span s;                                                                     \
        bool on = begin_end(&s, GS_CUDA_##symbol);                                                 \
        CUresult rc = GS_CUDA_REAL(symbol)(device);                                                \
        int saved = errno;                                                                         \
        if (on)                                                                                    \
            end_primary(&s, rc, device);                                                           \
        errno = saved;                                                                             \
        return rc;                                                                                 \
    } while (0)

CUresult cuDevicePrimaryCtxRelease(CUdevice dev)
{
    ENDS_PRIMARY(cuDevicePrimaryCtxRelease, dev);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
    ENDS_PRIMARY(cuDevicePrimaryCtxRelease_v2, dev);
}

CUresult cuDevicePrimaryCtxReset(CUdevice dev)
{
    ENDS_PRIMARY(cuDevicePrimaryCtxReset, dev);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
    ENDS_PRIMARY(cuDevicePrimaryCtxReset_v2, dev);
}

/* ---- handed out ---- */

static bool wants_wrappers(void)
{
    return gs_agent.state == GS_STATE_ON && gs_agent.config.what & GS_WHAT_cuda;
}

static void *ask_again(const char *name, int version, uint64_t flags)
{
    void *real = NULL;
    return GS_CUDA_REAL(cuGetProcAddress)(name, &real, version, flags) ? NULL : real;
}

static void *ask_again_v2(const char *name, int version, uint64_t flags)
{
    void *real = NULL;
    CUdriverProcAddressQueryResult status;
    return GS_CUDA_REAL(cuGetProcAddress_v2)(name, &real, version, flags, &status) ? NULL : real;
}

/* The program's variable is written once: another thread may be calling through it. */
static void hand_out(void **pfn, void *real, CUresult rc, const char *symbol, int version,
                     uint64_t flags, void *(*again)(const char *, int, uint64_t))
{
    int saved = errno; /* the driver may be asked once more */
    bool wrap = rc == GS_CUDA_SUCCESS && real && symbol && wants_wrappers();
    *pfn = wrap ? gs_cuda_wrapper_of(symbol, version, flags, real, again) : real;
    errno = saved;
}

CUresult cuGetProcAddress(const char *symbol, void **pfn, int version, uint64_t flags)
{
    void *real = pfn ? *pfn : NULL;
    CUresult rc = GS_CUDA_REAL(cuGetProcAddress)(symbol, pfn ? &real : NULL, version, flags);
    if (pfn)
        hand_out(pfn, real, rc, symbol, version, flags, ask_again);
    return rc;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int version, uint64_t flags,
                             CUdriverProcAddressQueryResult *status)
{
    void *real = pfn ? *pfn : NULL;
    CUresult rc =
        GS_CUDA_REAL(cuGetProcAddress_v2)(symbol, pfn ? &real : NULL, version, flags, status);
    if (pfn)
        hand_out(pfn, real, rc, symbol, version, flags, ask_again_v2);
    return rc;
}

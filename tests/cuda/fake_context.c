/* SPDX-License-Identifier: MIT
 * Contexts: each thread's stack of current ones, the primary one of each device and its references.
 * Handles come again, as the driver's do: the one that ended last first, a primary context's
 * always.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>

#define STACK_DEPTH 64

static _Thread_local CUcontext stack[STACK_DEPTH];
static _Thread_local int depth;
static struct fake_context primaries[FAKE_MAX_DEVICES];
static CUcontext ended; /* never given back: threads may still have it in their stacks */

CUcontext fake_current(void)
{
    return depth ? stack[depth - 1] : NULL;
}

static void set_top(CUcontext context)
{
    if (!context)
        depth -= depth > 0;
    else
        stack[depth ? depth - 1 : depth++] = context;
}

static CUresult make(CUcontext context)
{
    if (!fake_charge(context->device, fake_setting(FAKE_SET_CONTEXT_MB) << 20))
        return FAKE_OUT_OF_MEMORY;
    context->alive = true;
    context->busy_until_ns = 0;
    return FAKE_OK;
}

static CUcontext take_handle(void)
{
    CUcontext context = ended;
    if (!context)
        return calloc(1, sizeof *context);
    ended = context->next;
    return context;
}

static void give_handle(CUcontext context)
{
    context->next = ended;
    ended = context;
}

static void end(CUcontext context)
{
    fake_free_all_of(context);
    fake_uncharge(context->device, fake_setting(FAKE_SET_CONTEXT_MB) << 20);
    context->alive = false;
    context->refs = 0;
}

static CUresult create(const char *symbol, CUcontext *out, unsigned flags, CUdevice device)
{
    FAKE_BEGIN_AS(symbol, EFFECT, INIT);
    CUcontext context = NULL;
    if (!rc && (!out || !fake_device_ok(device)))
        rc = out ? FAKE_INVALID_DEVICE : FAKE_INVALID_VALUE;
    if (!rc && (depth == STACK_DEPTH || !(context = take_handle())))
        rc = FAKE_OUT_OF_MEMORY;
    if (!rc) {
        uint64_t life = context->life + 1;
        *context = (struct fake_context){.device = device, .refs = 1, .flags = flags, .life = life};
        rc = make(context);
    }
    if (!rc)
        *out = stack[depth++] = context;
    else if (context)
        give_handle(context);
    return FAKE_END("%p %u %d", (void *)(rc ? NULL : context), flags, device);
}

CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device)
{
    return create(__func__, out, flags, device);
}

CUresult cuCtxCreate_v3(CUcontext *out, void *affinity, int n_affinity, unsigned flags,
                        CUdevice device)
{
    (void)affinity;
    (void)n_affinity;
    return create(__func__, out, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext *out, void *params, unsigned flags, CUdevice device)
{
    (void)params;
    return create(__func__, out, flags, device);
}

static CUresult destroy(const char *symbol, CUcontext context)
{
    FAKE_BEGIN_AS(symbol, EFFECT, INIT);
    if (!rc && (!context || context->primary))
        rc = context ? FAKE_INVALID_CONTEXT : FAKE_INVALID_VALUE;
    if (!rc && !context->alive)
        rc = FAKE_CONTEXT_DESTROYED;
    if (!rc) {
        end(context);
        give_handle(context);
        depth -= depth && stack[depth - 1] == context;
    }
    return FAKE_END("%p", (void *)context);
}

CUresult cuCtxDestroy_v2(CUcontext context)
{
    return destroy(__func__, context);
}

CUresult cuCtxDetach(CUcontext context)
{
    return destroy(__func__, context);
}

CUresult cuCtxGetCurrent(CUcontext *out)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && !out)
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        *out = fake_current();
    return FAKE_END("%p", (void *)(rc ? NULL : *out));
}

CUresult cuCtxSetCurrent(CUcontext context)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && context && !context->alive)
        rc = FAKE_CONTEXT_DESTROYED;
    if (!rc)
        set_top(context);
    return FAKE_END("%p", (void *)context);
}

CUresult cuCtxPushCurrent_v2(CUcontext context)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!context || depth == STACK_DEPTH))
        rc = FAKE_INVALID_CONTEXT;
    if (!rc && !context->alive)
        rc = FAKE_CONTEXT_DESTROYED;
    if (!rc)
        stack[depth++] = context;
    return FAKE_END("%p", (void *)context);
}

CUresult cuCtxPopCurrent_v2(CUcontext *out)
{
    FAKE_BEGIN(EFFECT, INIT);
    CUcontext top = fake_current();
    if (!rc && !depth)
        rc = FAKE_INVALID_CONTEXT;
    if (!rc) {
        depth--;
        if (out)
            *out = top;
    }
    return FAKE_END("%p", (void *)(rc ? NULL : top));
}

static CUresult device_of(const char *symbol, CUdevice *device, CUcontext context)
{
    FAKE_BEGIN_AS(symbol, QUERY, INIT);
    context = context ? context : fake_current();
    if (!rc && (!device || !context))
        rc = device ? FAKE_INVALID_CONTEXT : FAKE_INVALID_VALUE;
    if (!rc)
        *device = context->device;
    return FAKE_END("%p", (void *)context);
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    return device_of(__func__, device, NULL);
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext context)
{
    return device_of(__func__, device, context);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && (!out || !fake_device_ok(device)))
        rc = out ? FAKE_INVALID_DEVICE : FAKE_INVALID_VALUE;
    struct fake_context *p = rc ? NULL : &primaries[device];
    if (!rc && !p->alive) {
        *p = (struct fake_context){
            .device = device, .primary = true, .flags = p->flags, .life = p->life + 1};
        rc = make(p);
    }
    if (!rc) {
        p->refs++;
        *out = p;
    }
    return FAKE_END("%p %d", (void *)p, device);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && !fake_device_ok(device))
        rc = FAKE_INVALID_DEVICE;
    if (!rc && !primaries[device].alive)
        rc = FAKE_INVALID_CONTEXT;
    if (!rc && !--primaries[device].refs)
        end(&primaries[device]);
    return FAKE_END("%d", device);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    FAKE_BEGIN(EFFECT, INIT);
    if (!rc && !fake_device_ok(device))
        rc = FAKE_INVALID_DEVICE;
    if (!rc && primaries[device].alive)
        end(&primaries[device]);
    return FAKE_END("%d", device);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && (!flags || !active || !fake_device_ok(device)))
        rc = flags && active ? FAKE_INVALID_DEVICE : FAKE_INVALID_VALUE;
    if (!rc) {
        *flags = primaries[device].flags;
        *active = primaries[device].alive;
    }
    return FAKE_END("%d", device);
}

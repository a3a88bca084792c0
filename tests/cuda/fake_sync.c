/* SPDX-License-Identifier: MIT
 * Streams, events, what waits for them, copies and fills. A stream is a moment until which it is
 * busy; waiting is sleeping until then.
 */
#include "tests/cuda/fakecuda.h"

#include <stdlib.h>
#include <string.h>

struct fake_event {
    CUcontext context;
    bool alive;
    uint64_t at_ns;
};

/* The default streams: NULL, and the two special handles. */
static bool is_default(CUstream stream)
{
    return (uintptr_t)stream <= 2;
}

bool fake_stream_ok(CUstream stream)
{
    return is_default(stream) || (stream->alive && stream->context->alive);
}

/* The default stream waits for all others. */
static uint64_t busy_until(CUstream stream)
{
    return is_default(stream) ? fake_current()->busy_until_ns : stream->busy_until_ns;
}

void fake_stream_work(CUstream stream, uint64_t us)
{
    CUcontext context = is_default(stream) ? fake_current() : stream->context;
    uint64_t now = fake_now_ns(), begin = busy_until(stream);
    uint64_t end = (begin > now ? begin : now) + us * 1000;
    if (!is_default(stream))
        stream->busy_until_ns = end;
    if (end > context->busy_until_ns)
        context->busy_until_ns = end;
}

static void wait_until(uint64_t until_ns)
{
    fake_sleep(until_ns, fake_setting(FAKE_SET_SYNC_US), true);
    fake_pools_trim();
}

static CUresult synchronize_context(const char *symbol, CUcontext context)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    context = context ? context : fake_current();
    if (!rc)
        wait_until(context->busy_until_ns);
    return FAKE_END("%p", (void *)context);
}

CUresult cuCtxSynchronize(void)
{
    return synchronize_context(__func__, NULL);
}

CUresult cuCtxSynchronize_v2(CUcontext context)
{
    return synchronize_context(__func__, context);
}

CUresult cuStreamCreate(CUstream *out, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    CUstream s = rc || !out ? NULL : calloc(1, sizeof *s);
    if (!rc && !s)
        rc = out ? FAKE_OUT_OF_MEMORY : FAKE_INVALID_VALUE;
    if (!rc) {
        *s = (struct fake_stream){.context = fake_current(), .alive = true};
        *out = s;
    }
    return FAKE_END("%p %u", (void *)s, flags);
}

CUresult cuStreamDestroy_v2(CUstream stream)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    if (!rc && (is_default(stream) || !fake_stream_ok(stream)))
        rc = FAKE_INVALID_HANDLE;
    if (!rc)
        stream->alive = false; /* leaked, so that a stale handle is seen */
    return FAKE_END("%p", (void *)stream);
}

static CUresult synchronize(const char *symbol, CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    if (!rc)
        wait_until(busy_until(stream));
    return FAKE_END("%p", (void *)stream);
}

CUresult cuStreamSynchronize(CUstream stream)
{
    return synchronize(__func__, stream);
}

CUresult cuStreamSynchronize_ptsz(CUstream stream)
{
    return synchronize(__func__, stream);
}

CUresult cuEventCreate(CUevent *out, unsigned flags)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    CUevent e = rc || !out ? NULL : calloc(1, sizeof *e);
    if (!rc && !e)
        rc = out ? FAKE_OUT_OF_MEMORY : FAKE_INVALID_VALUE;
    if (!rc) {
        *e = (struct fake_event){.context = fake_current(), .alive = true};
        *out = e;
    }
    return FAKE_END("%p %u", (void *)e, flags);
}

static CUresult check_event(CUresult rc, CUevent event)
{
    return rc ? rc : event && event->alive ? FAKE_OK : FAKE_INVALID_HANDLE;
}

CUresult cuEventDestroy_v2(CUevent event)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    rc = check_event(rc, event);
    if (!rc)
        event->alive = false;
    return FAKE_END("%p", (void *)event);
}

static CUresult record(const char *symbol, CUevent event, CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    rc = check_event(rc, event);
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    if (!rc)
        event->at_ns = busy_until(stream);
    return FAKE_END("%p %p", (void *)event, (void *)stream);
}

CUresult cuEventRecord(CUevent event, CUstream stream)
{
    return record(__func__, event, stream);
}

CUresult cuEventRecord_ptsz(CUevent event, CUstream stream)
{
    return record(__func__, event, stream);
}

CUresult cuEventSynchronize(CUevent event)
{
    FAKE_BEGIN(EFFECT, CONTEXT);
    rc = check_event(rc, event);
    if (!rc)
        wait_until(event->at_ns);
    return FAKE_END("%p", (void *)event);
}

/* ---- copies and fills ---- */

static bool is_device(uint64_t address, size_t bytes)
{
    struct fake_block *b = fake_block_around(address);
    return (b && address + bytes <= b->address + b->bytes) || fake_mapped(address, bytes);
}

enum side { HOST_SIDE, DEVICE_SIDE, EITHER_SIDE };

static CUresult copy(const char *symbol, enum side to_side, uint64_t to, enum side from_side,
                     uint64_t from, size_t bytes)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && ((to_side == DEVICE_SIDE && !is_device(to, bytes)) ||
                (from_side == DEVICE_SIDE && !is_device(from, bytes))))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        memmove((void *)to, (const void *)from, bytes);
        fake_sleep(fake_current()->busy_until_ns, fake_setting(FAKE_SET_COPY_US), true);
    }
    return FAKE_END("0x%llx 0x%llx %zu", (unsigned long long)to, (unsigned long long)from, bytes);
}

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, EITHER_SIDE, to, EITHER_SIDE, from, bytes);
}

CUresult cuMemcpy_ptds(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, EITHER_SIDE, to, EITHER_SIDE, from, bytes);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
    return copy(__func__, DEVICE_SIDE, to, HOST_SIDE, (uint64_t)from, bytes);
}

CUresult cuMemcpyHtoD_v2_ptds(CUdeviceptr to, const void *from, size_t bytes)
{
    return copy(__func__, DEVICE_SIDE, to, HOST_SIDE, (uint64_t)from, bytes);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, HOST_SIDE, (uint64_t)to, DEVICE_SIDE, from, bytes);
}

CUresult cuMemcpyDtoH_v2_ptds(void *to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, HOST_SIDE, (uint64_t)to, DEVICE_SIDE, from, bytes);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, DEVICE_SIDE, to, DEVICE_SIDE, from, bytes);
}

CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy(__func__, DEVICE_SIDE, to, DEVICE_SIDE, from, bytes);
}

static CUresult copy_later(const char *symbol, CUdeviceptr to, const void *from, size_t bytes,
                           CUstream stream)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && !fake_stream_ok(stream))
        rc = FAKE_INVALID_HANDLE;
    if (!rc && !is_device(to, bytes))
        rc = FAKE_INVALID_VALUE;
    if (!rc) {
        memcpy((void *)to, from, bytes);
        fake_stream_work(stream, fake_setting(FAKE_SET_COPY_US));
    }
    return FAKE_END("0x%llx %zu %p", to, bytes, (void *)stream);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
    return copy_later(__func__, to, from, bytes, stream);
}

CUresult cuMemcpyHtoDAsync_v2_ptsz(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
    return copy_later(__func__, to, from, bytes, stream);
}

static CUresult fill(const char *symbol, CUdeviceptr to, unsigned value, size_t count, size_t size)
{
    FAKE_BEGIN_AS(symbol, EFFECT, CONTEXT);
    if (!rc && !is_device(to, count * size))
        rc = FAKE_INVALID_VALUE;
    if (!rc && size == 1)
        memset((void *)to, (int)value, count);
    for (size_t i = 0; !rc && size == 4 && i < count; i++)
        ((unsigned *)to)[i] = value;
    if (!rc)
        fake_sleep(0, fake_setting(FAKE_SET_COPY_US), true);
    return FAKE_END("0x%llx %u %zu", to, value, count);
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count)
{
    return fill(__func__, to, value, count, 1);
}

CUresult cuMemsetD8_v2_ptds(CUdeviceptr to, unsigned char value, size_t count)
{
    return fill(__func__, to, value, count, 1);
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count)
{
    return fill(__func__, to, value, count, 4);
}

CUresult cuMemsetD32_v2_ptds(CUdeviceptr to, unsigned value, size_t count)
{
    return fill(__func__, to, value, count, 4);
}

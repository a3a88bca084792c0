/* SPDX-License-Identifier: MIT
 * Devices, and what is taken of their memory: by this process and, where a file is shared
 * (fake_shared.h), by all on the machine.
 */
#include "tests/cuda/fake_shared.h"
#include "tests/cuda/fakecuda.h"

#include <stdio.h>
#include <string.h>

static uint64_t own[FAKE_MAX_DEVICES];
static struct fake_shared *shared;
static struct fake_shared_row *own_row;

static void take_row(void)
{
    shared = fake_shared_map();
    for (int i = 0; shared && !own_row && i < FAKE_SHARED_ROWS; i++) {
        int32_t was = shared->rows[i].pid;
        if (!fake_shared_lives(was) &&
            __atomic_compare_exchange_n(&shared->rows[i].pid, &was, (int32_t)getpid(), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            own_row = &shared->rows[i];
            memset(own_row->used_bytes, 0, sizeof own_row->used_bytes);
        }
    }
}

static uint64_t total_bytes(void)
{
    return fake_setting(FAKE_SET_MEMORY_MB) << 20;
}

uint64_t fake_free_bytes(int device)
{
    uint64_t used = own_row ? 0 : own[device];
    for (int i = 0; own_row && i < FAKE_SHARED_ROWS; i++)
        if (fake_shared_lives(shared->rows[i].pid))
            used += shared->rows[i].used_bytes[device];
    return used < total_bytes() ? total_bytes() - used : 0;
}

bool fake_charge(int device, uint64_t bytes)
{
    if (bytes > fake_free_bytes(device))
        return false;
    own[device] += bytes;
    if (own_row)
        own_row->used_bytes[device] = own[device];
    return true;
}

void fake_uncharge(int device, uint64_t bytes)
{
    own[device] -= bytes;
    if (own_row)
        own_row->used_bytes[device] = own[device];
}

uint64_t fake_used_bytes(int device)
{
    return own[device];
}

bool fake_device_ok(CUdevice device)
{
    return device >= 0 && device < (int)fake_setting(FAKE_SET_DEVICES) && device < FAKE_MAX_DEVICES;
}

CUresult cuInit(unsigned flags)
{
    FAKE_BEGIN(EFFECT, NOTHING);
    if (!rc && flags)
        rc = FAKE_INVALID_VALUE;
    if (!rc && fake_init_state() == FAKE_NOT_INITIALIZED) {
        take_row();
        fake_mark_init();
    }
    return FAKE_END("%u", flags);
}

CUresult cuDriverGetVersion(int *version)
{
    FAKE_BEGIN(QUERY, NOTHING);
    if (!version)
        rc = FAKE_INVALID_VALUE;
    else
        *version = (int)fake_setting(FAKE_SET_VERSION);
    return FAKE_END("%d", version ? *version : 0);
}

CUresult cuDeviceGetCount(int *count)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && !count)
        rc = FAKE_INVALID_VALUE;
    if (!rc)
        *count = (int)fake_setting(FAKE_SET_DEVICES);
    return FAKE_END(" ");
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    FAKE_BEGIN(QUERY, INIT);
    if (!rc && (!device || !fake_device_ok(ordinal)))
        rc = device ? FAKE_INVALID_DEVICE : FAKE_INVALID_VALUE;
    if (!rc)
        *device = ordinal;
    return FAKE_END("%d", ordinal);
}

/* The checks that all questions about a device have in common. */
static CUresult check(CUresult rc, const void *out, CUdevice device)
{
    if (rc)
        return rc;
    if (!out)
        return FAKE_INVALID_VALUE;
    return fake_device_ok(device) ? FAKE_OK : FAKE_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice device)
{
    FAKE_BEGIN(QUERY, INIT);
    rc = check(rc, name, device);
    if (!rc)
        snprintf(name, len > 0 ? (size_t)len : 0, "Host Memory Device %d", device);
    return FAKE_END("%d", device);
}

CUresult cuDeviceGetPCIBusId(char *id, int len, CUdevice device)
{
    FAKE_BEGIN(QUERY, INIT);
    rc = check(rc, id, device);
    if (!rc && (len <= 0 || snprintf(id, (size_t)len, "0000:%02X:00.0", 0x3b + device) >= len))
        rc = FAKE_INVALID_VALUE;
    return FAKE_END("%d", device);
}

static CUresult device_uuid(const char *symbol, unsigned char *uuid, CUdevice device)
{
    FAKE_BEGIN_AS(symbol, QUERY, INIT);
    rc = check(rc, uuid, device);
    if (!rc) {
        memset(uuid, 0x5a, 16);
        uuid[15] = (unsigned char)device;
    }
    return FAKE_END("%d", device);
}

CUresult cuDeviceGetUuid(void *uuid, CUdevice device)
{
    return device_uuid(__func__, uuid, device);
}

CUresult cuDeviceGetUuid_v2(void *uuid, CUdevice device)
{
    return device_uuid(__func__, uuid, device);
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    FAKE_BEGIN(QUERY, INIT);
    rc = check(rc, bytes, device);
    if (!rc)
        *bytes = total_bytes();
    return FAKE_END("%d", device);
}

#define ATTRIBUTE_UNIFIED_ADDRESSING 41
#define ATTRIBUTE_CAPABILITY_MAJOR   75
#define ATTRIBUTE_VMM_SUPPORTED      102
#define ATTRIBUTE_POOLS_SUPPORTED    115

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    FAKE_BEGIN(QUERY, INIT);
    rc = check(rc, value, device);
    if (!rc)
        *value = attribute == ATTRIBUTE_CAPABILITY_MAJOR ? 9
                 : attribute == ATTRIBUTE_UNIFIED_ADDRESSING ||
                         attribute == ATTRIBUTE_VMM_SUPPORTED ||
                         attribute == ATTRIBUTE_POOLS_SUPPORTED
                     ? 1
                     : 0;
    return FAKE_END("%d %d", attribute, device);
}

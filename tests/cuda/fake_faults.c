/* SPDX-License-Identifier: MIT
 * Settings (FAKECUDA_<NAME> in the environment, read once) and the faults they ask for.
 */
#include "tests/cuda/fakecuda.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define X(name, value) [FAKE_SET_##name] = {"FAKECUDA_" #name, value},
static struct {
    const char *name;
    uint64_t value;
} settings[] = {FAKE_SETTINGS(X)};
#undef X

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pid_t init_pid;
static uint64_t n_allocations, n_calls;
static bool sticky;

static void read_environment(void)
{
    for (int i = 0; i < FAKE_N_SETTINGS; i++) {
        const char *text = getenv(settings[i].name);
        if (text)
            settings[i].value = strtoull(text, NULL, 0);
    }
}

uint64_t fake_setting(enum fake_setting s)
{
    pthread_once(&once, read_environment);
    return settings[s].value;
}

/* Those that count begin again. */
bool fake_set(const char *name, uint64_t value)
{
    pthread_once(&once, read_environment);
    for (int i = 0; i < FAKE_N_SETTINGS; i++) {
        if (strcmp(settings[i].name + strlen("FAKECUDA_"), name))
            continue;
        settings[i].value = value;
        n_allocations = i == FAKE_SET_OOM_AT ? 0 : n_allocations;
        n_calls = i == FAKE_SET_STICKY_AFTER ? 0 : n_calls;
        return true;
    }
    return false;
}

/* NOT_SUPPORTED: the child of a process that has initialised the driver. */
CUresult fake_init_state(void)
{
    if (!init_pid)
        return FAKE_NOT_INITIALIZED;
    return init_pid == getpid() ? FAKE_OK : FAKE_NOT_SUPPORTED;
}

void fake_mark_init(void)
{
    init_pid = getpid();
}

CUresult fake_fault_of(enum fake_needs needs)
{
    uint64_t after = fake_setting(FAKE_SET_STICKY_AFTER);
    if (needs != FAKE_NEEDS_CONTEXT)
        return FAKE_OK;
    sticky |= after && ++n_calls > after;
    if (sticky)
        return (CUresult)fake_setting(FAKE_SET_STICKY_CODE);
    if (!fake_current())
        return FAKE_INVALID_CONTEXT;
    return fake_current()->alive ? FAKE_OK : FAKE_CONTEXT_DESTROYED;
}

bool fake_fault_of_allocation(size_t bytes)
{
    uint64_t above = fake_setting(FAKE_SET_OOM_ABOVE);
    return ++n_allocations == fake_setting(FAKE_SET_OOM_AT) || (above && bytes > above);
}

static const struct {
    CUresult code;
    const char *name, *text;
} errors[] = {
    {FAKE_OK, "CUDA_SUCCESS", "no error"},
    {FAKE_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {FAKE_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {FAKE_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {FAKE_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {FAKE_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {FAKE_FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {FAKE_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {FAKE_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {FAKE_CONTEXT_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {FAKE_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

static CUresult look_up(CUresult code, const char **out, bool name)
{
    if (!out)
        return FAKE_INVALID_VALUE;
    *out = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors && !*out; i++)
        if (errors[i].code == code)
            *out = name ? errors[i].name : errors[i].text;
    return *out ? FAKE_OK : FAKE_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **text)
{
    FAKE_BEGIN(QUERY, NOTHING);
    rc = look_up(code, text, false);
    return FAKE_END("%d", code);
}

CUresult cuGetErrorName(CUresult code, const char **text)
{
    FAKE_BEGIN(QUERY, NOTHING);
    rc = look_up(code, text, true);
    return FAKE_END("%d", code);
}
